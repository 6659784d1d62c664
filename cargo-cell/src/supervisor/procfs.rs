//! Who a pid is and whom it started, read from `/proc`; killing that cannot hit a process that got the same pid.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor for /proc"
)]
#![expect(unsafe_code, reason = "pidfd calls have no safe form")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A process: its pid is its own only together with the time at which it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    /// The pid.
    pub(super) pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub(super) started: u64,
}

/// This boot of the machine; pids of another one mean nothing.
pub(super) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// The process that has this pid now.
pub(super) fn identify(pid: i32) -> Option<Identity> {
    Some(stat(pid)?.0)
}

/// A process's identity and parent.
fn stat(pid: i32) -> Option<(Identity, i32)> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &String::from_utf8_lossy(&text))
}

/// The command name may hold spaces and parentheses: fields are counted from its end.
fn parse_stat(pid: i32, text: &str) -> Option<(Identity, i32)> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let started = fields.get(19)?.parse().ok()?;
    Some((Identity { pid, started }, parent))
}

/// Everybody that a process started, and whom these started, and so on; parents first.
pub(super) fn descendants(pid: i32) -> Vec<Identity> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut children: BTreeMap<i32, Vec<Identity>> = BTreeMap::new();
    for entry in entries.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        if let Some((identity, parent)) = stat(number) {
            children.entry(parent).or_default().push(identity);
        }
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([pid]);
    let mut queue = vec![pid];
    while let Some(parent) = queue.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if seen.insert(child.pid) {
                found.push(*child);
                queue.push(child.pid);
            }
        }
    }
    found
}

/// The descendant that has this pid in a PID namespace of its own. Read from parent to child: looking through all of
/// `/proc` for each of sixty cells would be most of the work of starting them.
pub(super) fn inside(pid: i32, inner: i32) -> Option<i32> {
    let mut queue = std::collections::VecDeque::from(children(pid));
    while let Some(process) = queue.pop_front() {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        if innermost_pid(&status) == Some(inner) {
            return Some(process);
        }
        queue.extend(children(process));
    }
    None
}

/// The children of all threads of a process.
fn children(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let of_thread = |thread: std::fs::DirEntry| {
        std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    };
    let lists = threads.into_iter().flatten().flatten().map(of_thread);
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect()
}

/// The pid in the innermost of several namespaces; nothing where there is one alone.
fn innermost_pid(status: &str) -> Option<i32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    let pids: Vec<&str> = line.split_ascii_whitespace().collect();
    match pids[..] {
        [_, .., innermost] => innermost.parse().ok(),
        _ => None,
    }
}

/// A handle of the process, if it is still the same one.
pub(super) fn open(identity: Identity) -> Option<OwnedFd> {
    // SAFETY: takes numbers and returns a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, identity.pid, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the kernel has just given us this descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    // From here on the handle means one process; what is left is whether it is the one that was meant.
    (identify(identity.pid) == Some(identity)).then_some(pidfd)
}

/// Sends a signal to a process by its handle. It may be gone.
pub(super) fn signal(pidfd: &OwnedFd, number: i32) {
    // SAFETY: an open descriptor and no signal information.
    unsafe {
        let info: *const libc::siginfo_t = std::ptr::null();
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            number,
            info,
            0,
        );
    }
}

/// Whether the process of a handle has ended, after waiting at most so long.
pub(super) fn has_ended(pidfd: &OwnedFd, wait_ms: u16) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::from(wait_ms)).is_ok_and(|ready| ready > 0)
}

/// Kills all that a process started, and then the process, if it is still the same one. Its descendants come first: it
/// may be the guardian to which orphans go, and without it they would be out of reach.
pub(super) fn kill_tree(root: Identity) -> bool {
    let Some(pidfd) = open(root) else {
        return false;
    };
    // It may start others while they are killed; a few rounds with it frozen find them all.
    signal(&pidfd, libc::SIGSTOP);
    for _ in 0..8 {
        let alive: Vec<OwnedFd> = descendants(root.pid).into_iter().filter_map(open).collect();
        let alive: Vec<OwnedFd> = alive
            .into_iter()
            .filter(|pidfd| !has_ended(pidfd, 0))
            .collect();
        if alive.is_empty() {
            break;
        }
        alive.iter().for_each(|pidfd| signal(pidfd, libc::SIGKILL));
        alive.iter().for_each(|pidfd| {
            has_ended(pidfd, 200);
        });
    }
    signal(&pidfd, libc::SIGKILL);
    has_ended(&pidfd, 2000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_may_hold_anything() {
        let text = "7 (a) b (c)) S 3 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let expected = Identity {
            pid: 7,
            started: 4711,
        };
        assert_eq!(parse_stat(7, text), Some((expected, 3)));
        assert_eq!(parse_stat(7, "7 (x"), None);
        assert_eq!(parse_stat(7, "7 (x) S"), None);
    }

    #[test]
    fn the_innermost_pid_counts_in_a_namespace_alone() {
        for (status, pid) in [
            ("Name:\ta\nNSpid:\t4711\t2\nNSpgid:\t1\n", Some(2)),
            ("NSpid:\t4711\t7\t3\n", Some(3)),
            ("NSpid:\t4711\n", None),
            ("Name:\tb\n", None),
        ] {
            assert_eq!(innermost_pid(status), pid, "{status}");
        }
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_opened_or_killed() {
        let mut innocent = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .expect("started");
        let pid = innocent.id() as i32;
        let real = identify(pid).expect("it runs");
        let stale = Identity {
            started: real.started.wrapping_sub(1),
            ..real
        };
        assert!(open(stale).is_none());
        assert!(!kill_tree(stale));
        assert!(innocent.try_wait().expect("asked").is_none());
        assert!(kill_tree(real));
        assert!(innocent.wait().is_ok());
    }
}
