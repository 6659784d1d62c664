//! What breaks leaves the old generation serving, is named, and recovers with the next good save.

use serde_json::json;

use crate::support::Workspace;

const BUTTON: &str = "button/src/main.rs";

#[test]
fn whatever_breaks_the_old_generation_serves_and_the_next_good_save_recovers() {
    let workspace = Workspace::new("hello");
    workspace.write("button/Cell.toml", "ready = \"1s\"\n");
    let mut dev = workspace.dev();
    let good = workspace.read(BUTTON);
    let main = "cell::serve_local(button_service::handlers()).await";
    let breakages = [
        (
            "a syntax error",
            good.replace("async fn main", "async fn main("),
        ),
        ("a type error", good.replace("pressed: true", "pressed: 1")),
        (
            "an exit at once",
            good.replace(main, "std::process::exit(3)"),
        ),
        (
            "a panic on start",
            good.replace(main, "panic!(\"no luck\")"),
        ),
        (
            "a hang before it serves",
            good.replace(main, &format!("std::future::pending::<()>().await; {main}")),
        ),
    ];
    for (round, (what, broken)) in breakages.iter().enumerate() {
        let value = format!("0.{}", round + 2);
        assert_ne!(broken, &good, "{what}");
        workspace.write(BUTTON, broken);
        let end = dev.batch_end();
        assert_ne!(end["reason"], "swapped", "{what}: {end}");
        let state = workspace.call(&["button_service", "get_state", "\"ok\""]);
        assert!(state.is_ok(), "{what}: {state:?}");
        workspace.write(BUTTON, &good.replace("0.42", &value));
        dev.swapped("button_service");
        let state = workspace
            .call(&["button_service", "get_state", "\"ok\""])
            .unwrap();
        assert_eq!(state["hover_t"].to_string(), value, "after {what}");
    }
}

#[test]
fn a_handler_that_panics_answers_internal_and_the_cell_lives_on() {
    let workspace = Workspace::new("hello");
    workspace.edit(
        BUTTON,
        "ButtonState { pressed",
        "assert_ne!(id, \"bad\"); ButtonState { pressed",
    );
    let _dev = workspace.dev();
    let pids = workspace.pids();
    let error = workspace
        .call(&["button_service", "get_state", "\"bad\""])
        .unwrap_err();
    assert!(
        error.contains("internal") && error.contains("panicked"),
        "{error}"
    );
    assert!(
        workspace
            .call(&["button_service", "get_state", "\"ok\""])
            .is_ok()
    );
    assert_eq!(workspace.pids(), pids);
}

#[test]
fn without_an_old_generation_callers_hear_the_reason_at_once() {
    let workspace = Workspace::new("hello");
    let good = workspace.read(BUTTON);
    workspace.write(
        BUTTON,
        &good.replace(
            "cell::serve_local(button_service::handlers()).await",
            "anyhow::bail!(\"no luck today\")",
        ),
    );
    let mut dev = workspace.dev_unready(&[]);
    dev.wait("the cell to be unavailable", |event| {
        event["what"] == "unavailable" && event["cell"] == "button_service"
    });
    let error = workspace
        .call(&["button_service", "get_state", "\"ok\""])
        .unwrap_err();
    assert!(error.contains("unavailable"), "{error}");
    workspace.write(BUTTON, &good);
    dev.swapped("button_service");
    assert_eq!(
        workspace
            .call(&["button_service", "get_state", "\"ok\""])
            .unwrap(),
        json!({ "pressed": true, "hover_t": 0.42 })
    );
}

/// A panel that serves nothing.
const CALLER: &str = r#"use cell_sdk::cell;

cell::client!("button_service");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    //BEFORE
    cell::run(async {
        loop {
            let _ = button_service::get_state("ok".to_owned()).await;
            cell::stopping().await;
            println!("finishes: GENERATION");
            return Ok(());
        }
    })
    .await
}
"#;

#[test]
fn a_cell_that_only_calls_and_breaks_leaves_the_old_one_at_work() {
    let workspace = Workspace::new("hello");
    workspace.write("panel/src/main.rs", CALLER);
    let mut dev = workspace.dev();
    let before = workspace.pids();
    workspace.write(
        "panel/src/main.rs",
        &CALLER.replace("//BEFORE", "anyhow::bail!(\"no luck\");"),
    );
    let end = dev.batch_end();
    assert_ne!(end["reason"], "swapped", "{end}");
    assert_eq!(workspace.pids(), before);
    workspace.write(
        "panel/src/main.rs",
        &CALLER.replace("GENERATION", "the next one"),
    );
    dev.swapped("panel");
    let after = workspace.pids();
    for (cell, pid) in before {
        let stayed = after.contains(&(cell.clone(), pid));
        assert_eq!(stayed, cell == "button_service", "{cell}: {after:?}");
    }
    // The old one was told to stop, and was left to finish; that may be before the batch is over.
    dev.sees("the old one's last words", |event| {
        event["line"] == "finishes: GENERATION"
    });
}
