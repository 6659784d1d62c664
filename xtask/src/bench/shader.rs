//! `cargo xtask bench shader`: from the save of a shader to its cell's answer, and what broken shaders do.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::session::Session;
use crate::shell::{self, Scratch};
use crate::tools;

#[derive(clap::Args)]
pub struct Args {
    /// How many saves
    #[arg(long, default_value_t = 500)]
    saves: usize,
    /// How many broken shaders are saved after that
    #[arg(long, default_value_t = 100)]
    broken: usize,
}

const SHADER: &str = "button/shaders/heat.wgsl";

/// The cell that holds the shader: it draws nothing, so that the figures are the tool's alone.
const MAIN: &str = r#"use cell_sdk::cell;

#[cell::service]
mod button_service {
    use cell_sdk::cell;

    /// The version and the length of the text that it has.
    #[cell::handler]
    async fn get_state(shader: cell::State<cell::Shader>) -> (u64, String) {
        let now = shader.source();
        (now.version(), now.text().to_owned())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let shader = cell::shader!("shaders/heat.wgsl", "shaders/colours.wgsl");
    cell::serve_local(button_service::handlers().state(shader)).await
}
"#;

/// Runs the benchmark.
pub fn run(args: &Args) -> Result<()> {
    tools::ensure_bwrap();
    let tool = shell::build_fast_tool()?;
    let scratch = Scratch::new("cell-bench")?;
    let workspace = scratch.path().join("w");
    let home = scratch.path().join("h");
    let mut create = shell::command(&tool);
    create.args(["new", "--template", "hello"]).arg(&workspace);
    shell::run(create.env("CELL_HOME", &home))?;
    let shaders = shell::root().join("templates/shader/heat/shaders");
    std::fs::create_dir_all(workspace.join("button/shaders"))?;
    for name in ["heat.wgsl", "colours.wgsl"] {
        std::fs::copy(
            shaders.join(name),
            workspace.join("button/shaders").join(name),
        )?;
    }
    std::fs::remove_dir_all(workspace.join("panel"))?;
    let manifest = shell::read(&workspace.join("Cargo.toml"))?;
    let alone = manifest.replace(", \"panel\"", "");
    shell::write(&workspace.join("Cargo.toml"), &alone)?;
    shell::write(&workspace.join("button/src/main.rs"), MAIN)?;

    let target = scratch.path().join("t");
    let mut session = Session::start(&tool, &workspace, &home, &target)?;
    session.until(|event| (event["reason"] == "shader-applied").then_some(()))?;
    let before = session.serving()?;
    let shader = workspace.join(SHADER);
    let good = shell::read(&shader)?;
    let mut figures = Figures::default();
    // The first save warms both sides up and does not count.
    for save in 0..=args.saves {
        let text = format!("{good}// {save}\n");
        let started = Instant::now();
        shell::write(&shader, &text)?;
        let written = Instant::now();
        let applied = session.until(|event| {
            let ends = event["reason"] == "shader-applied" || event["reason"] == "shader-rejected";
            ends.then(|| (event.clone(), Instant::now()))
        })?;
        let (event, at) = applied;
        ensure!(
            event["reason"] == "shader-applied",
            "a good shader is refused: {event}"
        );
        if save > 0 {
            figures
                .whole
                .push(at.duration_since(written).as_secs_f64() * 1000.0);
            figures
                .with_write
                .push(at.duration_since(started).as_secs_f64() * 1000.0);
            figures.own.push(event["ms"].as_f64().context("a time")?);
        }
    }
    let (version, text) = held(&session)?;
    ensure!(
        text.contains(&format!("// {}\n", args.saves)),
        "the last save is not what is held"
    );
    let mut random = Random(1);
    let (mut rejected, mut taken) = (0, 0);
    for _ in 0..args.broken {
        shell::write(&shader, &mutated(&good, &mut random))?;
        let end = session.until(|event| {
            let ends = event["reason"] == "shader-applied" || event["reason"] == "shader-rejected";
            ends.then(|| event.clone())
        })?;
        match end["reason"] == "shader-rejected" {
            true => rejected += 1,
            false => taken += 1,
        }
    }
    let (last, _) = held(&session)?;
    ensure!(
        last >= version,
        "a cell fell back from version {version} to {last}"
    );
    ensure!(session.serving()? == before, "a shader restarted a cell");
    session.down()?;
    figures.report(args.saves);
    println!(
        "{} mutated shaders: {rejected} rejected, {taken} valid and taken; 0 crashes, same process, last good kept",
        args.broken
    );
    Ok(())
}

fn held(session: &Session) -> Result<(u64, String)> {
    let held: Value = serde_json::from_str(&session.call("button_service", "get_state", &[])?)?;
    let version = held[0].as_u64().context("a version")?;
    Ok((version, held[1].as_str().context("a text")?.to_owned()))
}

/// Bytes changed, removed, doubled: what a hand or a half-written file does. Never what was there before.
fn mutated(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1));
        let end = (at + 1 + random.below(20)).min(bytes.len());
        match random.below(4) {
            0 => bytes.truncate(at.max(1)),
            1 => drop(bytes.drain(at.min(end)..end)),
            2 => bytes[at] = b" (){};:,.<>+-*/=a0\n"[random.below(19)],
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
        if bytes.len() < 2 {
            break;
        }
    }
    // A number of its own: a save that changes nothing is none.
    format!("{}// {}\n", String::from_utf8_lossy(&bytes), random.next())
}

/// Marsaglia's xorshift: the same shaders in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[derive(Default)]
struct Figures {
    whole: Vec<f64>,
    with_write: Vec<f64>,
    own: Vec<f64>,
}

impl Figures {
    fn report(self, saves: usize) {
        println!("\n{saves} saves of a shader with one import, one warm-up save not counted");
        println!("{:<40} {:>8} {:>8} {:>8}", "ms", "p50", "p99", "most");
        let rows = [
            ("written -> acknowledged, seen outside", self.whole),
            ("  with the writing itself", self.with_write),
            ("the tool's own clock, from the mtime", self.own),
        ];
        for (name, mut figures) in rows {
            figures.sort_by(f64::total_cmp);
            let last = figures.len().saturating_sub(1);
            let at = |share: usize| figures.get(last * share / 100).copied().unwrap_or(f64::NAN);
            println!(
                "{name:<40} {:>8.1} {:>8.1} {:>8.1}",
                at(50),
                at(99),
                at(100)
            );
        }
    }
}
