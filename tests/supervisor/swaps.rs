//! Start, swap, fail, stop.

use cargo_cell::supervisor::sandbox::{Probe, probe};
use cargo_cell::supervisor::{CellPhase, SandboxMode, Supervisor, SupervisorEvent, Swap};

use crate::{Stage, config, marks};

async fn serve_and_swap(sandbox: SandboxMode) {
    let mut stage = Stage::new();
    let with = |version: &str, mode: &str| cargo_cell::supervisor::CellSpec {
        sandbox,
        ..stage.spec("a", version, mode)
    };
    let (first, broken, second) = (with("1", "ok"), with("2", "exit"), with("3", "ok"));
    let outcome = stage.supervisor.apply(vec![first], false).await;
    let Swap::Swapped { pid: old, .. } = outcome.cells["a"] else {
        panic!("{outcome:?}");
    };
    // The pid is the script's own, outside of its sandbox.
    let command = std::fs::read_to_string(format!("/proc/{old}/cmdline")).unwrap();
    assert!(command.contains("sh"), "{command}");
    let mut sockets = stage.sockets();
    // Beside them lies a link to what podman keeps.
    sockets.retain(|name| name.ends_with(".sock"));
    assert_eq!(sockets, ["a.0000000000000001.sock", "a.sock"]);

    let outcome = stage.supervisor.apply(vec![broken], false).await;
    let Swap::Failed { reason } = &outcome.cells["a"] else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, "exited with code 3");
    let lines = stage
        .until(|event| match event {
            SupervisorEvent::StartFailed {
                last_log_lines,
                old_serves: true,
                ..
            } => Some(last_log_lines.clone()),
            _ => None,
        })
        .await;
    assert_eq!(lines, ["no port for me"]);
    assert_eq!(stage.supervisor.status().await[0].pid, Some(old));

    let outcome = stage.supervisor.apply(vec![second], false).await;
    let Swap::Swapped { pid: new, .. } = outcome.cells["a"] else {
        panic!("{outcome:?}");
    };
    assert_ne!(new, old);
    stage
        .until(|event| matches!(event, SupervisorEvent::Stopped { .. }).then_some(()))
        .await;
    let status = stage.supervisor.status().await;
    assert_eq!(
        (status[0].pid, status[0].phase),
        (Some(new), CellPhase::Ready)
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_cell_is_swapped_and_a_broken_one_leaves_the_old_one() {
    serve_and_swap(SandboxMode::None).await;
}

#[tokio::test]
async fn the_same_in_a_sandbox() {
    serve_and_swap(SandboxMode::Bwrap).await;
}

#[tokio::test]
async fn the_same_in_a_container() {
    let keeper = std::path::Path::new(env!("CARGO_BIN_EXE_cargo-cell"));
    let Probe::Nothing(why) = probe::podman(keeper, None).await else {
        serve_and_swap(SandboxMode::Podman).await;
        return daemons_die(SandboxMode::Podman).await;
    };
    println!("podman is not tested here: {why}");
    let stage = Stage::new();
    let mut cell = stage.spec("a", "1", "ok");
    cell.sandbox = SandboxMode::Podman;
    let outcome = stage.supervisor.apply(vec![cell], false).await;
    let Swap::Failed { reason } = &outcome.cells["a"] else {
        panic!("{outcome:?}");
    };
    assert!(
        reason.contains("the sandbox `podman` does not work here"),
        "{reason}"
    );
    stage.stop().await;
}

#[tokio::test]
async fn one_that_does_not_overlap_stops_first_and_comes_back_when_the_new_one_fails() {
    let mut stage = Stage::new();
    let mut cell = stage.spec("ledger", "1", "ok");
    cell.overlap = false;
    stage.supervisor.apply(vec![cell.clone()], false).await;
    let mut broken = stage.spec("ledger", "2", "exit");
    broken.overlap = false;
    let outcome = stage.supervisor.apply(vec![broken], false).await;
    assert!(
        matches!(outcome.cells["ledger"], Swap::Failed { .. }),
        "{outcome:?}"
    );
    // Generation 1 served, 2 failed, 3 is the first build again.
    stage
        .until(|event| matches!(event, SupervisorEvent::Ready { generation: 3, .. }).then_some(()))
        .await;
    let log = stage.supervisor.logs("ledger", 1).await;
    assert_eq!(log[0].1, "starting 1");
    stage.stop().await;
}

#[tokio::test]
async fn a_crash_is_followed_by_a_new_start() {
    let mut stage = Stage::new();
    let cell = stage.spec("a", "1", "ok");
    let outcome = stage.supervisor.apply(vec![cell], false).await;
    let Swap::Swapped { pid, .. } = outcome.cells["a"] else {
        panic!("{outcome:?}");
    };
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid as i32),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let restarted = |event: &SupervisorEvent| match event {
        SupervisorEvent::Ready { generation: 2, .. } => Some(()),
        _ => None,
    };
    stage.until(restarted).await;
    assert_eq!(stage.supervisor.status().await[0].restarts, 1);
    stage.stop().await;
}

#[tokio::test]
async fn a_second_tool_is_refused_and_haste_kills_the_stubborn() {
    let stage = Stage::new();
    let (events, _kept) = tokio::sync::mpsc::unbounded_channel();
    let error = Supervisor::start(config(stage.folder.path()), events).unwrap_err();
    assert!(
        error.message.contains("is run by another tool already"),
        "{error}"
    );
    let mut cell = stage.spec("a", "1", "stubborn");
    cell.drain = std::time::Duration::from_secs(3600);
    stage.supervisor.apply(vec![cell], false).await;
    stage.supervisor.stop_all(true).await;
    assert_eq!(marks::alive(&stage.mark), Vec::<i32>::new());
}

async fn daemons_die(sandbox: SandboxMode) {
    let stage = Stage::new();
    let mut cell = stage.spec("a", "1", "daemon");
    cell.sandbox = sandbox;
    let outcome = stage.supervisor.apply(vec![cell], false).await;
    let Swap::Swapped { .. } = outcome.cells["a"] else {
        panic!("{outcome:?}");
    };
    stage.stop().await;
}

#[tokio::test]
async fn what_left_its_session_dies_with_its_cell() {
    daemons_die(SandboxMode::None).await;
    daemons_die(SandboxMode::Bwrap).await;
}
