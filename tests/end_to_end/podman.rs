//! Podman, as far as this machine lets it: what it makes is there while a cell runs, and gone with the tool.

use std::path::PathBuf;

use serde_json::Value;

use crate::cgroups::with_one_version;
use crate::support::{Workspace, eventually};

/// Why podman cannot be used here, if it cannot.
pub(crate) fn missing(workspace: &Workspace) -> Option<String> {
    let mut doctor = workspace.command(["doctor", "--json"]);
    with_one_version(&mut doctor);
    let checks: Vec<Value> = serde_json::from_slice(&doctor.output().unwrap().stdout).unwrap();
    let podman = checks
        .iter()
        .find(|check| check["name"] == "podman")
        .unwrap();
    (podman["grade"] != "good").then(|| podman["found"].as_str().unwrap().to_owned())
}

/// Where the generations of this session keep their containers.
fn places(workspace: &Workspace) -> Vec<PathBuf> {
    let links = workspace.run_dir().join("podman");
    let links = std::fs::read_dir(links).into_iter().flatten().flatten();
    links
        .map(|link| std::fs::read_link(link.path()).unwrap())
        .collect()
}

/// The processes whose command line names one of these places: their pid, name and command line.
fn processes(places: &[PathBuf]) -> Vec<(i32, String, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let all = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        Some((pid, name.trim().to_owned(), line))
    });
    all.filter(|(_, _, line)| {
        places
            .iter()
            .any(|place| line.contains(place.to_str().unwrap()))
    })
    .collect()
}

fn nothing_left(workspace: &Workspace, places: &[PathBuf]) {
    eventually("nothing to be left of podman", || {
        let folders: Vec<_> = places.iter().filter(|place| place.exists()).collect();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounted = places
            .iter()
            .any(|place| mounts.contains(place.to_str().unwrap()));
        match (
            processes(places),
            workspace.processes(),
            workspace.sockets(),
        ) {
            (of_podman, of_tool, sockets)
                if of_podman.is_empty()
                    && of_tool.is_empty()
                    && sockets.is_empty()
                    && folders.is_empty()
                    && !mounted =>
            {
                Ok(())
            }
            left => Err(format!("{left:?} {folders:?} {mounted}")),
        }
    });
}

#[test]
fn podman_leaves_nothing_when_it_or_the_tool_is_killed() {
    let workspace = Workspace::new("hello");
    if let Some(why) = missing(&workspace) {
        println!("podman is not tested here: {why}");
        let mut dev = workspace.dev_unready(&["--sandbox", "podman"]);
        dev.wait("a refusal", |event| {
            event
                .to_string()
                .contains("the sandbox `podman` does not work here")
        });
        return;
    }
    let start = || {
        let mut dev = workspace.dev_with_command(|command| {
            with_one_version(command.args(["--sandbox", "podman"]));
        });
        dev.wait("every cell to serve", |event| event["reason"] == "timings");
        dev
    };
    let mut dev = start();
    let row = |workspace: &Workspace| {
        let rows = workspace.status();
        rows.into_iter()
            .find(|row| row["name"] == "button_service")
            .unwrap()
    };
    assert_eq!(row(&workspace)["sandbox"], "podman");
    workspace.call(&["panel", "describe", "\"ok\""]).unwrap();
    // A new generation takes the place of the old one, and its folders go.
    let old = places(&workspace);
    assert_eq!(old.len(), 2);
    for cell in ["button_service", "panel"] {
        assert!(workspace.run(["restart", cell]).status.success());
    }
    eventually("the old containers to be gone", || {
        match old.iter().filter(|place| place.exists()).count() {
            0 => Ok(()),
            left => Err(format!("{left} of {old:?}")),
        }
    });
    // Podman is killed, and the cell comes back.
    let before = row(&workspace)["generation"].clone();
    let of_ours = processes(&places(&workspace));
    let podman: Vec<i32> = of_ours
        .iter()
        .filter_map(|(pid, name, _)| (name == "podman").then_some(*pid))
        .collect();
    assert_eq!(podman.len(), 2, "{of_ours:?}");
    for pid in podman {
        // SAFETY: the pid is one of podman's processes of this very session.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    eventually("the cell to be back", || match row(&workspace) {
        row if row["state"] == "ready" && row["generation"] != before => Ok(()),
        row => Err(row.to_string()),
    });
    workspace.call(&["panel", "describe", "\"ok\""]).unwrap();
    let last = places(&workspace);
    dev.signal(libc::SIGKILL);
    dev.child.wait().unwrap();
    nothing_left(&workspace, &last);
    // Asked to end, it ends likewise.
    let mut dev = start();
    let last = places(&workspace);
    dev.signal(libc::SIGINT);
    assert!(dev.child.wait().unwrap().success());
    nothing_left(&workspace, &last);
}
