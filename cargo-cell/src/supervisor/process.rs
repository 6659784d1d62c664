//! A process under a keeper: the tool's side of the shim and the guardian.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

use super::confinement::Confinement;
use super::fork::{Launch, Launched, launch};
use super::keeper::{GO, KILL, LIFELINE, OUTER_LIFELINE, TERMINATE};
use super::types::{Exit, SupervisorConfig};
use crate::error::{Error, Result};

/// A keeper that runs, and the command that it keeps.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Standard output of the command.
    pub(super) stdout: Option<Receiver>,
    /// Standard error of the command and of what confines it.
    pub(super) stderr: Option<Receiver>,
    /// The outermost process.
    pub(super) pid: i32,
    /// Waits for its end.
    pub(super) watch: Watch,
    /// Ends it; dropping this kills it.
    pub(super) lifeline: Lifeline,
}

/// Ends what a keeper keeps. The keepers also take its disappearance as an order to kill.
#[derive(Debug)]
pub(super) struct Lifeline {
    /// To the keeper whose child is the command: the guardian, or the shim in a sandbox.
    inner: OwnedWriteHalf,
    /// To the guardian around a sandbox.
    outer: Option<UnixStream>,
}

impl Lifeline {
    /// Asks the command to end.
    pub(super) fn terminate(&self) {
        // A keeper that is gone has nothing left to terminate.
        let _ = self.inner.try_write(&[TERMINATE]);
    }

    /// Lets a keeper that waits start its command; whether that was said.
    pub(super) fn go(&self, generation: u64) -> bool {
        let mut line = vec![GO];
        line.extend(generation.to_string().bytes());
        line.push(b'\n');
        self.inner
            .try_write(&line)
            .is_ok_and(|sent| sent == line.len())
    }

    /// Kills the command and all that it started.
    pub(super) fn kill(&self) {
        // A keeper that is gone has killed everybody already.
        let _ = match &self.outer {
            Some(outer) => outer.try_write(&[KILL]),
            None => self.inner.try_write(&[KILL]),
        };
    }
}

/// What a keeper said and how it ended.
#[derive(Debug)]
pub(super) struct Watch {
    words: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    pidfd: AsyncFd<OwnedFd>,
    exit: Option<Exit>,
}

/// A keeper's word before the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The command runs; its pid as the keeper sees it.
    Spawned(i32),
    /// The command cannot be started.
    Failed(String),
}

impl Watch {
    /// The next word; nothing once the keeper has no more to say.
    pub(super) async fn word(&mut self) -> Option<Word> {
        while let Ok(Some(line)) = self.words.next_line().await {
            let (what, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match (what, rest.parse()) {
                ("spawned", Ok(pid)) => return Some(Word::Spawned(pid)),
                ("failed", _) => return Some(Word::Failed(rest.to_owned())),
                ("code", Ok(code)) => self.exit = Some(Exit::Code(code)),
                ("signal", Ok(number)) => self.exit = Some(Exit::Signal(number)),
                _ => {}
            }
        }
        None
    }

    /// Waits until the outermost process is gone, and reaps it.
    pub(super) async fn ended(&mut self) -> Exit {
        loop {
            let Ok(mut ready) = self.pidfd.readable().await else {
                return Exit::Lost;
            };
            if let Some(outer) = reap(self.pidfd.get_ref()) {
                // What the command did is better known to its keeper than what became of the keeper.
                return self.exit.clone().unwrap_or(outer);
            }
            ready.clear_ready();
        }
    }
}

/// Waits for a descriptor that it owns to become readable.
#[expect(
    unsafe_code,
    reason = "tokio trusts its caller with the descriptor's life"
)]
pub(super) fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the `AsyncFd` owns the descriptor, which stays open and the same until the registration is gone.
    unsafe { AsyncFd::register_with_interest(fd, tokio::io::Interest::READABLE) }
        .map_err(io::Error::from)
}

#[expect(unsafe_code, reason = "waiting by a process handle has no safe form")]
fn reap(pidfd: &OwnedFd) -> Option<Exit> {
    // SAFETY: an all-zero siginfo_t is valid and filled by the call below.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor of our own child and a live structure.
    let done = unsafe {
        libc::waitid(
            libc::P_PIDFD,
            pidfd.as_raw_fd() as libc::id_t,
            &mut info,
            libc::WEXITED | libc::WNOHANG,
        )
    };
    if done < 0 {
        return Some(Exit::Lost);
    }
    // SAFETY: waitid has filled the fields of a child's end, or left zero where it has not ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return None;
    }
    Some(match info.si_code {
        libc::CLD_EXITED => Exit::Code(status),
        _ => Exit::Signal(status),
    })
}

/// What to start under a keeper. `argv` already holds the keeper.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) argv: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) cwd: PathBuf,
    /// Descriptors for the command, 3 and 4.
    pub(super) fds: Vec<(OwnedFd, RawFd)>,
    /// Whether the command is a sandbox with a shim in it.
    pub(super) is_sandbox: bool,
}

/// Starts a command under its keeper.
pub(super) async fn start(start: Start) -> io::Result<Keeper> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let (read, write) = UnixStream::from_std(ours)?.into_split();
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC);
    let ((stdout, out), (stderr, err)) = (pipe()?, pipe()?);
    let mut fds = start.fds;
    fds.extend([(out, 1), (err, 2), (OwnedFd::from(theirs), LIFELINE)]);
    let mut outer = None;
    if start.is_sandbox {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        outer = Some(UnixStream::from_std(ours)?);
        fds.push((OwnedFd::from(theirs), OUTER_LIFELINE));
    }
    let order = Launch {
        argv: start.argv,
        env: start.env,
        cwd: Some(start.cwd),
        fds,
        // A guardian has to outlive the tool by as long as it takes to kill what it guards.
        dies_with_us: false,
        confinement: Confinement::default(),
    };
    let (reply, answer) = oneshot::channel();
    launch(
        order,
        Box::new(|result| {
            // Whoever no longer waits drops the lifeline, and the keeper ends.
            let _ = reply.send(result);
        }),
    );
    let Launched { pid, pidfd } = answer
        .await
        .map_err(|_| io::Error::other("the thread that starts processes is gone"))??;
    Ok(Keeper {
        stdout: Some(Receiver::from_owned_fd(stdout)?),
        stderr: Some(Receiver::from_owned_fd(stderr)?),
        pid,
        lifeline: Lifeline {
            inner: write,
            outer,
        },
        watch: Watch {
            words: BufReader::new(read).lines(),
            pidfd: readable(pidfd)?,
            exit: None,
        },
    })
}

/// A command under a guardian: killing the tool kills it and all its descendants. Dropping it kills them too.
#[derive(Debug)]
pub struct GuardedChild {
    /// Its standard output.
    pub stdout: Option<Receiver>,
    /// Its standard error.
    pub stderr: Option<Receiver>,
    pid: Option<u32>,
    lifeline: Lifeline,
    watch: Watch,
}

impl GuardedChild {
    /// The command's own pid.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Waits until it and all its descendants are gone.
    pub async fn wait(&mut self) -> Result<Exit> {
        while self.watch.word().await.is_some() {}
        Ok(self.watch.ended().await)
    }

    /// Kills it and all its descendants; [`GuardedChild::wait`] says when they are gone.
    pub fn kill(&mut self) {
        self.lifeline.kill();
    }
}

/// Starts a command under a guardian, in `cwd`, with this process's environment and the changes of `env` (no value
/// removes a variable). Must be called in a tokio runtime. `keeper` is the executable that answers `__guardian`: this one,
/// but for tests.
pub async fn guarded_command_with(
    keeper: &Path,
    argv: &[OsString],
    env: &[(OsString, Option<OsString>)],
    cwd: &Path,
) -> Result<GuardedChild> {
    let name = argv.first().cloned().unwrap_or_default();
    let trouble = || Error::environment(format!("cannot start `{}`", name.to_string_lossy()));
    let mut whole: Vec<OsString> = vec![keeper.into(), "__guardian".into()];
    whole.extend_from_slice(argv);
    let order = Start {
        argv: whole,
        env: changed_env(env),
        cwd: cwd.to_path_buf(),
        fds: Vec::new(),
        is_sandbox: false,
    };
    let mut keeper = start(order)
        .await
        .map_err(|cause| trouble().because(cause))?;
    let pid = match keeper.watch.word().await {
        Some(Word::Spawned(pid)) => u32::try_from(pid).ok(),
        Some(Word::Failed(cause)) => return Err(trouble().because(cause)),
        // It ended before it could say so; its end says how.
        None => None,
    };
    Ok(GuardedChild {
        stdout: keeper.stdout,
        stderr: keeper.stderr,
        pid,
        lifeline: keeper.lifeline,
        watch: keeper.watch,
    })
}

/// Starts a command under a guardian that is this executable; see [`guarded_command_with`].
pub async fn guarded_command(
    argv: &[OsString],
    env: &[(OsString, Option<OsString>)],
    cwd: &Path,
) -> Result<GuardedChild> {
    guarded_command_with(&SupervisorConfig::own_exe(), argv, env, cwd).await
}

fn changed_env(changes: &[(OsString, Option<OsString>)]) -> Vec<(OsString, OsString)> {
    let mut env: std::collections::BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    for (name, value) in changes {
        match value {
            Some(value) => env.insert(name.clone(), value.clone()),
            None => env.remove(name),
        };
    }
    env.into_iter().collect()
}
