//! What a cell may see and touch: a policy becomes an argument list, purely. [`probe`] says what this machine can do.

use std::str::FromStr;

use serde::Serialize;

/// The sandbox that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// The strongest that works here; what is in force is shown.
    #[default]
    Auto,
    /// Bubblewrap, or an error.
    Bwrap,
    /// No confinement; a guardian still kills what it leaves behind.
    None,
}

impl FromStr for SandboxMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(SandboxMode::Auto),
            "bwrap" => Ok(SandboxMode::Bwrap),
            "none" => Ok(SandboxMode::None),
            other => Err(format!(
                "unknown sandbox `{other}`: `auto`, `bwrap` and `none` are known"
            )),
        }
    }
}
