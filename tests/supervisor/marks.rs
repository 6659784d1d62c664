//! Finds processes by a mark in their environment, which everything that they start inherits, and sockets by the disk.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The variable that carries the mark.
pub(crate) const VARIABLE: &str = "SUPERVISOR_TEST_MARK";

/// A mark that nobody else has.
pub(crate) fn new() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
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
