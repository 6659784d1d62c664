//! One fork and exec, with exactly the descriptors that were asked for, on a thread that never exits.
//!
//! The standard library's `Command` cannot place descriptors at fixed numbers without risking its own pipe, and
//! `PR_SET_PDEATHSIG` follows the *thread* that forked: a cell started from a pool thread would die with that thread.
#![expect(
    unsafe_code,
    reason = "fork, exec and what happens between them have no safe form"
)]

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, mpsc};

use nix::fcntl::{FcntlArg, fcntl};

use super::confinement::Confinement;

/// What to start.
#[derive(Debug)]
pub(super) struct Launch {
    /// The program and its arguments; a program without a slash is looked up in `PATH`.
    pub(super) argv: Vec<OsString>,
    /// Its whole environment.
    pub(super) env: Vec<(OsString, OsString)>,
    /// Its working folder; this process's where there is none.
    pub(super) cwd: Option<PathBuf>,
    /// Descriptors and the numbers that they get; every other one is closed, but for 0, 1 and 2.
    pub(super) fds: Vec<(OwnedFd, RawFd)>,
    /// Whether it is killed when this thread ends.
    pub(super) dies_with_us: bool,
    /// What it may no longer do once it is executed.
    pub(super) confinement: Confinement,
}

/// A process that was started and is not reaped: its pid cannot be reused.
#[derive(Debug)]
pub(super) struct Launched {
    /// Its pid.
    pub(super) pid: i32,
    /// A handle that cannot come to mean another process.
    pub(super) pidfd: OwnedFd,
}

type Reply = Box<dyn FnOnce(io::Result<Launched>) + Send>;

/// Starts a process from the thread that never exits.
pub(super) fn launch(launch: Launch, reply: Reply) {
    static THREAD: OnceLock<Option<mpsc::Sender<(Launch, Reply)>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (requests, inbox) = mpsc::channel::<(Launch, Reply)>();
        let serve = move || {
            for (launch, reply) in inbox {
                reply(fork_exec(launch));
            }
        };
        let name = "spawn".to_owned();
        std::thread::Builder::new().name(name).spawn(serve).ok()?;
        Some(requests)
    });
    let Some(thread) = thread else {
        return reply(Err(io::Error::other("no thread to start processes from")));
    };
    if let Err(mpsc::SendError((_, reply))) = thread.send((launch, reply)) {
        reply(Err(io::Error::other(
            "the thread that starts processes is gone",
        )));
    }
}

/// Low numbers are where descriptors are placed: everything else stays above them until the exec.
const ABOVE_ALL: RawFd = 100;

/// Forks and executes. The caller's thread must not exit while the process is to live, if it dies with us.
pub(super) fn fork_exec(launch: Launch) -> io::Result<Launched> {
    let path = resolve(launch.argv.first().map_or(OsStr::new(""), |name| name))?;
    let path = c_string(path.as_os_str())?;
    let argv: Vec<CString> = launch
        .argv
        .iter()
        .map(|a| c_string(a))
        .collect::<io::Result<_>>()?;
    let env: Vec<CString> = launch
        .env
        .iter()
        .map(|(name, value)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            c_string(&pair)
        })
        .collect::<io::Result<_>>()?;
    let cwd = launch
        .cwd
        .as_ref()
        .map(|cwd| c_string(cwd.as_os_str()))
        .transpose()?;
    let null_terminated = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings
            .iter()
            .map(|s| s.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (argv_ptr, env_ptr) = (null_terminated(&argv), null_terminated(&env));
    let mut moves = Vec::with_capacity(launch.fds.len());
    for (fd, number) in &launch.fds {
        moves.push((above_all(fd)?, *number));
    }
    let (errors, low) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let complain = above_all(&low)?;
    // The pipe ends when the child's copy does.
    drop(low);
    let highest = launch
        .fds
        .iter()
        .map(|(_, number)| *number)
        .max()
        .unwrap_or(2)
        .max(2);
    let plan = Plan {
        path: path.as_ptr(),
        argv: argv_ptr.as_ptr(),
        env: env_ptr.as_ptr(),
        cwd: cwd.as_ref().map_or(std::ptr::null(), |cwd| cwd.as_ptr()),
        moves: &moves,
        close_from: (highest + 1) as libc::c_uint,
        complain: complain.as_raw_fd(),
        confinement: &launch.confinement,
        parent: launch.dies_with_us.then(|| nix::unistd::getpid().as_raw()),
    };
    let entered = launch.confinement.group.as_ref().and_then(fork_into);
    let pid = match entered {
        Some(pid) => pid,
        // SAFETY: the child calls only async-signal-safe functions until it executes or exits.
        None => unsafe { libc::fork() },
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: this is the child of the fork above.
        0 => unsafe { child(&plan, entered.is_some()) },
        _ => {
            drop(complain);
            drop(moves);
            started(pid, errors)
        }
    }
}

/// Forks a child that is born in a control group. To move one there later costs a grace period of the kernel's RCU, ten
/// milliseconds and more after a rest. Nothing where it does not work, an old kernel for example: then the child moves itself,
/// and says what is wrong.
fn fork_into(group: &OwnedFd) -> Option<i32> {
    /// `struct clone_args` of `linux/sched.h`, up to the field that is needed.
    #[repr(C)]
    #[derive(Default)]
    struct CloneArgs {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    let args = CloneArgs {
        flags: CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: group.as_raw_fd() as u64,
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM this is a fork; the child calls only async-signal-safe functions until it executes or exits.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<CloneArgs>()) };
    (pid >= 0).then_some(pid as i32)
}

fn started(pid: i32, errors: OwnedFd) -> io::Result<Launched> {
    let mut code = [0_u8; 4];
    let mut errors = std::fs::File::from(errors);
    if io::Read::read_exact(&mut errors, &mut code).is_ok() {
        // SAFETY: waits for our own child, which has exited or is about to.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(code)));
    }
    // SAFETY: the child is not reaped, so the pid is its own.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        let error = io::Error::last_os_error();
        // SAFETY: our own child that is not reaped; without a handle it must not run.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        return Err(error);
    }
    // SAFETY: the kernel has just given us this descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    Ok(Launched { pid, pidfd })
}

/// All that the child needs, allocated before the fork.
struct Plan<'a> {
    path: *const libc::c_char,
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
    cwd: *const libc::c_char,
    moves: &'a [(OwnedFd, RawFd)],
    close_from: libc::c_uint,
    complain: RawFd,
    confinement: &'a Confinement,
    parent: Option<i32>,
}

/// The child between fork and exec.
///
/// SAFETY: must be called in a freshly forked child; calls only async-signal-safe functions.
unsafe fn child(plan: &Plan<'_>, in_group: bool) -> ! {
    // SAFETY: system calls on memory that the parent prepared; nothing allocates or locks.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        // An ignored signal stays ignored across exec, and Rust programs ignore this one.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if let Some(parent) = plan.parent {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // The parent may have died before that took effect.
            if libc::getppid() != parent {
                libc::_exit(127);
            }
        }
        // Away from the terminal: its Ctrl-C is for the tool, which stops cells in order.
        libc::setsid();
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null > 0 {
            libc::dup2(null, 0);
        }
        for (fd, number) in plan.moves {
            if libc::dup2(fd.as_raw_fd(), *number) < 0 {
                fail(plan.complain);
            }
        }
        // Numbers between those that were asked for.
        for number in 3..plan.close_from as RawFd {
            if !plan.moves.iter().any(|(_, wanted)| *wanted == number) {
                libc::close(number);
            }
        }
        let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
        if libc::syscall(
            libc::SYS_close_range,
            plan.close_from,
            libc::c_uint::MAX,
            flags,
        ) < 0
        {
            fail(plan.complain);
        }
        if !plan.cwd.is_null() && libc::chdir(plan.cwd) < 0 {
            fail(plan.complain);
        }
        if !confine(plan.confinement, in_group) {
            fail(plan.complain);
        }
        libc::execve(plan.path, plan.argv, plan.env);
        fail(plan.complain)
    }
}

/// Puts everything upon this process, the filter last: it may refuse what the rest needs.
///
/// SAFETY: as for [`child`].
unsafe fn confine(confinement: &Confinement, in_group: bool) -> bool {
    // SAFETY: system calls on locals and on memory that the parent prepared.
    unsafe {
        if let Some(group) = confinement.group.as_ref().filter(|_| !in_group) {
            let flags = libc::O_WRONLY | libc::O_CLOEXEC;
            let file = libc::openat(group.as_raw_fd(), c"cgroup.procs".as_ptr(), flags);
            // Zero is whoever writes it.
            if file < 0 || libc::write(file, c"0".as_ptr().cast(), 1) != 1 {
                return false;
            }
        }
        for (resource, value) in &confinement.limits {
            let mut limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            if libc::getrlimit(*resource, &mut limit) < 0 {
                return false;
            }
            let most = limit.rlim_max.min(*value);
            limit.rlim_cur = most;
            limit.rlim_max = most;
            if libc::setrlimit(*resource, &limit) < 0 {
                return false;
            }
        }
        if confinement.no_new_privileges && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 {
            return false;
        }
        for filter in &confinement.filters {
            let program = libc::sock_fprog {
                len: filter.len() as libc::c_ushort,
                // The kernel reads it; the two declarations of an instruction are of one layout.
                filter: filter.as_ptr().cast_mut().cast(),
            };
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            if libc::syscall(libc::SYS_seccomp, mode, 0, &program) != 0 {
                return false;
            }
        }
        true
    }
}

/// Tells the parent the current error and exits.
///
/// SAFETY: as for [`child`].
unsafe fn fail(complain: RawFd) -> ! {
    // SAFETY: writes four bytes of a local to an open pipe.
    unsafe {
        let code = (*libc::__errno_location()).to_ne_bytes();
        libc::write(complain, code.as_ptr().cast(), code.len());
        libc::_exit(127)
    }
}

fn above_all(fd: &OwnedFd) -> io::Result<OwnedFd> {
    let number = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(ABOVE_ALL))?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    let zero = |_| io::Error::new(io::ErrorKind::InvalidInput, "a zero byte in an argument");
    CString::new(text.as_bytes()).map_err(zero)
}

/// The file that a program's name means.
fn resolve(name: &OsStr) -> io::Result<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let missing = || {
        let message = format!("`{}` is not in PATH", name.to_string_lossy());
        io::Error::new(io::ErrorKind::NotFound, message)
    };
    let path = std::env::var_os("PATH").ok_or_else(missing)?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
        .ok_or_else(missing)
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok()
}
