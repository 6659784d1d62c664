//! `cargo cell up`: a loop without a terminal, its service `stem`, calls that start cells, and what becomes of crashes.

use serde_json::{Value, json};

use crate::support::{Workspace, eventually, outcome, success};

/// Stops what runs and checks that nothing is left.
pub(crate) struct Down<'a>(pub(crate) &'a Workspace);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let down = self.0.run(["down"]);
        if !std::thread::panicking() {
            success(down);
            nothing_is_left(self.0);
        }
    }
}

fn nothing_is_left(workspace: &Workspace) {
    eventually("nothing to be left", || {
        let (processes, sockets) = (workspace.processes(), workspace.sockets());
        match processes.is_empty() && sockets.is_empty() {
            true => Ok(()),
            false => Err(format!("{processes:?} {sockets:?}")),
        }
    });
}

fn supervisor(workspace: &Workspace) -> u64 {
    let output = success(workspace.run(["status", "--json"]));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    status["pid"].as_u64().unwrap_or_default()
}

fn row(workspace: &Workspace, cell: &str) -> Value {
    let cells = workspace.status();
    let found = cells.into_iter().find(|row| row["name"] == cell);
    found.unwrap_or(Value::Null)
}

#[test]
fn one_cell_goes_down_alone_and_comes_back_with_its_next_caller() {
    let workspace = Workspace::new("hello");
    let _down = Down(&workspace);
    success(workspace.run(["up"]));
    let pids = workspace.pids();
    let (_, text) = outcome(&workspace.run(["down", "button_service"]));
    assert!(text.contains("stopped `button_service`"), "{text}");
    assert_eq!(row(&workspace, "button_service")["state"], "idle");
    for (cell, pid) in &pids {
        let runs = std::path::Path::new(&format!("/proc/{pid}")).exists();
        assert_eq!(runs, cell != "button_service", "{cell}");
    }
    let (_, text) = outcome(&success(workspace.run(["up", "button_service"])));
    assert!(
        text.contains("added `button_service` to what runs"),
        "{text}"
    );
    success(workspace.run(["down", "button_service"]));
    // The panel calls it.
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
    assert_eq!(row(&workspace, "button_service")["state"], "ready");
    let output = success(workspace.run(["top", "--once", "--json", "--interval", "0.1"]));
    let top: Value = serde_json::from_slice(&output.stdout).unwrap();
    let uses = &top["cells"][0];
    assert_eq!(
        (&top["v"], &uses["name"]),
        (&json!(1), &json!("button_service"))
    );
    assert!(
        uses["memory"].as_u64() > Some(1 << 20) && uses["calls_per_s"].is_number(),
        "{uses}"
    );
    // Behind `| head` it ends.
    let mut top = workspace.command(["top", "--interval", "0.1"]);
    let mut top = top.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(top.stdout.take());
    assert!(top.wait().unwrap().success());
    let stopped = workspace
        .call(&["stem", "stop", "[\"button_service\"]"])
        .unwrap();
    assert_eq!(stopped, json!(["button_service"]));
    success(workspace.run(["restart", "button_service"]));
    assert_eq!(row(&workspace, "button_service")["state"], "ready");
    let (code, text) = outcome(&workspace.run(["down", "nobody"]));
    assert!(
        code == Some(3) && text.contains("no cell `nobody`"),
        "{code:?} {text}"
    );
}

#[test]
fn up_runs_in_the_background_and_down_leaves_nothing() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["build"]));
    let _down = Down(&workspace);
    // Two at once start one.
    let mut two: Vec<_> = (0..2)
        .map(|_| workspace.command(["up"]).spawn().unwrap())
        .collect();
    for up in &mut two {
        assert!(up.wait().unwrap().success());
    }
    let pid = supervisor(&workspace);
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
    let (_, text) = outcome(&success(workspace.run(["up"])));
    let already = format!("2 cells run already in the background (pid {pid})");
    assert!(text.contains(&already), "{text}");
    assert_eq!(supervisor(&workspace), pid);
    let (_, text) = outcome(&success(workspace.run(["up", "--sandbox", "none"])));
    assert!(text.contains("`--sandbox none` changes nothing"), "{text}");
    // Another tool is refused with the owner's name.
    let (code, text) = outcome(&workspace.run(["dev"]));
    assert!(
        code == Some(3) && text.contains(&format!("pid {pid}")),
        "{code:?} {text}"
    );
    // The supervisor is a cell.
    let status = workspace.call(&["stem", "status"]).unwrap();
    assert_eq!(status["pid"], json!(pid));
    let names: Vec<&Value> = status["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| &cell["name"])
        .collect();
    assert_eq!(names, ["button_service", "panel"]);
    let before = workspace.pids();
    let restarted = workspace.call(&["stem", "restart", "[\"panel\"]"]).unwrap();
    assert_eq!(restarted, json!(["panel"]));
    let after = workspace.pids();
    assert!(
        after[0] == before[0] && after[1] != before[1],
        "{before:?} {after:?}"
    );
    let events = workspace.call(&["stem", "events", "0"]).unwrap();
    assert!(events["next"].as_u64().unwrap() > 0 && events.to_string().contains("cells-found"));
    // Who follows sees what happens, and the end.
    let attached = workspace.command(["attach", "--ui", "json"]);
    let attached = std::thread::scope(|scope| {
        let mut attached = attached;
        let follower = scope.spawn(move || attached.output().unwrap());
        // The past is sent at once: there is nothing to wait for.
        success(workspace.run(["down"]));
        follower.join().unwrap()
    });
    let (code, text) = outcome(&attached);
    assert!(
        code == Some(0) || text.contains("nothing runs"),
        "{code:?} {text}"
    );
    nothing_is_left(&workspace);
}

#[test]
fn a_new_supervisor_after_sigkill_finds_nothing_left() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["build"]));
    let _down = Down(&workspace);
    for _ in 0..2 {
        success(workspace.run(["up"]));
        let pid = supervisor(&workspace);
        // SAFETY: the pid is the one that the supervisor has just given as its own.
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        nothing_is_left(&workspace);
    }
    success(workspace.run(["up"]));
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
}

#[test]
fn a_call_starts_what_does_not_run_and_builds_it_where_its_binary_is_missing() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["build"]));
    let _down = Down(&workspace);
    success(workspace.run(["up", "panel"]));
    assert_eq!(row(&workspace, "button_service")["state"], "idle");
    // `panel` calls the button.
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
    assert_eq!(row(&workspace, "button_service")["state"], "ready");
    success(workspace.run(["down"]));
    // Nothing is built and nothing runs before somebody calls.
    std::fs::remove_dir_all(workspace.run_dir().join("bin")).unwrap();
    success(workspace.run(["up", "--lazy"]));
    assert!(workspace.pids().is_empty());
    let call = ["--deadline-ms", "280000", "panel", "describe", "\"ok\""];
    let described = workspace.call(&call);
    assert!(described.is_ok(), "{described:?}");
    success(workspace.run(["down"]));
    success(workspace.run(["up", "button_service"]));
    std::fs::remove_dir_all(workspace.run_dir().join("bin")).unwrap();
    let described = workspace.call(&call);
    assert!(described.is_ok(), "{described:?}");
}

#[test]
fn a_crash_loop_is_named_with_its_last_words_and_up_tries_again() {
    let workspace = Workspace::new("hello");
    workspace.write(
        "button/Cell.toml",
        "[restart]\nmax = 3\nfirst = '10ms'\nlongest = '20ms'\n",
    );
    let marker = workspace.root().join("broken");
    workspace.edit(
        "button/src/main.rs",
        "    cell::serve_local",
        "    if std::path::Path::new(env!(\"CARGO_MANIFEST_DIR\")).join(\"../broken\").exists() { eprintln!(\"no luck today\"); std::process::exit(3); }\n    cell::serve_local",
    );
    workspace.edit(
        "button/src/main.rs",
        "ButtonState { pressed",
        "if id == \"die\" { std::process::exit(4); } ButtonState { pressed",
    );
    let _down = Down(&workspace);
    success(workspace.run(["up", "--sandbox", "none"]));
    assert_eq!(row(&workspace, "button_service")["health"], "good");
    std::fs::write(&marker, "").unwrap();
    assert!(
        workspace
            .call(&["button_service", "get_state", "\"die\""])
            .is_err()
    );
    let looping = eventually("a crash loop", || {
        let row = row(&workspace, "button_service");
        match row["health"] == "crash-loop" {
            true => Ok(row),
            false => Err(row.to_string()),
        }
    });
    assert!(
        looping["reason"]
            .as_str()
            .unwrap()
            .contains("3 times in a row"),
        "{looping}"
    );
    assert!(
        looping["last_log_lines"]
            .to_string()
            .contains("no luck today"),
        "{looping}"
    );
    let refused = workspace.call(&["button_service", "get_state", "\"ok\""]);
    assert!(refused.unwrap_err().contains("crash loop"));
    std::fs::remove_file(&marker).unwrap();
    success(workspace.run(["up"]));
    assert!(
        workspace
            .call(&["button_service", "get_state", "\"ok\""])
            .is_ok()
    );
}
