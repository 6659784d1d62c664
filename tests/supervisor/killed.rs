//! SIGKILL of the tool, at any moment: no process and no socket is left. And what `clean` makes of a session whose guardian
//! was killed as well.

use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cargo_cell::supervisor::process::guarded_command_with;
use cargo_cell::supervisor::{SandboxMode, Supervisor, session};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::{config, marks, spec};

const FOLDER: &str = "SUPERVISOR_TEST_FOLDER";

/// The tool of the other tests: swaps cells in both kinds of sandbox for ever. Run by them, in a process of its own.
#[test]
#[ignore = "the other tests run it as a process of its own"]
fn tool() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let mark = std::env::var(marks::VARIABLE).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let boxed = std::env::var(SANDBOX).map_or(SandboxMode::Auto, |name| {
        SandboxMode::named(&name, SANDBOX).unwrap()
    });
    runtime.block_on(async {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let supervisor = Supervisor::start(config(&folder), sender).unwrap();
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        for round in 0_u64.. {
            let cell = |name: &str, mode: &str, sandbox| {
                let mut cell = spec(&folder, &mark, name, "1", mode);
                cell.sandbox = sandbox;
                cell.fingerprint = round / 3;
                cell.calls = ["open", "daemon", "exclusive"].map(str::to_owned).to_vec();
                cell.overlap = name != "exclusive";
                cell
            };
            let set = vec![
                cell("open", "ok", SandboxMode::None),
                cell("daemon", "daemon", boxed),
                cell("stray", "daemon", SandboxMode::None),
                cell("exclusive", "ok", boxed),
                cell("broken", "exit", boxed),
            ];
            println!("round {round}");
            supervisor.apply(set, false).await;
        }
    });
}

fn start_tool(folder: &Path, mark: &marks::Mark) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::tool", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(marks::VARIABLE, &**mark)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until whoever shares the run folder's lock has let go of it: the session's guardian, when it is done.
fn wait_for_the_guardian(folder: &Path) {
    if let Ok(lock) = std::fs::File::open(folder.join("run/lock")) {
        lock.lock().unwrap();
    }
}

/// A number that looks random and is the same in every run.
fn scramble(n: u64) -> u64 {
    (n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) ^ n
}

/// The sandbox of the cells that are in one; `auto` where it is not set.
const SANDBOX: &str = "SUPERVISOR_TEST_SANDBOX";

#[test]
fn a_killed_tool_leaves_no_process_and_no_socket() {
    let rounds = std::env::var("SUPERVISOR_TEST_KILLS").map_or(12, |text| text.parse().unwrap());
    for n in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let mark = marks::Mark::new();
        let mut tool = start_tool(folder.path(), &mark);
        let mut said = BufReader::new(tool.stdout.take().unwrap());
        // From before the first socket to the middle of a later swap.
        for _ in 0..scramble(n) % 4 {
            let mut line = String::new();
            said.read_line(&mut line).unwrap();
        }
        // Podman takes some hundred milliseconds for what bubblewrap does in a few.
        let longest = if std::env::var(SANDBOX).is_ok() {
            900
        } else {
            60
        };
        let pause = (scramble(n + 100) % longest) as u16;
        poll(
            &mut [PollFd::new(said.get_ref().as_fd(), PollFlags::POLLPRI)],
            PollTimeout::from(pause),
        )
        .unwrap();
        tool.kill().unwrap();
        tool.wait().unwrap();
        let killed = std::time::Instant::now();
        wait_for_the_guardian(folder.path());
        marks::wait_until_none(&mark);
        let sockets = marks::sockets(&folder.path().join("run"));
        assert!(sockets.is_empty(), "round {n}: {sockets:?}");
        println!("round {n}: clear after {:?}", killed.elapsed());
    }
}

#[test]
fn clean_reaps_what_is_left_when_the_guardians_were_killed_too() {
    let folder = tempfile::tempdir().unwrap();
    let mark = marks::Mark::new();
    let mut tool = start_tool(folder.path(), &mark);
    let mut said = BufReader::new(tool.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("round 1") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the tool has ended");
    }
    // Everybody freezes, so that nobody can clear up; then the tool and the session's guardian are killed.
    let all = marks::freeze(&mark);
    let is_session = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.contains("--session"))
    };
    // Frozen between fork and exec, a copy of the tool would hold all that the tool held, the folder's lock above all.
    let is_copy = |pid: &i32| {
        *pid != tool.id() as i32
            && std::fs::read_link(format!("/proc/{pid}/exe")).ok() == std::env::current_exe().ok()
    };
    for pid in all.iter().filter(|pid| is_session(pid) || is_copy(pid)) {
        marks::signal(*pid, Signal::SIGKILL);
        marks::wait(*pid);
    }
    tool.kill().unwrap();
    tool.wait().unwrap();
    let cleaned = session::clean(&folder.path().join("run")).unwrap();
    assert!(
        !cleaned.sockets.is_empty() && !cleaned.processes.is_empty(),
        "{cleaned:?}"
    );
    // One that was not yet on a lease ends by itself as soon as it can run: its lifeline is cut.
    all.iter()
        .for_each(|pid| marks::signal(*pid, Signal::SIGCONT));
    marks::wait_until_none(&mark);
    assert!(marks::sockets(&folder.path().join("run")).is_empty());
    assert_eq!(
        session::clean(&folder.path().join("run")).unwrap(),
        session::Cleaned::default()
    );
}

#[tokio::test]
async fn a_guarded_command_takes_everything_with_it() {
    let mark = marks::Mark::new();
    let start = |script: &str| {
        let argv = ["sh", "-c", script].map(Into::into);
        let env = [(marks::VARIABLE.into(), Some(mark.to_string().into()))];
        async move {
            let keeper = Path::new(env!("CARGO_BIN_EXE_cargo-cell"));
            guarded_command_with(keeper, &argv, &env, Path::new("/"))
                .await
                .unwrap()
        }
    };
    use tokio::io::AsyncReadExt;
    let mut child = start("(setsid sleep 4321 &); echo said; exit 7").await;
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .await
        .unwrap();
    assert_eq!(text, "said\n");
    assert_eq!(
        child.wait().await.unwrap(),
        cargo_cell::supervisor::Exit::Code(7)
    );
    assert_eq!(marks::alive(&mark), Vec::<i32>::new());

    let mut child = start("(setsid sleep 4321 &); sleep 4321").await;
    child.kill();
    child.wait().await.unwrap();
    assert_eq!(marks::alive(&mark), Vec::<i32>::new());

    let child = start("(setsid sleep 4321 &); sleep 4321").await;
    drop(child);
    marks::wait_until_none(&mark);

    let program = ["/no/such/program".into()];
    let missing = guarded_command_with(
        Path::new(env!("CARGO_BIN_EXE_cargo-cell")),
        &program,
        &[],
        Path::new("/"),
    );
    let error = tokio::time::timeout(Duration::from_secs(30), missing)
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}
