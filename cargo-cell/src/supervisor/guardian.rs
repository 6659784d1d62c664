//! Around a command without a sandbox: a session of its own and a subreaper, so that everything that the command ever
//! starts stays a descendant, also after `setsid` and a double fork. When the command ends, or the tool does, all of them
//! are killed. The same executable also guards the sockets of a whole session.
#![expect(unsafe_code, reason = "prctl has no safe form")]

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::keeper::{self, End};
use super::{cgroup, confinement, procfs, session};

/// `cargo-cell __guardian [--sandbox] [LIMIT… --] COMMAND…` or `cargo-cell __guardian --session FOLDER`; `args` are those after
/// `__guardian`. Descriptors 3 and 4 go to the command, and 5 as well where it is a sandbox with a shim in it.
pub fn main(mut args: Vec<OsString>) -> ExitCode {
    if args.first().is_some_and(|first| first == "--session") {
        return match args.get(1) {
            Some(folder) => guard_session(Path::new(folder)),
            None => ExitCode::from(2),
        };
    }
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    // A sandbox whose own parent is killed while it is set up waits for ever (bubblewrap arms `--die-with-parent` late):
    // it needs a guardian as much as a cell without a sandbox does.
    let group = args
        .iter()
        .find_map(|argument| confinement::group(argument));
    let is_sandbox = args.first().is_some_and(|first| first == "--sandbox");
    let started = match is_sandbox {
        true => {
            args.remove(0);
            keeper::start(args, keeper::OUTER_LIFELINE, &[3, 4, keeper::LIFELINE])
        }
        false => keeper::start(args, keeper::LIFELINE, &[3, 4]),
    };
    let mut kept = match started {
        Ok(kept) => kept,
        Err(code) => return code,
    };
    let end = kept.keep();
    kill_descendants();
    if let Some(group) = group {
        cgroup::end(&group);
    }
    let End::Exited(status) = end else {
        return ExitCode::SUCCESS;
    };
    kept.report(status);
    // Nobody reads what is said of a sandbox: its shim, which knows how the cell ended, has been heard. One that was killed
    // together with its shim, or that could not be made, must not look like a cell that has finished.
    match (is_sandbox, status) {
        (true, WaitStatus::Exited(_, code)) => ExitCode::from(code as u8),
        (true, WaitStatus::Signaled(_, signal, _)) => die_of(signal),
        _ => ExitCode::SUCCESS,
    }
}

/// Ends as the command did.
fn die_of(signal: Signal) -> ExitCode {
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    // Those that a keeper passes on are blocked.
    let _ = SigSet::all().thread_unblock();
    // It returns where the signal does not kill.
    let _ = raise(signal);
    ExitCode::FAILURE
}

/// Kills and reaps until nobody is left. Orphans come to us, so that a round misses only what was started during it.
fn kill_descendants() {
    let own = std::process::id() as i32;
    loop {
        let found: Vec<OwnedFd> = procfs::descendants(own)
            .into_iter()
            .filter_map(procfs::open)
            .collect();
        found
            .iter()
            .for_each(|pidfd| procfs::signal(pidfd, libc::SIGKILL));
        // Waits for one child at least: all of them are being killed.
        if waitpid(None, Some(WaitPidFlag::__WALL)) == Err(nix::errno::Errno::ECHILD) {
            return;
        }
        while waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL))
            .is_ok_and(|status| status.pid().is_some())
        {}
    }
}

/// Waits for the end of the tool and then removes what it left in the run folder. It inherits the folder's lock, so that
/// the next tool starts only when that is done.
fn guard_session(folder: &Path) -> ExitCode {
    let Some(lifeline) = keeper::inherited(keeper::LIFELINE) else {
        return ExitCode::from(2);
    };
    let mut lifeline = std::fs::File::from(lifeline);
    let mut byte = [0_u8];
    loop {
        match std::io::Read::read(&mut lifeline, &mut byte) {
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            // The end, or whatever the tool says: there is one thing to do.
            _ => break,
        }
    }
    session::clear(folder);
    ExitCode::SUCCESS
}
