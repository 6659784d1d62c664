//! What a cell may use up and reach: `[limits]` and `[sandbox]` of its `Cell.toml`.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::config::unknown_key;
use super::limits::Limits;
use super::sandbox::SandboxMode;
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
    /// Device files, and folders of them, that it may open.
    pub devices: Vec<PathBuf>,
}

const KEYS: [&str; 5] = ["mode", "network", "read", "write", "devices"];
/// A sandbox without these would be none: the root, and where the sockets and secrets of the host are.
const NEVER: [&str; 6] = ["/", "/run", "/var/run", "/proc", "/sys", "/dev"];

/// Whoever opens one of these needs no other hole. (Disks are refused when the cell is started.)
const MACHINE: [&str; 6] = [
    "/dev/kmem",
    "/dev/kmsg",
    "/dev/mem",
    "/dev/port",
    "/dev/pts",
    "/dev/block",
];

/// Parses `sandbox`, a mode or a table; returns the mode.
pub fn parse_sandbox(
    value: &Value,
    rights: &mut Rights,
    place: &str,
) -> Result<Option<SandboxMode>> {
    if let Some(mode) = value.as_str() {
        return SandboxMode::named(mode, place).map(Some);
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
                mode = Some(SandboxMode::named(name, place)?);
            }
            "network" => {
                rights.network = value.as_bool().ok_or_else(|| wrong("true or false"))?;
            }
            "read" => rights.read = files(value).map_err(|why| wrong(&why))?,
            "write" => rights.write = files(value).map_err(|why| wrong(&why))?,
            "devices" => rights.devices = devices(value).map_err(|why| wrong(&why))?,
            unknown => return Err(unknown_key("sandbox", unknown, &KEYS, place)),
        }
    }
    Ok(mode)
}

/// Paths that are files and folders, and no devices: a sandbox opens those only under their own key.
fn files(value: &Value) -> std::result::Result<Vec<PathBuf>, String> {
    let paths = paths(value)?;
    match paths.iter().find(|path| is_device(path)) {
        Some(device) => Err(format!(
            "without devices: name `{}` under `sandbox.devices`",
            device.display()
        )),
        None => Ok(paths),
    }
}

fn devices(value: &Value) -> std::result::Result<Vec<PathBuf>, String> {
    let wanted = || "a list of paths in `/dev`".to_owned();
    let paths = paths(value).map_err(|_| wanted())?;
    for path in &paths {
        if !is_device(path) {
            return Err(wanted());
        }
        if MACHINE.iter().any(|never| path == Path::new(never)) {
            return Err(format!(
                "smaller: `{}` is the whole machine",
                path.display()
            ));
        }
    }
    Ok(paths)
}

/// Shared memory lies there too, but is files.
fn is_device(path: &Path) -> bool {
    path.starts_with("/dev") && !path.starts_with("/dev/shm")
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
            (mode.ok().flatten(), &rights),
            (Some(SandboxMode::Bwrap), &Rights::default())
        );
        let table = json!({ "mode": "auto", "network": true, "read": ["/srv/maps/"], "write": ["/srv/out", "/dev/shm/x"], "devices": ["/dev/dri"] });
        let mode = parse_sandbox(&table, &mut rights, "Cell.toml");
        assert_eq!(mode.ok().flatten(), Some(SandboxMode::Auto));
        assert!(rights.network);
        assert_eq!(
            (&rights.read, &rights.write),
            (
                &vec![PathBuf::from("/srv/maps")],
                &vec![PathBuf::from("/srv/out"), PathBuf::from("/dev/shm/x")]
            )
        );
        assert_eq!(rights.devices, [PathBuf::from("/dev/dri")]);
    }

    #[test]
    fn a_hole_that_would_undo_it_is_refused() {
        for (value, part) in [
            (json!({ "read": ["/"] }), "never shown"),
            (json!({ "read": ["/run/"] }), "never shown"),
            (json!({ "write": ["relative"] }), "absolute paths"),
            (json!({ "write": ["/a/../run"] }), "absolute paths"),
            (json!({ "read": "/a" }), "absolute paths"),
            (json!({ "write": ["/dev/dri"] }), "under `sandbox.devices`"),
            (json!({ "devices": ["/srv/maps"] }), "paths in `/dev`"),
            (json!({ "devices": ["/dev/mem"] }), "the whole machine"),
            (json!({ "devices": ["/dev"] }), "paths in `/dev`"),
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
