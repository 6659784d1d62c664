//! Where sockets lie, and which one a name means. Deciding is pure; looking is at the bottom.

#![expect(
    clippy::disallowed_methods,
    reason = "the functions at the bottom look at the disk; the others decide"
)]

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The longest path of a Unix socket on Linux, in bytes (`sun_path` less its final zero).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The folder of sockets that a process may use, set by the supervisor.
pub const ENV_RUN: &str = "CELL_RUN";
/// The folder that holds everything of this user.
pub const ENV_HOME: &str = "CELL_HOME";

/// `$CELL_HOME`, or `~/.cell`.
pub fn home(env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    set(ENV_HOME)
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cell")))
        .ok_or_else(|| Error::Io {
            what: "find the folder of cells".into(),
            reason: "neither CELL_HOME nor HOME is set; set CELL_HOME".into(),
        })
}

/// The name of a workspace's folders: the first 8 bytes of the BLAKE3 hash of its root's path, in hex.
pub fn workspace_key(root: &Path) -> String {
    blake3::hash(root.as_os_str().as_bytes()).to_hex()[..16].to_owned()
}

/// The folder that holds the sockets of the workspace at `root`.
pub fn run_dir(home: &Path, root: &Path) -> PathBuf {
    home.join("run").join(workspace_key(root))
}

/// The folder of cells that nobody supervises.
pub fn local_run_dir(home: &Path) -> PathBuf {
    home.join("run").join("local")
}

/// The name of the socket of a cell with this fingerprint; zero for the one that is current.
pub fn socket_name(cell: &str, fingerprint: u64) -> String {
    if fingerprint == 0 {
        format!("{cell}.sock")
    } else {
        format!("{cell}.{fingerprint:016x}.sock")
    }
}

/// The sockets to look for in one folder, the best first.
fn candidates(dir: &Path, cell: &str, fingerprint: u64) -> Vec<PathBuf> {
    let exact = (fingerprint != 0).then(|| dir.join(socket_name(cell, fingerprint)));
    exact
        .into_iter()
        .chain([dir.join(socket_name(cell, 0))])
        .collect()
}

/// A cell's name as a file name and an identifier: what can be called that way cannot leave its folder.
pub fn check_name(cell: &str) -> Result<(), Error> {
    let fits = !cell.is_empty()
        && cell.len() <= 64
        && cell
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !cell.starts_with('-');
    if fits {
        return Ok(());
    }
    Err(Error::NotFound {
        cell: cell.escape_debug().to_string(),
        hint: "a cell's name has 1 to 64 ASCII letters, digits, `_` or `-`".into(),
    })
}

/// Which folders to search: `CELL_RUN` alone where it is set, otherwise all that exist.
fn pick(cell: &str, found: Vec<PathBuf>, searched: &str) -> Result<PathBuf, Error> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::NotFound {
            cell: cell.to_owned(),
            hint: format!("no socket in {searched}; start it with `cargo cell dev`"),
        }),
        (Some(first), Some(second)) => {
            let dirs: Vec<String> = [first, second]
                .into_iter()
                .chain(found)
                .map(|path| path.display().to_string())
                .collect();
            Err(Error::NotFound {
                cell: cell.to_owned(),
                hint: format!(
                    "several workspaces have one: {}; set CELL_RUN to the folder of the one you mean",
                    dirs.join(", ")
                ),
            })
        }
    }
}

/// The socket of a cell, by the environment and the disk as they are now.
pub fn find(cell: &str, fingerprint: u64) -> Result<PathBuf, Error> {
    check_name(cell)?;
    let present = |dir: &Path| {
        candidates(dir, cell, fingerprint)
            .into_iter()
            .find(|path| path.exists())
    };
    if let Some(run) = std::env::var_os(ENV_RUN).filter(|value| !value.is_empty()) {
        let run = PathBuf::from(run);
        return pick(
            cell,
            present(&run).into_iter().collect(),
            &format!("CELL_RUN ({})", run.display()),
        );
    }
    let base = home(|name| std::env::var_os(name))?.join("run");
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(&base)
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect()
        })
        .unwrap_or_default();
    dirs.sort();
    pick(
        cell,
        dirs.iter().filter_map(|dir| present(dir)).collect(),
        &base.display().to_string(),
    )
}

/// Creates a folder for sockets, for this user alone, or checks that the one that is there is.
pub fn create_private_dir(dir: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| Error::io(format!("create {}", dir.display()), &error);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    let metadata = std::fs::metadata(dir).map_err(failed)?;
    let own = nix::unistd::geteuid().as_raw();
    if metadata.uid() != own {
        let reason = format!(
            "it belongs to user {}, not to {own}; choose another CELL_HOME",
            metadata.uid()
        );
        return Err(Error::Io {
            what: format!("use {}", dir.display()),
            reason,
        });
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Checks that the kernel takes a path as a socket's.
pub fn check_socket_path(path: &Path) -> Result<(), Error> {
    let len = path.as_os_str().len();
    if len <= SOCKET_PATH_BYTES_MAX {
        return Ok(());
    }
    Err(Error::Io {
        what: format!("use {} as a socket", path.display()),
        reason: format!(
            "its path has {len} bytes, Linux allows {SOCKET_PATH_BYTES_MAX}; set CELL_HOME to a shorter one"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_the_variable_or_a_folder_of_the_user() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| OsString::from(value))
            }
        };
        assert_eq!(
            home(env(&[("CELL_HOME", "/c"), ("HOME", "/h")])).unwrap(),
            Path::new("/c")
        );
        assert_eq!(
            home(env(&[("CELL_HOME", ""), ("HOME", "/h")])).unwrap(),
            Path::new("/h/.cell")
        );
        assert!(
            home(env(&[]))
                .unwrap_err()
                .to_string()
                .contains("set CELL_HOME")
        );
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        for good in ["a", "button_service", "x-1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "../a", "a/b", "a b", "-a", "ä", "a\n"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_in_no_or_several_workspaces_is_an_error_that_lists_them() {
        assert_eq!(
            pick("a", vec!["/r/1/a.sock".into()], "/r").unwrap(),
            Path::new("/r/1/a.sock")
        );
        assert!(
            pick("a", vec![], "/r")
                .unwrap_err()
                .to_string()
                .contains("no socket in /r; start it with `cargo cell dev`")
        );
        let several = pick("a", vec!["/r/1/a.sock".into(), "/r/2/a.sock".into()], "/r")
            .unwrap_err()
            .to_string();
        assert!(
            several.contains("/r/1/a.sock, /r/2/a.sock") && several.contains("CELL_RUN"),
            "{several}"
        );
    }

    #[test]
    fn sockets_are_named_by_cell_and_fingerprint() {
        assert_eq!(socket_name("a", 0), "a.sock");
        assert_eq!(socket_name("a", 0xbeef), "a.000000000000beef.sock");
        assert_eq!(
            run_dir(Path::new("/h"), Path::new("/w")).parent(),
            Some(Path::new("/h/run"))
        );
        assert_eq!(workspace_key(Path::new("/w")).len(), 16);
        assert!(check_socket_path(Path::new(&"x".repeat(108))).is_err());
    }
}
