//! `cargo cell status`

use serde_json::{Value, json};

use crate::cli::Context;
use crate::error::Result;

/// Show the cells that run
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (workspace, dirs) = super::place(context)?;
    let answer = super::status_of(&dirs.run)?.unwrap_or_else(
        || json!({"running": false, "root": workspace.root.display().to_string(), "cells": []}),
    );
    if args.json || context.reporter.is_json() {
        context.reporter.result(&answer.to_string());
    } else {
        context.reporter.result(&table(&answer));
    }
    Ok(())
}

fn table(answer: &Value) -> String {
    if answer["running"] != true {
        return "nothing runs in this workspace; start it with `cargo cell dev` or `up`".to_owned();
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let heading = [
        "CELL",
        "STATE",
        "HEALTH",
        "PID",
        "GENERATION",
        "SANDBOX",
        "FINGERPRINT",
        "",
    ]
    .map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    for cell in answer["cells"].as_array().into_iter().flatten() {
        let held = answer["held"][text(&cell["name"])]
            .as_str()
            .map(|why| format!("held: {why}"));
        let door = &answer["remote"][text(&cell["name"])];
        let door = door["address"]
            .as_str()
            .map(|address| match door["reason"].as_str() {
                None => format!("open to the network at {address}"),
                Some(why) => format!("not open at {address}: {why}"),
            });
        let why = cell["reason"].as_str().map(str::to_owned).or(held);
        let why = why.into_iter().chain(door).collect::<Vec<_>>().join("; ");
        let keys = [
            "name",
            "state",
            "health",
            "pid",
            "generation",
            "sandbox",
            "fingerprint",
        ];
        rows.push(
            keys.iter()
                .map(|key| text(&cell[key]))
                .chain([why])
                .collect(),
        );
    }
    super::aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_says_why() {
        let answer = json!({"running": true, "held": {"a": "`b`: mismatched types"},
            "remote": {"a": {"address": "[::]:1", "open": true, "reason": null}}, "cells": [
            {"name": "a", "state": "serving", "health": "good", "pid": 7, "generation": 1, "sandbox": "bwrap", "fingerprint": "0x1", "reason": null},
            {"name": "long_name", "state": "unavailable", "health": "down", "pid": null, "generation": 0, "sandbox": "none", "fingerprint": "0x2", "reason": "it exits"},
        ]});
        let expected = "\
CELL       STATE        HEALTH  PID  GENERATION  SANDBOX  FINGERPRINT
a          serving      good    7    1           bwrap    0x1          held: `b`: mismatched types; open to the network at [::]:1
long_name  unavailable  down    -    0           none     0x2          it exits";
        assert_eq!(table(&answer), expected);
    }
}
