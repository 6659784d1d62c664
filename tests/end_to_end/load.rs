//! Calls go on while the code changes: none fails, each is answered by the old or by the new generation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cell_runtime::Vesicle;
use cell_runtime::client::{CallOptions, Client, Target};
use cell_runtime::schema::{Snapshot, dynamic};
use cell_runtime::wire::Reply;
use serde_json::json;

use crate::support::{Workspace, rounds};

/// Calls `panel.describe`, which calls the button, 200 times a second until told to stop, without any retry of its own.
pub(crate) fn caller(workspace: &Workspace, stop: &AtomicBool) -> (usize, Vec<String>) {
    let snapshot = Snapshot::from_json(&workspace.read("schema/panel.json")).unwrap();
    let route = snapshot
        .routes
        .iter()
        .find(|route| route.name == "describe")
        .unwrap()
        .clone();
    let socket = workspace.run_dir().join("panel.sock");
    let client =
        Client::new(Target::at(socket.to_str().unwrap(), "panel", snapshot.fingerprint.0).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let (mut answered, mut wrong) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            tick.tick().await;
            let payload = dynamic::encode(&snapshot, &route.req, &json!(["ok"])).unwrap();
            match client
                .call(
                    route.fingerprint.0,
                    Vesicle::wrap(payload),
                    CallOptions::default(),
                )
                .await
            {
                Ok(Reply::Ok(answer)) => {
                    let answer = dynamic::decode(&snapshot, &route.res, &answer).unwrap();
                    if answer
                        .as_str()
                        .is_some_and(|text| text.starts_with("ok is pressed, hover "))
                    {
                        answered += 1;
                    } else {
                        wrong.push(answer.to_string());
                    }
                }
                other => wrong.push(format!("{other:?}")),
            }
        }
        (answered, wrong)
    })
}

#[test]
fn edits_under_calls_lose_none_and_consumers_follow_a_schema_in_the_same_swap() {
    let workspace = Workspace::new("hello");
    let mut dev = workspace.dev();
    let good = workspace.read("button/src/main.rs");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| caller(&workspace, &stop)))
            .collect();
        let edits = rounds("CELL_TEST_EDITS", 8);
        for round in 0..edits {
            let mut text = good.replace("0.42", &format!("0.{}", 100 + round));
            // Every tenth edit, and the last ones of a short run, change the schema.
            if round % 10 == 9 || round + 2 >= edits {
                text = text
                    .replace(
                        "pub hover_t: f32,",
                        &format!("pub hover_t: f32,\n        pub extra_{round}: u64,"),
                    )
                    .replace(
                        "ButtonState { pressed",
                        &format!("ButtonState {{ extra_{round}: 1, pressed"),
                    );
            }
            workspace.write("button/src/main.rs", &text);
            let schema = text.contains("extra_");
            let event = dev.swapped("button_service");
            let together = event["cells"]
                .as_array()
                .unwrap()
                .iter()
                .any(|name| name == "panel");
            if schema {
                assert!(together, "the consumer follows in the same swap: {event}");
                assert!(
                    workspace
                        .read("panel/cells/button_service.rs")
                        .contains(&format!("extra_{round}"))
                );
            }
        }
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            let (answered, wrong) = caller.join().unwrap();
            assert!(
                wrong.is_empty(),
                "{} of {} calls went wrong: {wrong:?}",
                wrong.len(),
                answered + wrong.len()
            );
            assert!(answered > edits, "only {answered} calls in {edits} edits");
        }
    });
}
