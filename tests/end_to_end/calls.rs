//! The main job: a live edit.

use serde_json::json;

use crate::support::{Workspace, success};

#[test]
fn an_edit_is_answered_by_the_new_code_and_the_others_keep_running() {
    let workspace = Workspace::new("market");
    let mut dev = workspace.dev();
    let before = workspace.pids();
    assert_eq!(before.len(), 4, "{before:?}");
    let old = workspace.call(&["stats", "headline"]).unwrap();
    workspace.edit("stats/src/main.rs", "format!(\"", "format!(\"edited: ");
    dev.swapped("stats");
    let new = workspace.call(&["stats", "headline"]).unwrap();
    assert!(new.to_string().contains("edited: "), "{old} → {new}");
    let after = workspace.pids();
    for (name, pid) in &before {
        let now = after
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, pid)| *pid);
        assert_eq!(
            now == Some(*pid),
            name != "stats",
            "{name}: {pid} → {now:?}"
        );
    }
}

#[test]
fn calls_print_json_and_say_what_is_wrong() {
    let workspace = Workspace::new("hello");
    let dev = workspace.dev();
    let state = workspace
        .call(&["button_service", "get_state", "\"ok\""])
        .unwrap();
    assert_eq!(state, json!({ "pressed": true, "hover_t": 0.42 }));
    assert_eq!(
        workspace.call(&["panel", "describe", "\"ok\""]).unwrap(),
        json!("ok is pressed, hover 0.42")
    );
    for (args, part) in [
        (&["button_service", "get_state", "7"][..], "expected String"),
        (&["button_service", "get_state"], "id"),
        (&["button_service", "get_stat", "\"x\""], "get_state"),
        (
            &["button_servic", "get_state", "\"x\""],
            "did you mean `button_service`?",
        ),
        (&["button_service", "get_state", "{"], "JSON"),
    ] {
        let error = workspace.call(args).unwrap_err();
        assert!(error.contains(part), "{args:?}: {error}");
    }
    success(workspace.run(["restart", "panel"]));
    assert_eq!(
        workspace.call(&["panel", "describe", "\"b\""]).unwrap(),
        json!("b is pressed, hover 0.42")
    );
    success(workspace.run(["down"]));
    drop(dev);
    let error = workspace.call(&["panel", "describe", "\"b\""]).unwrap_err();
    assert!(error.contains("cargo cell dev"), "{error}");
}

#[test]
fn the_ledger_loses_no_trade_across_restarts() {
    let workspace = Workspace::new("market");
    let mut dev = workspace.dev();
    let mut count = 0;
    for round in 0..3 {
        workspace
            .call(&["exchange", "place", "\"a\"", "\"Sell\"", "1", "1"])
            .unwrap();
        workspace
            .call(&["exchange", "place", "\"b\"", "\"Buy\"", "1000000", "1"])
            .unwrap();
        crate::support::eventually("the ledger to hold the trade", || {
            let held = workspace
                .call(&["ledger", "count"])?
                .as_u64()
                .ok_or("no number")?;
            if held > count {
                count = held;
                Ok(())
            } else {
                Err(format!("{held} trades"))
            }
        });
        workspace.edit(
            "ledger/src/main.rs",
            "fn main",
            &format!("fn round_{round}() {{}}\nfn main"),
        );
        success(workspace.run(["restart", "ledger"]));
        let held = workspace
            .call(&["ledger", "count"])
            .unwrap()
            .as_u64()
            .unwrap();
        assert!(held >= count, "{held} of {count} trades after the restart");
        count = held;
    }
    dev.drain();
}
