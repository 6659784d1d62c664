//! What a cell may use up and reach: `[limits]` and `[sandbox]` of its `Cell.toml`.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::config::{sandbox, unknown_key};
use super::limits::Limits;
use crate::error::{Error, Result};

/// What a cell may use up, and what it may reach besides its own folders and the cells that it calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// What it may use up.
    pub limits: Limits,
    /// Whether a sandbox leaves it the host's network.
    pub network: bool,
    /// More paths that it may read in a sandbox, each at its own place.
    pub read: Vec<PathBuf>,
    /// More paths that it may write in a sandbox.
    pub write: Vec<PathBuf>,
}

const KEYS: [&str; 4] = ["mode", "network", "read", "write"];
/// A sandbox without these would be none: the root, and where the sockets and secrets of the host are.
const NEVER: [&str; 6] = ["/", "/run", "/var/run", "/proc", "/sys", "/dev"];

/// Parses `sandbox`, a mode or a table; returns the mode.
pub fn parse_sandbox(value: &Value, rights: &mut Rights, place: &str) -> Result<Option<String>> {
    if let Some(mode) = value.as_str() {
        return sandbox(mode, place).map(Some);
    }
    let table = value.as_object().ok_or_else(|| {
        Error::user(format!(
            "`sandbox` in `{place}` must be a mode such as \"bwrap\", or a table"
        ))
    })?;
    let mut mode = None;
    for (key, value) in table {
        let wrong =
            |wanted: &str| Error::user(format!("`sandbox.{key}` in `{place}` must be {wanted}"));
        match key.as_str() {
            "mode" => {
                let name = value.as_str().ok_or_else(|| wrong("a string"))?;
                mode = Some(sandbox(name, place)?);
            }
            "network" => {
                rights.network = value.as_bool().ok_or_else(|| wrong("true or false"))?;
            }
            "read" => rights.read = paths(value).map_err(|why| wrong(&why))?,
            "write" => rights.write = paths(value).map_err(|why| wrong(&why))?,
            unknown => return Err(unknown_key("sandbox", unknown, &KEYS, place)),
        }
    }
    Ok(mode)
}

fn paths(value: &Value) -> std::result::Result<Vec<PathBuf>, String> {
    let wanted = || "a list of absolute paths".to_owned();
    let mut paths = Vec::new();
    for path in value.as_array().ok_or_else(wanted)? {
        let path = Path::new(path.as_str().ok_or_else(wanted)?);
        let plain = path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !path.is_absolute() || !plain {
            return Err(wanted());
        }
        // Without a slash at its end, so that it is compared as what it is.
        let path: PathBuf = path.components().collect();
        if NEVER.iter().any(|never| path == Path::new(never)) {
            return Err(format!("smaller: `{}` is never shown", path.display()));
        }
        paths.push(path);
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sandbox_is_a_mode_or_a_table() {
        let mut rights = Rights::default();
        let mode = parse_sandbox(&json!("bwrap"), &mut rights, "Cell.toml");
        assert_eq!(
            (mode.ok().flatten().as_deref(), &rights),
            (Some("bwrap"), &Rights::default())
        );
        let table = json!({ "mode": "auto", "network": true, "read": ["/srv/maps/"], "write": ["/srv/out"] });
        let mode = parse_sandbox(&table, &mut rights, "Cell.toml");
        assert_eq!(mode.ok().flatten().as_deref(), Some("auto"));
        assert!(rights.network);
        assert_eq!(
            (&rights.read, &rights.write),
            (
                &vec![PathBuf::from("/srv/maps")],
                &vec![PathBuf::from("/srv/out")]
            )
        );
    }

    #[test]
    fn a_hole_that_would_undo_it_is_refused() {
        for (value, part) in [
            (json!({ "read": ["/"] }), "never shown"),
            (json!({ "read": ["/run/"] }), "never shown"),
            (json!({ "write": ["relative"] }), "absolute paths"),
            (json!({ "write": ["/a/../run"] }), "absolute paths"),
            (json!({ "read": "/a" }), "absolute paths"),
            (json!({ "netwrok": true }), "did you mean `network`?"),
            (json!({ "mode": "jail" }), "unknown sandbox"),
            (json!(7), "a mode"),
        ] {
            let error =
                parse_sandbox(&value, &mut Rights::default(), "Cell.toml").expect_err("refused");
            let text = format!("{error} {:?}", error.hints);
            assert!(text.contains(part), "{value}: {text}");
        }
    }
}
