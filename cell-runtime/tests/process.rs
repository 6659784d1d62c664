//! `cell::serve_local` as a process: by hand with a socket of its own, and under a supervisor with inherited descriptors.
//! The cell is this test binary itself, started again.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests start processes and look at their sockets"
)]

extern crate cell_runtime as cell_sdk;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cell_sdk::cell::{self, Error};
use cell_sdk::control::{self, FromCell, ToCell};

#[cell::service]
mod twice {
    use cell_sdk::cell;

    #[cell::handler]
    async fn double(number: u32) -> u32 {
        number * 2
    }
}

const SERVE: &str = "CELL_TEST_SERVE";

/// The cell, in the process that the other tests start.
#[test]
fn serve() {
    if std::env::var_os(SERVE).is_some() {
        let runtime = tokio::runtime::Runtime::new().expect("builds");
        runtime
            .block_on(cell::serve_local(twice::handlers()))
            .expect("serves");
    }
}

fn command(run: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("is a file"));
    command
        .args(["--exact", "serve", "--nocapture"])
        .env(SERVE, "1")
        .env("CELL_RUN", run);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Starts the cell by hand and waits until it says that it serves.
fn by_hand(run: &Path) -> Child {
    let mut child = command(run).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("is piped")).lines();
    let line = lines.next().expect("says something").expect("is text");
    assert!(line.starts_with("`twice` serves"), "{line}");
    // Nobody reads on; the pipe must not break under the cell.
    std::mem::forget(lines);
    child
}

fn schema() -> std::sync::Arc<cell_sdk::schema::Snapshot> {
    cell_sdk::schema::own_service("process::twice").expect("has records")
}

fn double(run: &Path, number: u32) -> Result<u32, Error> {
    let schema = schema();
    let runtime = tokio::runtime::Runtime::new().expect("builds");
    let address = run.join("twice.sock").display().to_string();
    runtime.block_on(async {
        let client =
            cell_sdk::__private::client::TypedClient::at(&address, "twice", schema.fingerprint.0)?;
        client
            .call(schema.routes[0].fingerprint.0, &(number,))
            .await
    })
}

fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("pids are small"));
    nix::sys::signal::kill(pid, signal).expect("is running");
}

fn sockets(run: &Path) -> usize {
    std::fs::read_dir(run).expect("is a folder").count()
}

#[test]
fn by_hand_it_owns_its_socket() {
    let run = tempfile::tempdir().expect("makes a folder");
    let mut first = by_hand(run.path());
    assert_eq!(double(run.path(), 4), Ok(8));

    let second = command(run.path())
        .stderr(Stdio::piped())
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        !second.status.success() && said.contains("another process serves"),
        "{said}"
    );
    assert_eq!(double(run.path(), 5), Ok(10), "the first one still serves");

    // What a killed cell leaves is taken over.
    first.kill().expect("is running");
    first.wait().expect("ends");
    assert_eq!(sockets(run.path()), 2);
    let mut third = by_hand(run.path());
    assert_eq!(double(run.path(), 6), Ok(12));

    signal(&third, nix::sys::signal::Signal::SIGTERM);
    assert!(third.wait().expect("ends").success());
    assert_eq!(sockets(run.path()), 0, "nothing is left behind");
}

/// Starts the cell with a listener and a control socket, as a supervisor does.
fn supervised(run: &Path) -> (Child, UnixStream) {
    let listener = UnixListener::bind(run.join("twice.sock")).expect("binds");
    let (ours, theirs) = UnixStream::pair().expect("makes a pair");
    // Numbers above both targets, so that one `dup2` never closes what the other one needs.
    let above = |fd: RawFd| {
        // SAFETY: duplicates an open descriptor.
        unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 10) }
    };
    let (listener, theirs) = (above(listener.as_raw_fd()), above(theirs.as_raw_fd()));
    let mut command = command(run);
    command.env(control::ENV_FDS, "1");
    // SAFETY: only `dup2` runs between fork and exec.
    unsafe {
        command.pre_exec(move || {
            if libc::dup2(listener, control::LISTENER_FD) < 0
                || libc::dup2(theirs, control::CONTROL_FD) < 0
            {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let child = command.spawn().expect("starts");
    // SAFETY: both are ours, and closed once.
    unsafe {
        libc::close(listener);
        libc::close(theirs);
    }
    (child, ours)
}

fn heard(lines: &mut impl BufRead) -> FromCell {
    let mut line = String::new();
    lines.read_line(&mut line).expect("is readable");
    control::decode(&line).expect("is a message")
}

#[test]
fn under_a_supervisor_it_says_ready_and_drains() {
    let run = tempfile::tempdir().expect("makes a folder");
    let (mut child, mut control) = supervised(run.path());
    let mut lines = BufReader::new(control.try_clone().expect("clones"));
    let FromCell::Ready {
        cell,
        fingerprint,
        pid,
    } = heard(&mut lines)
    else {
        panic!("is not ready")
    };
    assert_eq!((cell.as_str(), pid), ("twice", child.id()));
    assert_eq!(fingerprint, schema().fingerprint.to_string());
    assert_eq!(double(run.path(), 4), Ok(8));

    let drain = control::encode(&ToCell::Drain { limit_ms: 60_000 });
    control.write_all(drain.as_bytes()).expect("is open");
    assert_eq!(heard(&mut lines), FromCell::Drained);
    assert!(child.wait().expect("ends").success());
}

#[test]
fn without_its_supervisor_it_ends() {
    let run = tempfile::tempdir().expect("makes a folder");
    let (mut child, control) = supervised(run.path());
    let mut lines = BufReader::new(control.try_clone().expect("clones"));
    assert!(matches!(heard(&mut lines), FromCell::Ready { .. }));
    drop((lines, control));
    child.wait().expect("ends");
}
