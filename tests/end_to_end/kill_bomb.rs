//! A cell that starts processes without end: its limit holds it, and it dies with the tool.

use crate::support::{Workspace, eventually};

/// What starts it: without end where the limit is in force, and else as many as a machine can bear.
const BOMB: &str = r#"    /// Starts processes; says of what kind.
    #[cell::handler]
    async fn bomb(held: bool) -> String {
        let script = match held {
            true => "bomb() { sleep NAP & bomb | bomb & }; bomb",
            false => "i=0; while [ $i -lt 300 ]; do setsid sleep NAP & i=$((i+1)); done; wait",
        };
        let started = std::process::Command::new("sh").args(["-c", script]).spawn();
        format!("{:?}", started.map(drop))
    }

    /// The state of one button."#;

/// For how long its processes sleep: nobody else's sleep so long.
fn nap() -> String {
    format!("987652.{}", std::process::id())
}

fn sleepers() -> usize {
    let wanted = format!("sleep\0{}\0", nap());
    let sleeps = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter(sleeps).count()
}

#[test]
fn a_fork_bomb_is_held_by_its_limit_and_dies_with_the_tool() {
    let workspace = Workspace::new("hello");
    workspace.edit(
        "button/src/main.rs",
        "    /// The state of one button.",
        &BOMB.replace("NAP", &nap()),
    );
    workspace.write("button/Cell.toml", "[limits]\nprocesses = 64\n");
    for sandbox in ["auto", "none"] {
        let mut dev = workspace.dev_with(&["--sandbox", sandbox]);
        let status = workspace.status();
        let row = status.iter().find(|row| row["name"] == "button_service");
        let weaker = row.unwrap()["weaker"].to_string();
        let held = !weaker.contains("limits.processes");
        if !held {
            println!("sandbox {sandbox}: no endless bomb: {weaker}");
        }
        let said = workspace.call(&["button_service", "bomb", &held.to_string()]);
        assert_eq!(said.unwrap(), "Ok(())");
        let enough = if held { 8 } else { 300 };
        eventually("the bomb to go off", || match sleepers() {
            few if few < enough => Err(format!("{few}")),
            _ => Ok(()),
        });
        assert!(!held || sleepers() <= 64, "{} processes", sleepers());
        // It goes on while the others are served.
        workspace.call(&["panel", "describe", "\"ok\""]).unwrap();
        dev.signal(libc::SIGKILL);
        dev.child.wait().unwrap();
        eventually("nothing to be left of the bomb", || {
            match (sleepers(), workspace.processes(), workspace.sockets()) {
                (0, processes, sockets) if processes.is_empty() && sockets.is_empty() => Ok(()),
                left => Err(format!("{sandbox}: {left:?}")),
            }
        });
    }
}
