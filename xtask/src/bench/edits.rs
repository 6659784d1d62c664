//! `cargo xtask bench loop`: what the loop adds to the compiler's own time.
//!
//! Each edit is written twice in one run: into a workspace that nobody watches, where `cargo build` alone is timed, and
//! into an identical one under `cargo cell dev`, where the time runs from the write to the first answer of the new code.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::session::Session;
use crate::shell::{self, Scratch};
use crate::tools;

#[derive(clap::Args)]
pub struct Args {
    /// How many edits
    #[arg(long, default_value_t = 20)]
    edits: u32,
}

const CELLS: usize = 2;
const SOURCE: &str = "button/src/main.rs";
const BODY: &str = "hover_t: 0.42";

struct Sample {
    /// Write → the new code answers.
    whole: Duration,
    /// The same edit, `cargo build` alone.
    build: Duration,
    /// Where the loop says that the time went.
    timings: Value,
}

/// Runs the benchmark.
pub fn run(args: &Args) -> Result<()> {
    tools::ensure_bwrap();
    let tool = shell::build_fast_tool()?;
    let scratch = Scratch::new("cell-bench")?;
    let [watched, alone] = ["watched", "alone"].map(|name| scratch.path().join(name));
    for workspace in [&watched, &alone] {
        let mut create = shell::command(&tool);
        shell::run(
            create
                .args(["new", "--template", "hello"])
                .arg(workspace)
                .env("CELL_HOME", scratch.path()),
        )?;
    }
    build(&alone, &scratch.path().join("alone-target"))?;
    let mut session = Session::start(
        &tool,
        &watched,
        scratch.path(),
        &scratch.path().join("watched-target"),
    )?;
    session.until_serving(CELLS, |_| {})?;

    let mut samples = Vec::new();
    // The first edit warms both sides up and does not count.
    for edit in 0..=args.edits {
        let body = format!("hover_t: {}.5", edit + 1);
        let before = write(&alone, &body)?;
        build(&alone, &scratch.path().join("alone-target"))?;
        let build = before.elapsed();

        let started = session.edit("button_service", || write(&watched, &body), |_| {})?;
        let whole = started.elapsed();
        let answer = session.call("button_service", "get_state", &["\"ok\""])?;
        ensure!(
            answer.contains(&format!("{}.5", edit + 1)),
            "the swap is over, but the old code answers: {answer}"
        );
        let timings =
            session.until(|event| (event["reason"] == "timings").then(|| event.clone()))?;
        if edit > 0 {
            samples.push(Sample {
                whole,
                build,
                timings,
            });
        }
    }
    session.down()?;
    report(&samples);
    Ok(())
}

fn write(workspace: &Path, body: &str) -> Result<Instant> {
    let source = workspace.join(SOURCE);
    let text = shell::read(&source)?;
    let start = text
        .find("hover_t: ")
        .filter(|_| text.contains("pressed: true"))
        .context("the template has changed")?;
    // The field's type stands above; the value is the last one.
    let start = text.rfind("hover_t: ").unwrap_or(start);
    let end = start
        + text[start..]
            .find(" }")
            .context("the template has changed")?;
    ensure!(
        text[start..end].len() >= BODY.len() - 2,
        "the template has changed"
    );
    shell::write(
        &source,
        &format!("{}{body}{}", &text[..start], &text[end..]),
    )?;
    Ok(Instant::now())
}

/// What the loop asks of cargo, without the loop.
pub(super) fn build(workspace: &Path, target: &Path) -> Result<()> {
    let mut cargo = shell::cargo();
    cargo
        .current_dir(workspace)
        .args(["build", "--workspace", "--bins", "--keep-going"])
        .env("CARGO_TARGET_DIR", target);
    shell::output(&mut cargo)?;
    Ok(())
}

fn report(samples: &[Sample]) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let timing = |name: &str| -> Vec<f64> {
        let figures = samples.iter().map(|sample| &sample.timings[name]);
        figures
            .map(|figure| figure.as_f64().unwrap_or(f64::NAN))
            .collect()
    };
    let phase = |to: &str, from: &str| -> Vec<f64> {
        timing(to)
            .iter()
            .zip(timing(from))
            .map(|(to, from)| to - from)
            .collect()
    };
    let of = |figure: &dyn Fn(&Sample) -> f64| samples.iter().map(figure).collect();
    let rows: [(&str, Vec<f64>); 10] = [
        ("write -> new code serves", of(&|sample| ms(sample.whole))),
        ("cargo build alone", of(&|sample| ms(sample.build))),
        (
            "the difference",
            of(&|sample| ms(sample.whole) - ms(sample.build)),
        ),
        ("the loop's own clock: overhead", timing("overhead_ms")),
        ("  write seen", timing("write_to_seen_ms")),
        ("  settled and compared", timing("decided_ms")),
        ("  cargo spawned", phase("cargo_spawned_ms", "decided_ms")),
        ("  cargo", phase("cargo_done_ms", "cargo_spawned_ms")),
        (
            "  binaries and schemas",
            phase("schema_done_ms", "cargo_done_ms"),
        ),
        ("  swap", phase("swap_done_ms", "schema_done_ms")),
    ];
    println!(
        "\n{} edits of the button's handler, one warm-up edit not counted",
        samples.len()
    );
    println!("{:<34} {:>10} {:>10}", "ms", "median", "p90");
    for (name, mut figures) in rows {
        figures.sort_by(f64::total_cmp);
        let at = |share: usize| {
            figures
                .get(figures.len() * share / 100)
                .copied()
                .unwrap_or(f64::NAN)
        };
        println!("{name:<34} {:>10.1} {:>10.1}", at(50), at(90));
    }
}
