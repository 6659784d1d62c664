//! What the shim and the guardian have in common: they start one command, pass signals on to it, reap what is left to them,
//! and end it when the tool says so or dies.
//!
//! Descriptor 5 is a socket to the tool. The tool writes `t` (terminate) or `k` (kill everything); its end means that the
//! tool is gone. One that was started with `--wait` starts its command at the line `g GENERATION`. The keeper writes `spawned PID`, `failed WHY`, and at the end `code N` or `signal N`, each a line.
#![expect(
    unsafe_code,
    reason = "descriptors that were passed down have no owner yet"
)]

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::confinement;
use super::fork::{Launch, fork_exec};
use super::sandbox::GENERATION;

/// The keeper's socket to the tool.
pub(super) const LIFELINE: RawFd = 5;
/// The socket of a guardian whose command is a sandbox: the shim inside has the other number.
pub(super) const OUTER_LIFELINE: RawFd = 6;
/// Terminate the command.
pub(super) const TERMINATE: u8 = b't';
/// Kill everything.
pub(super) const KILL: u8 = b'k';

/// The argument before all others of a keeper that starts its command only when it is told to.
pub(super) const WAIT: &str = "--wait";
/// Starts what the tool says to a keeper that waits: then the generation's number, and a line's end.
pub(super) const GO: u8 = b'g';
/// Digits of the largest number there is.
const DIGITS_MAX: usize = 20;

/// Signals that somebody may send to the keeper and that are meant for the command.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// How the command of a keeper came to its end.
pub(super) enum End {
    /// By itself.
    Exited(WaitStatus),
    /// The tool wants it dead, or is dead.
    Kill,
}

/// A command and the socket to the tool.
pub(super) struct Kept {
    lifeline: UnixStream,
    child: Pid,
    signals: SignalFd,
}

/// Takes a descriptor that was passed down.
pub(super) fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: asking about a number that may be closed is answered with an error.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: it is open, nothing in this new process owns it, and every number is taken once.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Starts the command, confined as the arguments before it say, with `passed` descriptors; `lifeline` is the keeper's own.
pub(super) fn start(
    mut arguments: Vec<OsString>,
    lifeline: RawFd,
    passed: &[RawFd],
) -> Result<Kept, ExitCode> {
    let waits = arguments.first().is_some_and(|first| first == WAIT);
    if waits {
        arguments.remove(0);
    }
    let Some(lifeline) = inherited(lifeline) else {
        // Without a lifeline nobody would ever end it: this is not how the tool calls us.
        return Err(ExitCode::from(2));
    };
    // Before anything is opened here: it could get one of these numbers.
    let passed: Vec<(OwnedFd, RawFd)> = passed
        .iter()
        .filter_map(|number| Some((inherited(*number)?, *number)))
        .collect();
    let mut lifeline = UnixStream::from(lifeline);
    let mut mask = SigSet::from_iter(PASSED_ON);
    mask.add(Signal::SIGCHLD);
    let blocked = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None)
        .and_then(|()| SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK));
    let launched = blocked.map_err(std::io::Error::from).and_then(|signals| {
        let (confinement, argv) = confinement::read(arguments).map_err(std::io::Error::other)?;
        let mut env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        if waits {
            // All that takes time has been done by now.
            let generation =
                told(&mut lifeline).ok_or_else(|| std::io::Error::other("nobody needs it"))?;
            env.retain(|(name, _)| name != GENERATION);
            env.push((GENERATION.into(), generation.into()));
        }
        let launch = Launch {
            argv,
            env,
            cwd: None,
            fds: passed,
            dies_with_us: true,
            confinement,
        };
        Ok((signals, fork_exec(launch)?))
    });
    match launched {
        Ok((signals, launched)) => {
            tell(&mut lifeline, &format!("spawned {}", launched.pid));
            Ok(Kept {
                lifeline,
                child: Pid::from_raw(launched.pid),
                signals,
            })
        }
        Err(cause) => {
            tell(&mut lifeline, &format!("failed {cause}"));
            Err(ExitCode::from(127))
        }
    }
}

/// Waits until the tool says which generation this is; nothing where it says anything else, or is gone.
fn told(lifeline: &mut UnixStream) -> Option<String> {
    let mut byte = || {
        let mut byte = [0_u8];
        std::io::Read::read_exact(lifeline, &mut byte).ok()?;
        Some(byte[0])
    };
    if byte()? != GO {
        return None;
    }
    let mut number = String::new();
    while number.len() <= DIGITS_MAX {
        match byte()? {
            digit @ b'0'..=b'9' => number.push(char::from(digit)),
            b'\n' => return (!number.is_empty()).then_some(number),
            _ => return None,
        }
    }
    None
}

impl Kept {
    /// Keeps the command until it ends or is to end.
    pub(super) fn keep(&mut self) -> End {
        loop {
            let mut fds = [
                PollFd::new(self.lifeline.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                // Without eyes there is one safe thing to do.
                Err(_) => return End::Kill,
                Ok(_) => {}
            }
            let spoken = fds[0].any().unwrap_or(true);
            if spoken && !self.listen() {
                return End::Kill;
            }
            while let Ok(Some(info)) = self.signals.read_signal() {
                if let Ok(signal) = Signal::try_from(info.ssi_signo as i32)
                    && signal != Signal::SIGCHLD
                {
                    // It may be gone; then its end is read next.
                    let _ = kill(self.child, signal);
                }
            }
            if let Some(status) = self.reap() {
                return End::Exited(status);
            }
        }
    }

    /// Reads what the tool wants; false where everything is to be killed.
    fn listen(&mut self) -> bool {
        let mut byte = [0_u8];
        match std::io::Read::read(&mut self.lifeline, &mut byte) {
            Ok(1) if byte[0] == TERMINATE => {
                // It may be gone; then its end is read next.
                let _ = kill(self.child, Signal::SIGTERM);
                true
            }
            Ok(1) => byte[0] != KILL,
            Err(cause) => cause.kind() == std::io::ErrorKind::Interrupted,
            Ok(_) => false,
        }
    }

    /// Reaps everybody who ended; returns how the command did.
    fn reap(&mut self) -> Option<WaitStatus> {
        let mut own = None;
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
                Ok(WaitStatus::StillAlive) | Err(_) => return own,
                Ok(status) if status.pid() == Some(self.child) => own = Some(status),
                Ok(_) => {}
            }
        }
    }

    /// Says how the command ended.
    pub(super) fn report(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(_, code) => tell(&mut self.lifeline, &format!("code {code}")),
            WaitStatus::Signaled(_, signal, _) => {
                tell(&mut self.lifeline, &format!("signal {}", signal as i32));
            }
            _ => {}
        }
    }
}

fn tell(lifeline: &mut UnixStream, line: &str) {
    // The tool may be gone; then nobody wants to know.
    let _ = writeln!(lifeline, "{}", line.replace('\n', " "));
}
