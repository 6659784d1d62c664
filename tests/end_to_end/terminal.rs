//! A terminal of one's own, that can be closed under whoever runs on it.

use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A new terminal: the end that is closed, and the end that a program runs on.
pub(crate) fn pair() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let (name, settings, size) = (
        std::ptr::null_mut(),
        std::ptr::null_mut(),
        std::ptr::null_mut(),
    );
    // SAFETY: two places for descriptors, and nothing else.
    let made = unsafe { libc::openpty(&mut ours, &mut theirs, name, settings, size) };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    for fd in [ours, theirs] {
        // SAFETY: a descriptor that the kernel has just given us.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: the same.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

/// Makes it the terminal of the command, which leads a session of its own.
pub(crate) fn take(command: &mut Command, terminal: OwnedFd) {
    command.stdin(terminal);
    // SAFETY: between fork and exec only two system calls are made, on the standard input.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() == -1 || libc::ioctl(0, libc::TIOCSCTTY, 0) == -1 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}
