//! Control groups (cgroup v2): one for the session, one in it for each generation of a cell. Where the memory, pids and cpu
//! controllers are delegated they hold a cell to its limits; `cgroup.kill` ends whoever is in one at once.
//!
//! Rules of the kernel, from its `Documentation/admin-guide/cgroup-v2.rst`: a group that has processes cannot give its
//! controllers to groups in it, so that the session's group lies in the tool's own where that is the root, and else in
//! the parent of the tool's own, which systemd delegates to a user as `app.slice`.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor for control groups"
)]

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::workspace::limits::Limits;

/// The file of a run folder that says where its session's group is.
const NOTE: &str = "cgroup";
/// What a group of ours is called, so that no other is ever removed.
const PREFIX: &str = "cell-";
/// The controllers that limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// How long the kernel may take to end whoever was killed in a group.
const EMPTY_MS_MAX: u16 = 1000;
/// How often a session's groups are ended before one that is entered anew each time is left to `cargo cell clean`.
const CLEARINGS_MAX: usize = 5;

/// The group of a session.
#[derive(Debug)]
pub(super) struct Session {
    folder: PathBuf,
    note: PathBuf,
    /// The controllers that groups in it have.
    controllers: Vec<&'static str>,
}

impl Session {
    /// Makes the session's group; none where nothing is delegated.
    pub(super) fn open(run_dir: &Path) -> Option<Session> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let run = blake3::hash(run_dir.as_os_str().as_encoded_bytes()).to_hex();
        let name = format!("{PREFIX}{}-{}", &run[..8], std::process::id());
        let note = run_dir.join(NOTE);
        for parent in candidates(&mounts, &own) {
            let folder = parent.join(&name);
            // Said before it is made: a tool that is killed in between leaves a note of nothing.
            if fs::write(&note, folder.as_os_str().as_encoded_bytes()).is_err() {
                break;
            }
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let has = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
            let mut controllers = Vec::new();
            for name in CONTROLLERS {
                let given = has.split_whitespace().any(|one| one == name)
                    && fs::write(folder.join("cgroup.subtree_control"), format!("+{name}")).is_ok();
                if given {
                    controllers.push(name);
                }
            }
            return Some(Session {
                folder,
                note,
                controllers,
            });
        }
        let _ = fs::remove_file(&note);
        None
    }

    /// Makes a group for a generation, and returns it with the limits that it does not hold.
    pub(super) fn generation(
        &self,
        name: &str,
        limits: &Limits,
    ) -> io::Result<(PathBuf, Vec<&'static str>)> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        let mut missing = Vec::new();
        for (file, value) in settings(limits) {
            let controller = file.split('.').next().unwrap_or_default();
            let held = self.controllers.contains(&controller)
                && fs::write(folder.join(file), value).is_ok();
            if !held {
                missing.push(file);
            }
        }
        Ok((folder, missing))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        clear(&self.note);
    }
}

/// Ends everybody in the group that a dead session noted, and removes it. Only a group of our name is believed.
pub(super) fn clear_session(run_dir: &Path) {
    clear(&run_dir.join(NOTE));
}

fn clear(note: &Path) {
    let Ok(text) = fs::read_to_string(note) else {
        return;
    };
    let folder = PathBuf::from(text);
    let ours = folder
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(PREFIX));
    if ours && folder.join("cgroup.procs").is_file() {
        // A process may be about to enter a group of which everybody has just been ended: that group stays, and is ended again.
        for _ in 0..CLEARINGS_MAX {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    end(&entry.path());
                }
            }
            if fs::remove_dir(&folder).is_ok() || !folder.exists() {
                break;
            }
        }
    }
    let _ = fs::remove_file(note);
}

/// Kills everybody in a group, waits until they are gone, and removes it.
pub(super) fn end(group: &Path) {
    // An old kernel has no such file; then the guardian alone ends what it started.
    let _ = fs::write(group.join("cgroup.kill"), "1");
    let Ok(events) = fs::File::open(group.join("cgroup.events")) else {
        return;
    };
    for _ in 0..10 {
        // The kernel says with POLLPRI that the file has changed since it was read through this very descriptor; of one that was
        // never read it always says so.
        let mut text = [0_u8; 128];
        let length = events.read_at(&mut text, 0).unwrap_or_default();
        if !populated(&text[..length]) {
            break;
        }
        let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        let _ = poll(&mut fds, PollTimeout::from(EMPTY_MS_MAX / 10));
    }
    let _ = fs::remove_dir(group);
}

/// Whether somebody is in a group, by its `cgroup.events`.
fn populated(events: &[u8]) -> bool {
    events
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"populated 1")
}

/// What is written into a group for these limits.
fn settings(limits: &Limits) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(bytes) = limits.memory {
        settings.push(("memory.max", bytes.to_string()));
        // Without this the limit would only move the cell to the swap.
        settings.push(("memory.swap.max", "0".to_owned()));
    }
    if let Some(count) = limits.processes {
        settings.push(("pids.max", count.to_string()));
    }
    if let Some(thousandths) = limits.cpu {
        // Microseconds of every 100 ms.
        settings.push((
            "cpu.max",
            format!("{} 100000", u64::from(thousandths) * 100),
        ));
    }
    settings
}

/// The settings that these limits ask for.
pub(super) fn asked_for(limits: &Limits) -> Vec<&'static str> {
    settings(limits).into_iter().map(|(file, _)| file).collect()
}

/// Where a session's group may lie, best first.
fn candidates(mountinfo: &str, own: &str) -> Vec<PathBuf> {
    // Format of both: proc_pid_mountinfo(5), cgroups(7). The line of cgroup v2 starts with `0::`.
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let Some(mount) = mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let kind = after.split(' ').next()?;
        (kind == "cgroup2").then(|| before.split(' ').nth(4))?
    }) else {
        return Vec::new();
    };
    let own_path = Path::new(mount).join(own);
    match Path::new(own).parent() {
        // Only the root may have processes and groups with controllers.
        None => vec![PathBuf::from(mount)],
        Some(parent) => vec![Path::new(mount).join(parent), own_path],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
25 1 0:22 / /proc rw,relatime shared:5 - proc proc rw
31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn a_session_lies_beside_the_tools_own_group_or_in_the_root() {
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n";
        let slice = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice";
        let own = format!("{slice}/term.scope");
        assert_eq!(
            candidates(MOUNTS, user),
            [PathBuf::from(slice), PathBuf::from(own)]
        );
        assert_eq!(
            candidates(MOUNTS, "3:cpu:/\n0::/\n"),
            [PathBuf::from("/sys/fs/cgroup")]
        );
        assert!(candidates(MOUNTS, "3:cpu:/\n").is_empty());
        assert!(candidates("", user).is_empty());
    }

    #[test]
    fn limits_become_settings_and_what_is_not_held_is_said() {
        let limits = Limits {
            memory: Some(1 << 30),
            processes: Some(64),
            files: Some(100),
            cpu: Some(1500),
        };
        let expected = [
            ("memory.max", "1073741824"),
            ("memory.swap.max", "0"),
            ("pids.max", "64"),
            ("cpu.max", "150000 100000"),
        ];
        let settings = settings(&limits);
        let shown: Vec<(&str, &str)> = settings.iter().map(|(f, v)| (*f, v.as_str())).collect();
        assert_eq!(shown, expected);
        let folder = tempfile::tempdir().expect("a folder");
        let session = Session {
            folder: folder.path().to_owned(),
            note: folder.path().join("note"),
            controllers: vec!["memory"],
        };
        let (group, missing) = session.generation("a.1", &limits).expect("made");
        assert_eq!(missing, ["pids.max", "cpu.max"]);
        let written = fs::read_to_string(group.join("memory.max")).expect("written");
        assert_eq!(written, "1073741824");
    }

    #[test]
    fn a_group_is_populated_when_its_events_say_so() {
        let table = [
            ("populated 1\nfrozen 0\n", true),
            ("populated 0\nfrozen 0\n", false),
            ("frozen 0\npopulated 1", true),
            ("populated 10\n", false),
            ("", false),
        ];
        for (events, expected) in table {
            assert_eq!(populated(events.as_bytes()), expected, "{events:?}");
        }
    }

    #[test]
    fn only_a_group_of_ours_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).expect("made");
        fs::write(theirs.join("cgroup.procs"), "").expect("written");
        let note = folder.path().join(NOTE);
        fs::write(&note, theirs.as_os_str().as_encoded_bytes()).expect("written");
        clear_session(folder.path());
        assert!(theirs.is_dir() && !note.exists());
    }
}
