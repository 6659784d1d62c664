//! `cargo xtask bench scale`: sixty cells in a graph of five levels, sandboxed: how long `up` takes when everything is built,
//! what the supervisor uses while nothing happens, and while one of them floods its log.
//!
//! Beside it, in the same run, what nobody can avoid: cargo finding that nothing is to be built, and as many starts of an
//! empty sandbox.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::edits::build;
use super::flood;
use crate::shell::{self, Scratch};
use crate::tools;

#[derive(clap::Args)]
pub struct Args {
    /// How often everything is started
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds without anything to do
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Cells in each of the five levels
    #[arg(long, default_value_t = 12)]
    width: usize,
}

const LEVELS: usize = 5;
/// What we aim at: seconds until all are ready, share of a core at rest, bytes of the supervisor.
const GOALS: (f64, f64, f64) = (3.0, 0.005, 40e6);

pub(super) struct Bench {
    tool: PathBuf,
    workspace: PathBuf,
    home: PathBuf,
    target: PathBuf,
}

impl Bench {
    pub(super) fn tool(&self, args: &[&str]) -> Command {
        let mut command = shell::command(&self.tool);
        command
            .args(args)
            .current_dir(&self.workspace)
            .env("CELL_HOME", &self.home)
            .env("CARGO_TARGET_DIR", &self.target);
        command
    }

    fn quiet(&self, args: &[&str]) -> Result<bool> {
        let mut command = self.tool(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status()?.success())
    }

    fn status(&self) -> Result<Value> {
        let output = shell::output(&mut self.tool(&["status", "--json"]))?;
        Ok(serde_json::from_str(&output)?)
    }
}

/// Stops everything, whatever happened.
struct Down<'a>(&'a Bench);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let _ = self.0.quiet(&["down"]);
    }
}

/// Runs the benchmark.
pub fn run(args: &Args) -> Result<()> {
    tools::ensure_bwrap();
    ensure!(args.width > 0 && args.rounds > 0, "there is nothing to do");
    let scratch = Scratch::new("cell-scale")?;
    let bench = Bench {
        tool: shell::build_fast_tool()?,
        workspace: scratch.path().join("w"),
        home: scratch.path().join("home"),
        target: scratch.path().join("target"),
    };
    prepare(&bench, args.width)?;
    let _down = Down(&bench);
    let cells = args.width * LEVELS;
    let (mut ups, mut cargos, mut boxes) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms up and does not count.
    for round in 0..=args.rounds {
        let up = timed(|| match bench.quiet(&["up", "--sandbox", "bwrap"])? {
            true => Ok(()),
            false => bail!("`up` failed"),
        })?;
        let serving = serving(&bench.status()?);
        ensure!(serving == cells, "{serving} of {cells} cells serve");
        if round < args.rounds {
            ensure!(bench.quiet(&["down"])?, "`down` failed");
        }
        let cargo = timed(|| build(&bench.workspace, &bench.target))?;
        let empty = timed(|| empty_sandboxes(cells))?;
        if round > 0 {
            ups.push(up);
            cargos.push(cargo);
            boxes.push(empty);
        }
    }
    println!("\n{cells} cells in {LEVELS} levels, {} rounds", args.rounds);
    let row = |what: &str, mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{what:<52} {median:>7.2} s median, {most:.2} s at most");
        median
    };
    let up = row("up, everything built, until all are ready", ups);
    let cargo = row("  of it: cargo finds nothing to build", cargos);
    let empty = row(
        &format!("  beside it: {cells} empty sandboxes, two at a time"),
        boxes,
    );
    println!(
        "  up is {:.2}x of these two together, {:.2}x of the goal of {} s",
        up / (cargo + empty),
        up / GOALS.0,
        GOALS.0
    );
    at_rest(&bench, args.idle)
}

/// What is used while nothing happens.
fn at_rest(bench: &Bench, seconds: u64) -> Result<()> {
    let status = bench.status()?;
    let supervisor = status["pid"].as_u64().context("it has a pid")?;
    let cells: Vec<u64> = status["cells"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|cell| cell["pid"].as_u64())
        .collect();
    let used = || -> Result<(f64, f64)> {
        let of_cells = cells
            .iter()
            .map(|pid| seconds_used(*pid))
            .sum::<Result<f64>>()?;
        Ok((seconds_used(supervisor)?, of_cells))
    };
    // What starting left to do is done.
    std::thread::sleep(Duration::from_secs(2));
    let (before, started) = (used()?, Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, passed) = (used()?, started.elapsed().as_secs_f64());
    let share = (after.0 - before.0) / passed;
    println!(
        "supervisor at rest for {seconds} s: {:.3} % of a core, {:.2}x of the goal of {} %",
        share * 100.0,
        share / GOALS.1,
        GOALS.1 * 100.0
    );
    println!(
        "all cells at rest: {:.3} % of a core",
        (after.1 - before.1) / passed * 100.0
    );
    let resident = resident(supervisor)?;
    println!(
        "supervisor's resident memory: {:.1} MB, {:.2}x of the goal of {} MB",
        resident / 1e6,
        resident / GOALS.2,
        GOALS.2 / 1e6
    );
    flood::run(bench, &name(0, 0), &name(1, 0), supervisor)
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

fn serving(status: &Value) -> usize {
    let cells = status["cells"].as_array().into_iter().flatten();
    cells.filter(|cell| cell["state"] == "ready").count()
}

/// Processor time of a process, in seconds: fields 14 and 15 of proc_pid_stat(5), in hundredths.
pub(super) fn seconds_used(pid: u64) -> Result<f64> {
    let stat = shell::read(Path::new(&format!("/proc/{pid}/stat")))?;
    let rest = stat.rsplit(')').next().context("a name in parentheses")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("a field")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

pub(super) fn resident(pid: u64) -> Result<f64> {
    let status = shell::read(Path::new(&format!("/proc/{pid}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("it has memory")?.parse::<f64>()? * 1024.0)
}

/// As many empty sandboxes as there are cells, two at a time.
fn empty_sandboxes(count: usize) -> Result<()> {
    let one = || -> Result<()> {
        let mut bwrap = shell::command("bwrap");
        bwrap.args([
            "--unshare-all",
            "--ro-bind",
            "/",
            "/",
            "--dev",
            "/dev",
            "--proc",
            "/proc",
        ]);
        let status = bwrap.arg("true").status()?;
        ensure!(status.success(), "an empty sandbox fails");
        Ok(())
    };
    std::thread::scope(|scope| {
        let halves = [count / 2, count - count / 2];
        let threads = halves.map(|half| scope.spawn(move || (0..half).try_for_each(|_| one())));
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })
}

/// Writes the workspace and builds it.
fn prepare(bench: &Bench, width: usize) -> Result<()> {
    let mut new = shell::command(&bench.tool);
    new.args(["new", "--template", "hello"])
        .arg(&bench.workspace)
        .env("CELL_HOME", &bench.home);
    shell::run(&mut new)?;
    for old in ["button", "panel", "schema"] {
        let _ = std::fs::remove_dir_all(bench.workspace.join(old));
    }
    let members: Vec<String> = (0..LEVELS)
        .flat_map(|level| (0..width).map(move |at| name(level, at)))
        .collect();
    let manifest = bench.workspace.join("Cargo.toml");
    let text = shell::read(&manifest)?;
    let listed = format!("members = {members:?}");
    shell::write(
        &manifest,
        &text.replace("members = [\"button\", \"panel\"]", &listed),
    )?;
    for level in 0..LEVELS {
        for at in 0..width {
            let folder = bench.workspace.join(name(level, at));
            std::fs::create_dir_all(folder.join("src"))?;
            let package = format!(
                "[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\nanyhow.workspace = true\ncell-sdk.workspace = true\ntokio.workspace = true\n",
                name(level, at)
            );
            shell::write(&folder.join("Cargo.toml"), &package)?;
            shell::write(&folder.join("src/main.rs"), &source(level, at, width))?;
        }
    }
    eprintln!(
        "building {} cells; level by level, since each needs its callees' bindings",
        members.len()
    );
    // A build writes the bindings of what has compiled: the next one can build those who call it.
    for _ in 0..=LEVELS {
        if bench.quiet(&["build"])? {
            return Ok(());
        }
    }
    shell::run(&mut bench.tool(&["build"]))
}

fn name(level: usize, at: usize) -> String {
    format!("cell_{level}_{at:02}")
}

/// A cell that calls two of the level below.
fn source(level: usize, at: usize, width: usize) -> String {
    let callees = match level {
        0 => Vec::new(),
        _ => vec![name(level - 1, at), name(level - 1, (at + 1) % width)],
    };
    let mut text = "use cell_sdk::cell;\n\n".to_owned();
    let mut sum = "n".to_owned();
    for callee in &callees {
        let _ = writeln!(text, "cell::client!(\"{callee}\");");
        let _ = write!(sum, " + crate::{callee}::ping(n).await.unwrap_or(0)");
    }
    let more = match (level, at, &callees[..]) {
        (0, 0, _) => flood::FLOODS.to_owned(),
        (1, 0, [flooding, other]) => flood::PROBES
            .replace("FLOODING", flooding)
            .replace("OTHER", other),
        _ => String::new(),
    };
    let name = name(level, at);
    let _ = write!(
        text,
        "\n#[cell::service]\nmod {name} {{\n    use cell_sdk::cell;\n\n    #[cell::handler]\n    async fn ping(n: u64) -> u64 {{\n        {sum}\n    }}\n{more}}}\n\n#[tokio::main(flavor = \"current_thread\")]\nasync fn main() -> anyhow::Result<()> {{\n    cell::serve_local({name}::handlers()).await\n}}\n"
    );
    text
}
