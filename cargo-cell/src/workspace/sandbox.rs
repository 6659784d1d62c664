//! The sandboxes by their names, in `Cell.toml` and on the command line.

use serde::Serialize;

use super::config::similar;
use crate::error::{Error, Result};

/// The sandbox that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Bubblewrap where it works, else none; what is in force is shown.
    #[default]
    Auto,
    /// Bubblewrap, or an error.
    Bwrap,
    /// Podman with crun, or an error.
    Podman,
    /// No confinement; a guardian still kills what it leaves behind.
    None,
}

/// Their names.
pub const NAMES: [&str; 4] = ["auto", "bwrap", "podman", "none"];

impl SandboxMode {
    /// The mode of this name, which was read at `place`.
    pub fn named(name: &str, place: &str) -> Result<SandboxMode> {
        match name {
            "auto" => Ok(SandboxMode::Auto),
            "bwrap" => Ok(SandboxMode::Bwrap),
            "podman" => Ok(SandboxMode::Podman),
            "none" => Ok(SandboxMode::None),
            other => {
                let error = Error::user(format!("unknown sandbox `{other}` in `{place}`"));
                Err(error.hint(match similar(other, &NAMES) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => format!("one of {}", NAMES.join(", ")),
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_and_near_ones_proposed() {
        let all = NAMES.map(|name| SandboxMode::named(name, "Cell.toml"));
        assert_eq!(
            all,
            [
                Ok(SandboxMode::Auto),
                Ok(SandboxMode::Bwrap),
                Ok(SandboxMode::Podman),
                Ok(SandboxMode::None)
            ]
        );
        for (wrong, part) in [
            ("podmann", "did you mean `podman`?"),
            ("docker", "one of auto, bwrap"),
        ] {
            let error = SandboxMode::named(wrong, "Cell.toml").expect_err("unknown");
            assert!(
                error.hints.iter().any(|hint| hint.contains(part)),
                "{error:?}"
            );
        }
    }
}
