//! Finds processes by a mark in their environment, which everything that they start inherits, and sockets by the disk.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable that carries the mark.
pub(crate) const VARIABLE: &str = "SUPERVISOR_TEST_MARK";

/// A mark that nobody else has. Whoever carries it when it goes is killed: a test that fails leaves nobody behind, and
/// above all nobody frozen, who would hold the output of the test for ever.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Mark {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Mark(format!(
            "{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ))
    }
}

impl std::ops::Deref for Mark {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // One that dies may have just started another.
        for _ in 0..10 {
            let left = alive(self);
            if left.is_empty() {
                break;
            }
            left.iter().for_each(|pid| signal(*pid, Signal::SIGKILL));
        }
    }
}

/// Sends a signal to a process, which may have ended by itself.
pub(crate) fn signal(pid: i32, number: Signal) {
    let _ = kill(Pid::from_raw(pid), number);
}

/// Freezes everybody who carries the mark, and returns them: those too who were between two programs at the first look,
/// when a process has no environment that could be read.
pub(crate) fn freeze(mark: &str) -> Vec<i32> {
    let mut frozen = Vec::new();
    loop {
        let new: Vec<i32> = alive(mark)
            .into_iter()
            .filter(|pid| !frozen.contains(pid))
            .collect();
        new.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
        if new.is_empty() && frozen.iter().all(|pid| is_frozen(*pid)) {
            return frozen;
        }
        frozen.extend(new);
        std::thread::yield_now();
    }
}

/// Whether none of a process's threads runs any more.
fn is_frozen(pid: i32) -> bool {
    let stopped = |status: String| {
        let line = status.lines().find(|line| line.starts_with("State:"));
        line.is_none_or(|line| {
            ["T", "Z", "X"].contains(&line[6..].trim_start().get(..1).unwrap_or(""))
        })
    };
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let mut tasks = tasks.into_iter().flatten().flatten();
    // One that is gone does nothing either.
    tasks.all(|task| std::fs::read_to_string(task.path().join("status")).map_or(true, stopped))
}

/// The processes that carry a mark and have not ended.
pub(crate) fn alive(mark: &str) -> Vec<i32> {
    let wanted = format!("{VARIABLE}={mark}");
    let marked = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| {
            env.split(|byte| *byte == 0)
                .any(|pair| pair == wanted.as_bytes())
        })
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(marked)
        .collect()
}

/// Waits until nobody carries the mark, by the processes' own ends.
pub(crate) fn wait_until_none(mark: &str) {
    for _ in 0..50 {
        let pids = alive(mark);
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            wait(pid);
        }
    }
    panic!("still there: {:?}", alive(mark));
}

/// Waits for the end of a process that is not a child.
pub(crate) fn wait(pid: i32) {
    // SAFETY: takes numbers and returns a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return;
    }
    // SAFETY: the kernel has just given us this descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    use std::os::fd::AsFd;
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    let ended = poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap();
    assert!(
        ended > 0,
        "process {pid} does not end: {:?}",
        std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
    );
}

/// Sockets and links to them in a run folder and the folders of its consumers.
pub(crate) fn sockets(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_socket() || kind.is_symlink() {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
