//! `cargo cell top`
#![expect(
    clippy::disallowed_methods,
    reason = "this command measures over time and draws on the terminal"
)]

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Context;
use crate::dev::control::{Request, ask};
use crate::error::Result;
use crate::usage::{Meter, Usage, bytes, micros};

/// The version of the JSON form.
const VERSION: u32 = 1;
/// How long cells may take to say how many calls they have answered.
const PATIENCE: Duration = Duration::from_millis(300);

/// Show what the cells use: processor, memory, calls a second
///
/// Processor in percent of one core, resident memory, calls answered a second and the time that the slowest hundredth of them
/// took at least, each over the last interval. Goes on until Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Measure over one interval and return
    #[arg(long)]
    pub once: bool,
    /// Seconds between two tables, 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = interval)]
    pub interval: f64,
    /// Print a JSON object a table, on a line
    #[arg(long)]
    pub json: bool,
}

fn interval(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds from 0.1 to 3600".to_owned()),
    }
}

/// What a generation has said of its calls.
type Said = (String, u64, u64, Option<u64>);

/// Runs the command; it returns with the workspace, too.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (_, dirs) = super::place(context)?;
    let as_json = args.json || context.reporter.is_json();
    let said = listen(dirs.run.clone());
    let mut meter = Meter::default();
    let mut first = true;
    loop {
        let started = Instant::now();
        let Some(status) = super::status_of(&dirs.run)? else {
            return if first {
                Err(super::nothing_runs())
            } else {
                Ok(())
            };
        };
        let rows = measure(&dirs.run, &status, &mut meter, &said)?;
        // The first measurement is what the second is compared with.
        if !first {
            if as_json {
                context.reporter.result(&object(&rows).to_string());
            } else {
                draw(context, &table(&rows), args.once);
            }
            if args.once || super::nobody_reads() {
                return Ok(());
            }
        }
        first = false;
        let pause = Duration::from_secs_f64(args.interval);
        std::thread::sleep(pause.saturating_sub(started.elapsed()));
    }
}

/// One cell: its row of the status and what it uses.
type Row = (Value, Option<Usage>);

/// Passes on what cells say of their calls.
fn listen(run_dir: PathBuf) -> Receiver<Said> {
    let (sender, said) = channel();
    std::thread::spawn(move || {
        let request = Request::Events {
            past: false,
            after: 0,
        };
        // A loop that is gone is noticed by whoever asks for its status.
        let _ = ask(&run_dir, &request, &mut |answer| {
            let events = answer["events"].as_array().into_iter().flatten();
            let mut calls = events.filter_map(calls);
            calls.all(|said| sender.send(said).is_ok())
        });
    });
    said
}

/// What a `measured` event says.
fn calls(event: &Value) -> Option<Said> {
    if event["what"] != "measured" {
        return None;
    }
    Some((
        event["cell"].as_str()?.to_owned(),
        event["generation"].as_u64()?,
        event["calls"].as_u64()?,
        event["p99_us"].as_u64(),
    ))
}

fn measure(
    run_dir: &std::path::Path,
    status: &Value,
    meter: &mut Meter,
    said: &Receiver<Said>,
) -> Result<Vec<Row>> {
    let cells: Vec<&Value> = status["cells"].as_array().into_iter().flatten().collect();
    let pid = |cell: &Value| cell["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let serving: BTreeMap<&str, u64> = cells
        .iter()
        .filter(|cell| pid(cell).is_some())
        .filter_map(|cell| Some((cell["name"].as_str()?, cell["generation"].as_u64()?)))
        .collect();
    ask(run_dir, &Request::Measure, &mut |_| false)?;
    let until = Instant::now() + PATIENCE;
    let mut heard: BTreeMap<String, (Option<f64>, Option<u64>)> = BTreeMap::new();
    while heard.len() < serving.len() {
        let left = until.saturating_duration_since(Instant::now());
        let Ok((cell, generation, calls, p99_us)) = said.recv_timeout(left) else {
            break;
        };
        if serving.get(cell.as_str()) == Some(&generation) {
            let rate = meter.calls(&cell, generation, calls, Instant::now());
            heard.insert(cell, (rate, p99_us));
        }
    }
    meter.keep(&cells.iter().filter_map(|cell| pid(cell)).collect());
    let now = Instant::now();
    let rows = cells.into_iter().map(|cell| {
        let (calls, p99_us) = cell["name"]
            .as_str()
            .and_then(|name| heard.get(name).copied())
            .unwrap_or_default();
        let used = pid(cell).and_then(|pid| meter.process(pid, now));
        let usage = used.map(|(cpu, memory)| Usage {
            cpu,
            memory,
            calls,
            p99_us,
        });
        (cell.clone(), usage)
    });
    Ok(rows.collect())
}

/// A terminal is drawn anew; anything else gets one table after the other.
fn draw(context: &Context, table: &str, once: bool) {
    if once || !std::io::stdout().is_terminal() {
        return context.reporter.result(table);
    }
    let mut out = std::io::stdout().lock();
    // Erase the screen and go to its corner: ECMA-48, ED and CUP. A terminal that is gone ends the process with a signal.
    let _ = writeln!(out, "\x1b[2J\x1b[H{table}");
    let _ = out.flush();
}

fn table(rows: &[Row]) -> String {
    let heading = [
        "CELL", "STATE", "GEN", "SANDBOX", "CPU", "MEMORY", "CALLS/S", "P99", "RESTARTS",
    ];
    let dash = || "-".to_owned();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => dash(),
        other => other.to_string(),
    };
    let mut lines = vec![heading.map(str::to_owned).to_vec()];
    for (cell, usage) in rows {
        let cpu = |usage: &Usage| format!("{:.1}%", f64::from(usage.cpu) / 10.0);
        let calls = usage.and_then(|usage| usage.calls);
        let p99_us = usage.and_then(|usage| usage.p99_us);
        lines.push(vec![
            text(&cell["name"]),
            text(&cell["state"]),
            text(&cell["generation"]),
            text(&cell["sandbox"]),
            usage.as_ref().map_or_else(dash, cpu),
            usage.map_or_else(dash, |usage| bytes(usage.memory)),
            calls.map_or_else(dash, |calls| format!("{calls:.0}")),
            p99_us.map_or_else(dash, micros),
            text(&cell["restarts"]),
        ]);
    }
    super::aligned(&lines)
}

fn object(rows: &[Row]) -> Value {
    let cells = rows.iter().map(|(cell, usage)| {
        json!({
            "name": cell["name"],
            "state": cell["state"],
            "pid": cell["pid"],
            "generation": cell["generation"],
            "sandbox": cell["sandbox"],
            "restarts": cell["restarts"],
            "cpu": usage.map(|usage| f64::from(usage.cpu) / 1000.0),
            "memory": usage.map(|usage| usage.memory),
            "calls_per_s": usage.and_then(|usage| usage.calls),
            "p99_us": usage.and_then(|usage| usage.p99_us),
        })
    });
    json!({"v": VERSION, "cells": cells.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_is_not_known() {
        let serving = json!({"name": "button", "state": "ready", "generation": 3, "sandbox": "bwrap", "restarts": 1, "pid": 7});
        let idle = json!({"name": "panel", "state": "idle", "generation": null, "sandbox": null, "restarts": 0, "pid": null});
        let usage = Usage {
            cpu: 125,
            memory: 3 << 20,
            calls: Some(1200.0),
            p99_us: Some(85),
        };
        let rows = [(serving, Some(usage)), (idle, None)];
        let expected = "\
CELL    STATE  GEN  SANDBOX  CPU    MEMORY   CALLS/S  P99    RESTARTS
button  ready  3    bwrap    12.5%  3.0 MiB  1200     85 µs  1
panel   idle   -    -        -      -        -        -      0";
        assert_eq!(table(&rows), expected);
        let object = object(&rows);
        assert_eq!(object["cells"][0]["cpu"], 0.125);
        assert_eq!(object["cells"][1]["memory"], Value::Null);
    }

    #[test]
    fn only_measurements_are_heard() {
        let event = json!({"reason": "cell", "what": "measured", "cell": "a", "generation": 1, "calls": 9, "p99_us": null});
        assert_eq!(calls(&event), Some(("a".to_owned(), 1, 9, None)));
        assert_eq!(calls(&json!({"what": "ready", "cell": "a"})), None);
    }
}
