//! Nothing outlives the tool, however it dies.

use std::time::Duration;

use crate::dice::Dice;
use crate::support::{Workspace, eventually, rounds, success};

#[test]
fn sigkill_at_any_moment_leaves_no_process_and_no_socket() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["build"]));
    let good = workspace.read("button/src/main.rs");
    let mut dice = Dice::new(0x9e37_79b9_7f4a_7c15);
    let mut until_clear = Vec::new();
    for round in 0..rounds("CELL_TEST_KILLS", 10) {
        let sandbox = if round % 3 == 2 { "none" } else { "auto" };
        let mut dev = workspace.dev_unready(&["--sandbox", sandbox]);
        match round % 4 {
            // While it starts.
            0 => std::thread::sleep(Duration::from_millis(dice.below(600))),
            // While it builds, or swaps.
            1 | 2 => {
                dev.wait("the cells to serve", |event| event["reason"] == "swapped");
                workspace.write(
                    "button/src/main.rs",
                    &good.replace("0.42", &format!("0.{}", round + 100)),
                );
                std::thread::sleep(Duration::from_millis(dice.below(3000)));
            }
            // While nothing happens.
            _ => {
                dev.wait("the cells to serve", |event| event["reason"] == "swapped");
            }
        }
        let note = workspace.run_dir().join("cgroup");
        let group = std::fs::read_to_string(&note).map(std::path::PathBuf::from);
        dev.signal(libc::SIGKILL);
        dev.child.wait().unwrap();
        let killed = std::time::Instant::now();
        eventually(&format!("nothing to be left of round {round}"), || {
            let (processes, sockets) = (workspace.processes(), workspace.sockets());
            let group = group.as_ref().is_ok_and(|group| group.exists());
            if processes.is_empty() && sockets.is_empty() && !group && !note.exists() {
                Ok(())
            } else {
                Err(format!("{processes:?} {sockets:?}, control group: {group}"))
            }
        });
        until_clear.push(killed.elapsed());
    }
    // A figure for people, with --nocapture: the kernel reaps in its own time.
    until_clear.sort();
    let at = |share: usize| until_clear[(until_clear.len() - 1) * share / 100];
    println!(
        "{} kills, until nothing was left: median {:?}, p99 {:?}, most {:?}",
        until_clear.len(),
        at(50),
        at(99),
        at(100)
    );
}

#[test]
fn whoever_of_its_processes_is_killed_the_tool_recovers_and_leaves_nothing() {
    let workspace = Workspace::new("hello");
    let mut dice = Dice::new(0x2545_f491_4f6c_dd1d);
    for session in 0..rounds("CELL_TEST_KILLS", 10).div_ceil(5) {
        let sandbox = ["auto", "none"][session % 2];
        let mut dev = workspace.dev_with(&["--sandbox", sandbox]);
        let tool = dev.child.id();
        // After more than five in a row a cell that has not been stable in between counts as one that fails for ever.
        for round in 0..5 {
            let victims: Vec<String> = workspace
                .processes()
                .into_iter()
                .filter(|line| !line.starts_with(&format!("{tool}:")))
                .collect();
            let victim = &victims[dice.below(victims.len() as u64) as usize];
            let pid: i32 = victim.split(':').next().unwrap().parse().unwrap();
            // SAFETY: a process of this workspace, which this test started.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            eventually(
                &format!("both cells to answer after round {round}, {victim}"),
                || {
                    workspace.call(&["button_service", "get_state", "\"ok\""])?;
                    workspace.call(&["panel", "describe", "\"ok\""])
                },
            );
        }
        dev.signal(libc::SIGKILL);
        dev.child.wait().unwrap();
        eventually("nothing to be left", || {
            let (processes, sockets) = (workspace.processes(), workspace.sockets());
            match processes.is_empty() && sockets.is_empty() {
                true => Ok(()),
                false => Err(format!("{sandbox}: {processes:?} {sockets:?}")),
            }
        });
    }
}

#[test]
fn a_grandchild_that_left_its_session_dies_too() {
    for sandbox in ["auto", "none"] {
        let workspace = Workspace::new("hello");
        workspace.edit(
            "button/src/main.rs",
            "    cell::serve_local",
            "    std::process::Command::new(\"setsid\").args([\"-f\", \"sleep\", \"987654\"]).spawn()?;\n    cell::serve_local",
        );
        let dev = workspace.dev_with(&["--sandbox", sandbox]);
        let sleepers = || -> Vec<u32> {
            let is_sleeper = |pid: &u32| {
                std::fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line == b"sleep\x00987654\0")
            };
            let pids = std::fs::read_dir("/proc").unwrap().flatten();
            pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .filter(is_sleeper)
                .collect()
        };
        eventually("the grandchild to live", || {
            if sleepers().is_empty() {
                Err("none".to_owned())
            } else {
                Ok(())
            }
        });
        dev.signal(libc::SIGKILL);
        eventually("the grandchild to die", || {
            if sleepers().is_empty() {
                Ok(())
            } else {
                Err(format!("{sandbox}: {:?}", sleepers()))
            }
        });
    }
}

#[test]
fn a_second_tool_is_refused_with_the_owners_name_and_clean_touches_nothing_alive() {
    let workspace = Workspace::new("hello");
    let dev = workspace.dev();
    let (code, text) = crate::support::outcome(&workspace.run(["dev"]));
    assert!(
        code != Some(0) && text.contains(&dev.child.id().to_string()),
        "{code:?} {text}"
    );
    let pids = workspace.pids();
    workspace.run(["clean"]);
    assert_eq!(workspace.pids(), pids);
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
}
