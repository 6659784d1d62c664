//! The error of everything about schemas.

use std::fmt;

/// Why a schema, or a value of one, was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
    hint: Option<String>,
}

impl Error {
    /// An error that says what failed and why: lowercase, no full stop.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What failed and why, without the hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What helps, if anything is known to.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Puts the place in front of the message.
    #[must_use]
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
