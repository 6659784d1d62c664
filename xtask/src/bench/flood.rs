//! A part of `cargo xtask bench scale`: one of the sixty cells writes 100 MB a second to its log, and a neighbour calls it and
//! another one meanwhile.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::scale::{Bench, resident, seconds_used};
use crate::shell;

/// What is written in a second, in megabytes, and for how many seconds.
const MEGABYTES: u64 = 100;
const SECONDS: u64 = 10;
/// Calls to each of two cells.
const CALLS: u64 = 1000;

/// Handlers of the cell that floods.
pub(super) const FLOODS: &str = r#"
    /// Prints this many megabytes a second for so many seconds; says how many it could print.
    #[cell::handler]
    async fn flood(megabytes: u64, seconds: u64) -> u64 {
        let print = move || {
            use std::io::Write;
            let line = [[b'x'; 99].as_slice(), b"\n"].concat();
            // A hundredth of a second's worth.
            let chunk = line.repeat(megabytes as usize * 100);
            let (mut out, start) = (std::io::stdout().lock(), std::time::Instant::now());
            for at in 0..seconds * 100 {
                let due = std::time::Duration::from_millis(at * 10);
                if start.elapsed() > std::time::Duration::from_secs(seconds) {
                    return at * megabytes / 100;
                }
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                let _ = out.write_all(&chunk);
            }
            seconds * megabytes
        };
        tokio::task::spawn_blocking(print).await.unwrap_or(0)
    }
"#;

/// Handlers of the neighbour; `FLOODING` and `OTHER` are the cells that it calls.
pub(super) const PROBES: &str = r#"
    /// Calls two cells in turn, once each every two milliseconds; microseconds: p50 and p99 of either.
    #[cell::handler]
    async fn probe(calls: u64) -> Vec<u64> {
        let mut times = [Vec::new(), Vec::new()];
        for n in 0..calls {
            let start = std::time::Instant::now();
            let first = crate::FLOODING::ping(n).await;
            let between = start.elapsed();
            let second = crate::OTHER::ping(n).await;
            let whole = start.elapsed();
            // A call that failed counts as a minute.
            let lost = std::time::Duration::from_secs(60);
            times[0].push(if first.is_ok() { between } else { lost });
            times[1].push(if second.is_ok() { whole - between } else { lost });
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let mut answer = Vec::new();
        for times in &mut times {
            times.sort();
            for per_cent in [50, 99] {
                answer.push(times[(times.len() - 1) * per_cent / 100].as_micros() as u64);
            }
        }
        answer
    }
"#;

fn call(bench: &Bench, cell: &str, route: &str, arguments: &[Value]) -> Result<Value> {
    let mut command = bench.tool(&["call", "--deadline-ms", "120000", cell, route]);
    command.args(arguments.iter().map(Value::to_string));
    let answer = shell::output(&mut command)?;
    serde_json::from_str(&answer).with_context(|| format!("`{cell} {route}` answers {answer}"))
}

/// Measures calls without and with the flood, and what the supervisor uses for it.
pub(super) fn run(bench: &Bench, flooding: &str, prober: &str, supervisor: u64) -> Result<()> {
    let quiet = call(bench, prober, "probe", &[json!(CALLS)])?;
    let (used, started) = (seconds_used(supervisor)?, Instant::now());
    let (written, loud) = std::thread::scope(|scope| {
        let arguments = [json!(MEGABYTES), json!(SECONDS)];
        let flood = scope.spawn(move || call(bench, flooding, "flood", &arguments));
        let loud = call(bench, prober, "probe", &[json!(CALLS)]);
        let written = flood.join();
        (written, loud)
    });
    let share = (seconds_used(supervisor)? - used) / started.elapsed().as_secs_f64();
    let written = written.unwrap_or_else(|_| bail!("the flood panicked"))?;
    println!(
        "one cell prints {MEGABYTES} MB/s for {SECONDS} s: {written} MB taken; the supervisor uses {:.1} % of a core, {:.1} MB resident",
        share * 100.0,
        resident(supervisor)? / 1e6
    );
    let loud = loud?;
    for (who, at) in [("it", 0), ("another cell", 2)] {
        println!(
            "  calls to {who}, p50 and p99: {} and {} us without, {} and {} us with",
            quiet[at],
            quiet[at + 1],
            loud[at],
            loud[at + 1]
        );
    }
    Ok(())
}
