//! What a session started, on disk: the next one and `cargo cell clean` reap what a crash of everything left, and never an
//! innocent process that got the same pid.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor for leases"
)]

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::procfs::{self, Identity};

/// A process that a session is answerable for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The boot of the machine in which the pid means something.
    pub boot: String,
    /// The pid of the outermost process: the sandbox or the guardian.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub started: u64,
    /// What it is for people.
    pub what: String,
}

impl Lease {
    /// The lease of a process that runs now.
    pub fn of(pid: i32, what: &str) -> Option<Lease> {
        let identity = procfs::identify(pid)?;
        Some(Lease {
            boot: procfs::boot_id(),
            pid,
            started: identity.started,
            what: what.to_owned(),
        })
    }

    /// Whether that very process still runs.
    pub fn is_alive(&self) -> bool {
        self.boot == procfs::boot_id()
            && procfs::open(self.identity()).is_some_and(|pidfd| !procfs::has_ended(&pidfd, 0))
    }

    fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            started: self.started,
        }
    }

    /// Kills that very process and all that it started; false when it is another one or gone.
    pub fn reap(&self) -> bool {
        self.boot == procfs::boot_id() && procfs::kill_tree(self.identity())
    }
}

/// Writes a lease; whole or not at all.
pub(super) fn write(folder: &Path, name: &str, lease: &Lease) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{name}.json"));
    let unfinished = folder.join(format!("{name}.tmp"));
    std::fs::write(&unfinished, serde_json::to_vec(lease)?)?;
    std::fs::rename(&unfinished, &path)?;
    Ok(path)
}

/// Removes a lease.
pub(super) fn remove(path: &Path) {
    // A lease that stays is checked against the process's identity before anything is done with it.
    let _ = std::fs::remove_file(path);
}

/// Reads the leases of a folder; what cannot be read is no lease and is only removed.
pub(super) fn read_all(folder: &Path) -> Vec<(PathBuf, Option<Lease>)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    entries
        .flatten()
        .map(|entry| entry.path())
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_process_is_reaped() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut innocent = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .expect("started");
        let real = Lease::of(innocent.id() as i32, "x").expect("it runs");
        let stale = [
            Lease {
                started: real.started + 1,
                ..real.clone()
            },
            Lease {
                boot: "another".to_owned(),
                ..real.clone()
            },
        ];
        for lease in &stale {
            assert!(!lease.is_alive());
            assert!(!lease.reap());
        }
        assert!(innocent.try_wait().expect("asked").is_none());
        write(folder.path(), "x", &real).expect("written");
        let read = read_all(folder.path());
        assert_eq!(read[0].1.as_ref(), Some(&real));
        assert!(real.is_alive());
        assert!(real.reap());
        assert!(innocent.wait().is_ok());
    }

    #[test]
    fn rubbish_is_no_lease() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("x.json"), b"{\"pid\":").expect("written");
        assert!(matches!(read_all(folder.path())[..], [(_, None)]));
    }
}
