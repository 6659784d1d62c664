//! Limits that do not bind root, and containers where the machine has control groups of both versions.

use std::os::unix::process::CommandExt;
use std::process::Command;

use cargo_cell::supervisor::sandbox::{Probe, probe};
use cargo_cell::supervisor::{SandboxMode, Swap};

use crate::Stage;
use crate::cgroups::with_one_version;

/// Fewer than the cell tries to start.
const PROCESSES: u64 = 20;

async fn processes_are_limited(sandbox: SandboxMode) {
    let stage = Stage::new();
    let mut cell = stage.spec("a", "1", "bomb");
    cell.sandbox = sandbox;
    cell.rights.limits.processes = Some(PROCESSES);
    let outcome = stage.supervisor.apply(vec![cell], false).await;
    let Swap::Swapped { .. } = outcome.cells["a"] else {
        panic!("{outcome:?}");
    };
    let log = stage.supervisor.logs("a", 100).await;
    let started = log.iter().filter(|(_, line)| line == "started one").count();
    let refused = log.iter().any(|(_, line)| line.contains("fork"));
    assert!(
        started > 0 && started < PROCESSES as usize && refused,
        "{log:?}"
    );
    stage.stop().await;
}

#[tokio::test]
async fn processes_are_limited_in_a_sandbox() {
    if nix::unistd::Uid::effective().is_root() {
        println!("the kernel does not limit root's processes: tried as another user");
        return;
    }
    processes_are_limited(SandboxMode::Bwrap).await;
    let keeper = std::path::Path::new(env!("CARGO_BIN_EXE_cargo-cell"));
    match probe::podman(keeper, None).await {
        Probe::Works(_) => processes_are_limited(SandboxMode::Podman).await,
        Probe::Nothing(why) => println!("podman is not tested here: {why}"),
    }
}

/// What needs control groups of one version, and what does not bind root, where the tests are run by root.
#[test]
fn containers_and_limits_hold_with_and_without_root() {
    // SAFETY: it only returns a number.
    if unsafe { libc::geteuid() } != 0 {
        println!("this is not root: the test of containers has tried what it can");
        return;
    }
    let other = Some(65_534);
    for (uid, test) in [
        (None, "swaps::the_same_in_a_container"),
        (
            None,
            "killed::a_killed_tool_leaves_no_process_and_no_socket",
        ),
        (other, "swaps::the_same_in_a_container"),
        (
            other,
            "killed::a_killed_tool_leaves_no_process_and_no_socket",
        ),
        (other, "limits::processes_are_limited_in_a_sandbox"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        nix::unistd::chown(folder.path(), uid.map(nix::unistd::Uid::from_raw), None).unwrap();
        let mut again = Command::new(std::env::current_exe().unwrap());
        again
            .args(["--exact", test, "--nocapture"])
            .env("SUPERVISOR_TEST_SANDBOX", "podman")
            .env("TMPDIR", folder.path());
        with_one_version(&mut again);
        if let Some(uid) = uid {
            // Runs after the one above, which needs root.
            let become_other = move || {
                nix::unistd::setgroups(&[])?;
                nix::unistd::setgid(nix::unistd::Gid::from_raw(uid))?;
                nix::unistd::setuid(nix::unistd::Uid::from_raw(uid))?;
                Ok(())
            };
            // SAFETY: the closure makes system calls alone.
            unsafe { again.pre_exec(become_other) };
        }
        match again.output() {
            Err(cause) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
                println!("user {uid:?} may not read this test: {cause}");
            }
            output => {
                let output = output.unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                println!("{test}, user {uid:?}: {said}");
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(
                    output.status.success() && said.contains("1 passed"),
                    "{errors}"
                );
            }
        }
    }
}
