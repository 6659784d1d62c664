//! The supervisor as a cell: service `stem`, so that every client language can ask what `cargo cell status` asks.
//!
//! It decides nothing: a call becomes a request of the loop's control plane, and the answers become message types.

pub mod serve;

use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The name of the service; no cell of a workspace can have it.
pub const NAME: &str = "stem";

/// Passes a request to the loop; answers come until the receiver's end.
pub type Ask = Box<dyn Fn(Value) -> mpsc::Receiver<Value> + Send + Sync>;

/// What the handlers share.
pub struct Loop {
    ask: Ask,
}

impl Loop {
    /// All answers to a request.
    async fn all(&self, request: Value) -> Result<Vec<Value>, stem::Refused> {
        let mut received = (self.ask)(request);
        let mut answers = Vec::new();
        while let Some(answer) = received.recv().await {
            if let Some(why) = answer["error"].as_str() {
                return Err(stem::Refused {
                    why: why.to_owned(),
                });
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    /// The first answer that has `key`.
    async fn first(&self, request: Value, key: &str) -> Result<Value, stem::Refused> {
        let mut received = (self.ask)(request);
        while let Some(mut answer) = received.recv().await {
            if let Some(why) = answer["error"].as_str() {
                return Err(stem::Refused {
                    why: why.to_owned(),
                });
            }
            if !answer[key].is_null() {
                return Ok(answer[key].take());
            }
        }
        Err(stem::Refused {
            why: "it is being stopped".to_owned(),
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn maybe(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn list(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.filter_map(maybe).collect()
}

fn cell_state(cell: &Value, held: &Value) -> stem::CellState {
    let name = text(&cell["name"]);
    stem::CellState {
        package: text(&cell["package"]),
        state: text(&cell["state"]),
        health: text(&cell["health"]),
        pid: cell["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
        generation: cell["generation"].as_u64(),
        sandbox: maybe(&cell["sandbox"]),
        weaker: maybe(&cell["weaker"]),
        fingerprint: text(&cell["fingerprint"]),
        restarts: cell["restarts"].as_u64().unwrap_or_default(),
        again_ms: cell["again_ms"].as_u64(),
        ready_ms: cell["ready_ms"].as_u64(),
        reason: maybe(&cell["reason"]),
        held: maybe(&held[&name]),
        calls: list(&cell["calls"]),
        last_log_lines: list(&cell["last_log_lines"]),
        name,
    }
}

/// The cells of a workspace, as `cargo cell status`, `logs`, `up`, `restart` and `down` see and change them.
#[cell_runtime::cell::service(crate = ::cell_runtime)]
pub mod stem {
    use cell_runtime::cell;

    use super::{Loop, Value, cell_state, json, list, maybe, text};

    /// A workspace that runs.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    #[protein(crate = ::cell_runtime)]
    pub struct Status {
        /// The process that supervises.
        pub pid: u32,
        /// The workspace's root.
        pub root: String,
        /// The folder of its sockets.
        pub run: String,
        /// The batch in cargo's hands.
        pub building: Option<u64>,
        /// The cells, by name.
        pub cells: Vec<CellState>,
    }

    /// Where a cell is.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    #[protein(crate = ::cell_runtime)]
    pub struct CellState {
        /// Its name.
        pub name: String,
        /// Its package; empty where it was never built.
        pub package: String,
        /// `starting`, `ready`, `swapping`, `idle`, `backoff`, `unavailable` or `stopping`.
        pub state: String,
        /// `good`, `shaky`, `starting`, `failing`, `crash-loop`, `down` or `idle`.
        pub health: String,
        /// The process of the generation that serves.
        pub pid: Option<u32>,
        /// The generation that serves.
        pub generation: Option<u64>,
        /// The sandbox in force.
        pub sandbox: Option<String>,
        /// Why it is weaker than it could be.
        pub weaker: Option<String>,
        /// The fingerprint of its service.
        pub fingerprint: String,
        /// How often it was started again after it ended by itself.
        pub restarts: u64,
        /// In how many milliseconds it is started again.
        pub again_ms: Option<u64>,
        /// For how many milliseconds it has been serving.
        pub ready_ms: Option<u64>,
        /// Why it does not serve.
        pub reason: Option<String>,
        /// What keeps it on its old generation.
        pub held: Option<String>,
        /// The cells that it calls.
        pub calls: Vec<String>,
        /// What it said last before it ended by itself.
        pub last_log_lines: Vec<String>,
    }

    /// A line that a cell printed.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    #[protein(crate = ::cell_runtime)]
    pub struct LogLine {
        /// The cell.
        pub cell: String,
        /// `stdout` or `stderr`.
        pub stream: String,
        /// The line, without its end.
        pub line: String,
    }

    /// Events, in the order in which things happened.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    #[protein(crate = ::cell_runtime)]
    pub struct Events {
        /// What to ask for next.
        pub next: u64,
        /// Each a JSON object, as `--ui json` prints them.
        pub events: Vec<String>,
    }

    /// What became of cells that were to run.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    #[protein(crate = ::cell_runtime)]
    pub struct Started {
        /// Those that serve.
        pub serving: Vec<String>,
        /// Those that do not.
        pub failed: Vec<String>,
    }

    /// Something that was asked for cannot be done.
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    #[protein(crate = ::cell_runtime)]
    pub struct Refused {
        /// Why.
        pub why: String,
    }

    /// Every cell's state.
    #[cell::handler]
    async fn status(state: cell::State<Loop>) -> Result<Status, Refused> {
        let mut answers = state.all(json!({"ask": "status"})).await?;
        let answer = answers.pop().unwrap_or(Value::Null);
        let cells = answer["cells"].as_array().into_iter().flatten();
        Ok(Status {
            pid: answer["pid"]
                .as_u64()
                .and_then(|pid| u32::try_from(pid).ok())
                .unwrap_or_default(),
            root: text(&answer["root"]),
            run: text(&answer["run"]),
            building: answer["building"].as_u64(),
            cells: cells
                .map(|cell| cell_state(cell, &answer["held"]))
                .collect(),
        })
    }

    /// Starts cells that do not run, all where none is named, and waits until they serve or cannot.
    #[cell::handler]
    async fn up(state: cell::State<Loop>, cells: Vec<String>) -> Result<Started, Refused> {
        let request = json!({"ask": "up", "cells": cells, "past": false});
        let answer = state.first(request, "up").await?;
        Ok(Started {
            serving: list(&answer["serving"]),
            failed: list(&answer["failed"]),
        })
    }

    /// Gives cells, all where none is named, a new generation of the same binary; answers with those that have one.
    #[cell::handler]
    async fn restart(state: cell::State<Loop>, cells: Vec<String>) -> Result<Vec<String>, Refused> {
        let answers = state.all(json!({"ask": "restart", "cells": cells})).await?;
        Ok(answers
            .iter()
            .filter_map(|answer| maybe(&answer["restarted"]))
            .collect())
    }

    /// Stops cells until somebody calls or restarts them; answers with those whose processes are gone.
    #[cell::handler]
    async fn stop(state: cell::State<Loop>, cells: Vec<String>) -> Result<Vec<String>, Refused> {
        let answers = state.all(json!({"ask": "stop", "cells": cells})).await?;
        Ok(answers
            .iter()
            .filter_map(|answer| maybe(&answer["stopped"]))
            .collect())
    }

    /// Builds again, although nothing changed.
    #[cell::handler]
    async fn rebuild(state: cell::State<Loop>) -> Result<bool, Refused> {
        let answers = state.all(json!({"ask": "rebuild"})).await?;
        Ok(!answers.is_empty())
    }

    /// The last lines of cells, of all where none is named.
    #[cell::handler]
    async fn logs(
        state: cell::State<Loop>,
        cells: Vec<String>,
        lines: u32,
    ) -> Result<Vec<LogLine>, Refused> {
        let request = json!({"ask": "logs", "cells": cells, "lines": lines, "follow": false});
        let answers = state.all(request).await?;
        let lines = answers
            .iter()
            .flat_map(|answer| answer["lines"].as_array().into_iter().flatten());
        Ok(lines
            .map(|line| LogLine {
                cell: text(&line["cell"]),
                stream: text(&line["stream"]),
                line: text(&line["line"]),
            })
            .collect())
    }

    /// What happened after the event of this number, 0 for all that is still known; waits for the next where nothing did.
    #[cell::handler]
    async fn events(state: cell::State<Loop>, after: u64) -> Result<Events, Refused> {
        let mut received = (state.ask)(json!({"ask": "events", "past": true, "after": after}));
        let mut events = Events {
            next: after,
            events: Vec::new(),
        };
        // The caller's deadline ends the wait: then there is nothing to say.
        while let Some(answer) = received.recv().await {
            let list = answer["events"].as_array().into_iter().flatten();
            events.events.extend(list.map(Value::to_string));
            events.next = answer["number"].as_u64().unwrap_or(events.next);
            if !events.events.is_empty() {
                break;
            }
        }
        Ok(events)
    }

    /// Stops every cell and the supervisor; answers once that has begun.
    #[cell::handler]
    async fn down(state: cell::State<Loop>) -> bool {
        // The answer to this request is its end.
        drop((state.ask)(json!({"ask": "down"})));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_reads_as_its_status() {
        let cell = json!({"name": "a", "package": "p", "state": "backoff", "health": "failing", "restarts": 2,
            "again_ms": 400, "fingerprint": "0x1", "reason": "exited with code 1", "calls": ["b"], "last_log_lines": ["no"]});
        let state = cell_state(&cell, &json!({"a": "`b`: mismatched types"}));
        assert_eq!(
            (state.name.as_str(), state.again_ms, state.pid),
            ("a", Some(400), None)
        );
        assert_eq!(state.held.as_deref(), Some("`b`: mismatched types"));
        assert_eq!(
            (state.calls, state.last_log_lines),
            (vec!["b".to_owned()], vec!["no".to_owned()])
        );
    }
}
