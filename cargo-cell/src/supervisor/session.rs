//! One session a run folder: its lock, what a dead session left in it, and `cargo cell clean`.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor for the run folder"
)]

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::lease::{self, Lease};
use super::sandbox::place;
use super::{cgroup, procfs};
use crate::error::{Context, Error, Result};

const LOCK: &str = "lock";
/// Leases of the processes of a session.
pub(super) const LEASES: &str = "leases";
/// For each sandboxed cell a folder that holds the sockets of the cells that it calls.
pub(super) const CALLS: &str = "calls";
/// For each sandbox that stands ready the folder in which its binary will be.
pub(super) const STAGES: &str = "stages";

/// How long a session that was killed may take to clear up after itself.
const CLEARING_MS_MAX: u16 = 3000;

/// The lock of a run folder, held as long as this lives or whoever inherited it does.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// A descriptor to hand down: the lock holds until every copy is closed.
    pub(super) fn share(&self) -> std::io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }

    /// Lets go of it at once, whoever has a copy: a process that another thread has just forked keeps one until its exec,
    /// and dropping ours would leave the folder taken for so long.
    fn release(self) {
        // The worst that can happen is that it is let go a little later, when the last copy is closed.
        let _ = self.0.unlock();
    }
}

/// Creates the run folder and takes its lock; refused with the owner's pid and command while another tool has it.
pub(super) fn lock(folder: &Path) -> Result<Lock> {
    let trouble = || format!("cannot use the run folder `{}`", folder.display());
    cell_runtime::discovery::create_private_dir(folder).environment(trouble)?;
    let path = folder.join(LOCK);
    let open = || {
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .environment(trouble)
    };
    let mut file = open()?;
    if file.try_lock().is_err() {
        file = match owner(file) {
            Some(lease) if lease.is_alive() => return Err(taken(&lease)),
            // The tool was killed and its guardian still clears up.
            _ => wait_for(open()?).ok_or_else(|| {
                Error::environment("the last session of this workspace is still being cleared up")
                    .hint("try again, or run `cargo cell clean`")
            })?,
        };
    }
    let command: Vec<String> = std::env::args_os()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let own = Lease::of(std::process::id() as i32, &command.join(" "))
        .ok_or_else(|| Error::environment("cannot read /proc"))?;
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(&serde_json::to_vec(&own)?))
        .environment(trouble)?;
    Ok(Lock(file))
}

fn owner(mut file: File) -> Option<Lease> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn taken(lease: &Lease) -> Error {
    let message = format!(
        "this workspace is run by another tool already: pid {}, `{}`",
        lease.pid, lease.what
    );
    Error::environment(message)
        .hint("stop it with `cargo cell down`, or look at it with `cargo cell status`")
}

/// Waits for the lock, but not for ever: on a thread, because the kernel's wait has no limit.
fn wait_for(file: File) -> Option<File> {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let locked = file.lock().is_ok().then_some(file);
        // Whoever no longer waits lets the lock go again.
        let _ = done.send(locked);
    });
    let limit = std::time::Duration::from_millis(u64::from(CLEARING_MS_MAX));
    wait.recv_timeout(limit).ok()?
}

/// What was left of a session and is gone now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Processes that were killed, with all that they started.
    pub processes: Vec<String>,
    /// Sockets and links that were removed.
    pub sockets: Vec<PathBuf>,
    /// Leases of processes that are long gone.
    pub leases: usize,
}

/// `cargo cell clean`: reaps what a crash or a power cut left in a run folder, and nothing else. Refused while a tool runs
/// there. A folder that does not exist is clean.
pub fn clean(folder: &Path) -> Result<Cleaned> {
    if !folder.exists() {
        return Ok(Cleaned::default());
    }
    let lock = lock(folder)?;
    let cleaned = clear(folder);
    lock.release();
    Ok(cleaned)
}

/// Reaps and removes what a dead session left. The caller holds the lock.
pub(super) fn clear(folder: &Path) -> Cleaned {
    let mut cleaned = Cleaned::default();
    for (path, lease) in lease::read_all(&folder.join(LEASES)) {
        match lease {
            Some(lease) if lease.reap() => cleaned.processes.push(lease.what),
            _ => cleaned.leases += 1,
        }
        lease::remove(&path);
    }
    cgroup::clear_session(folder);
    place::clear(folder);
    // Only links to binaries lie there.
    let _ = std::fs::remove_dir_all(folder.join(STAGES));
    remove_sockets(folder, &mut cleaned.sockets);
    for entry in entries(&folder.join(CALLS)) {
        remove_sockets(&entry, &mut Vec::new());
        // Only an empty folder goes: what else somebody put there is theirs.
        let _ = std::fs::remove_dir(&entry);
    }
    for folder in [folder.join(CALLS), folder.join(LEASES)] {
        let _ = std::fs::remove_dir(folder);
    }
    cleaned
}

fn remove_sockets(folder: &Path, removed: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        let Ok(kind) = path.symlink_metadata().map(|metadata| metadata.file_type()) else {
            continue;
        };
        let link = kind.is_symlink()
            && path
                .extension()
                .is_some_and(|ext| ext == "sock" || ext == "new");
        if (kind.is_socket() || link) && std::fs::remove_file(&path).is_ok() {
            removed.push(path);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Whether a tool runs in this folder: its pid and command.
pub fn running(folder: &Path) -> Option<Lease> {
    let file = File::open(folder.join(LOCK)).ok()?;
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(_) => owner(file).filter(Lease::is_alive),
    }
}

/// Puts a private copy of the keeper's executable into the run folder: the one that was started may be replaced by a
/// build while cells are started with it.
pub(super) fn keep_keeper(keeper: &Path, folder: &Path) -> Result<PathBuf> {
    let trouble = || format!("cannot copy `{}` into the run folder", keeper.display());
    let copy = folder.join("keeper");
    let real = std::fs::read_link(keeper).unwrap_or_else(|_| keeper.to_path_buf());
    // Left by an earlier session, and possibly of an older version.
    let _ = std::fs::remove_file(&copy);
    if std::fs::hard_link(&real, &copy).is_ok() && same_file(&copy, keeper) {
        return Ok(copy);
    }
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(keeper, &copy).environment(trouble)?;
    Ok(copy)
}

fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino()));
    matches!((id(a), id(b)), (Ok(a), Ok(b)) if a == b)
}

/// This machine's word for the current boot, for messages and tests.
pub fn boot_id() -> String {
    procfs::boot_id()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_tool_is_refused_with_the_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = lock(folder.path()).expect("free");
        let error = lock(folder.path()).expect_err("taken");
        let pid = format!("pid {}", std::process::id());
        assert!(error.message.contains(&pid), "{error}");
        assert_eq!(
            running(folder.path()).map(|lease| lease.pid),
            Some(std::process::id() as i32)
        );
        drop(held);
        assert!(running(folder.path()).is_none());
        assert!(lock(folder.path()).is_ok());
    }

    #[test]
    fn a_lock_that_was_let_go_is_free_whoever_has_a_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = lock(folder.path()).expect("free");
        let copy = held.share().expect("copied");
        held.release();
        lock(folder.path()).expect("free again").release();
        assert_eq!(clean(folder.path()), Ok(Cleaned::default()));
        drop(copy);
    }

    #[test]
    fn clean_removes_sockets_and_leases_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        let dead = std::os::unix::net::UnixListener::bind(run.join("a.1.sock")).expect("bound");
        drop(dead);
        std::os::unix::fs::symlink("a.1.sock", run.join("a.sock")).expect("linked");
        std::fs::create_dir_all(run.join("calls/b")).expect("created");
        std::fs::hard_link(run.join("a.1.sock"), run.join("calls/b/a.1.sock")).expect("linked");
        std::fs::write(run.join("notes.sock"), b"a file of somebody").expect("written");
        let gone = Lease {
            boot: "another boot".to_owned(),
            pid: std::process::id() as i32,
            started: 1,
            what: "a.1".to_owned(),
        };
        lease::write(&run.join(LEASES), "a.1", &gone).expect("written");
        let cleaned = clean(run).expect("cleaned");
        assert_eq!((cleaned.sockets.len(), cleaned.leases), (2, 1));
        assert!(cleaned.processes.is_empty());
        let mut left: Vec<_> = entries(run)
            .iter()
            .map(|path| path.file_name().expect("named").to_owned())
            .collect();
        left.sort();
        assert_eq!(left, ["lock", "notes.sock"]);
        assert_eq!(clean(&run.join("missing")), Ok(Cleaned::default()));
    }
}
