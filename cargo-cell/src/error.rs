//! The tool's error: its kind says who must act and picks the exit code; hints are kept apart from the cause.

use std::fmt;

/// Who must act on an error. The kind picks the exit code, see [`Kind::exit_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user's code or schema is at fault.
    User,
    /// The command line or a configuration file is at fault.
    Usage,
    /// The environment is at fault: a missing tool, a full disk, nothing running.
    Environment,
    /// A bug of this tool.
    Bug,
}

impl Kind {
    /// The exit code of the process for this kind.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::User => 1,
            Kind::Usage => 2,
            Kind::Environment => 3,
            Kind::Bug => 101,
        }
    }
}

/// What failed, why, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Who must act.
    pub kind: Kind,
    /// What failed: lowercase, no full stop.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// Commands or steps that help.
    pub hints: Vec<String>,
    /// The error was shown already (for example as the compiler's own message): only the exit code is left to say.
    pub shown: bool,
}

/// The tool's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            shown: false,
        }
    }

    /// The user's code or schema is at fault.
    pub fn user(message: impl Into<String>) -> Self {
        Error::new(Kind::User, message)
    }

    /// The command line or a configuration file is at fault.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Kind::Usage, message)
    }

    /// The environment is at fault.
    pub fn environment(message: impl Into<String>) -> Self {
        Error::new(Kind::Environment, message)
    }

    /// A bug of this tool.
    pub fn bug(message: impl Into<String>) -> Self {
        Error::new(Kind::Bug, message)
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Marks the error as shown already.
    #[must_use]
    pub fn already_shown(mut self) -> Self {
        self.shown = true;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Gives an error from outside a message of its own.
pub trait Context<T> {
    /// The environment is at fault; `message` says what was being done.
    fn environment(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn environment(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::environment(message()).because(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_picks_the_exit_code() {
        let codes = [Kind::User, Kind::Usage, Kind::Environment, Kind::Bug].map(Kind::exit_code);
        assert_eq!(codes, [1, 2, 3, 101]);
    }

    #[test]
    fn causes_read_as_one_chain() {
        let error = Error::environment("cannot start cargo").because("no such file");
        assert_eq!(error.to_string(), "cannot start cargo: no such file");
    }
}
