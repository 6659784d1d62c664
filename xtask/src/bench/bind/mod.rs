//! `cargo xtask bench bind`: what bindings of a service of many types cost: writing them, and deriving them.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

mod types;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::shell::{self, Scratch};

#[derive(clap::Args)]
pub struct Args {
    /// How many types the service has
    #[arg(long, default_value_t = 200)]
    types: usize,
    /// How often everything is measured
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// The languages to bind
    #[arg(long, default_value = "go,python,typescript")]
    lang: String,
}

const CELL: &str = "many_types";
/// What DESIGN allows: for all languages together, and for what deriving adds to `cargo check`.
const BIND_MS_MAX: f64 = 150.0;
const DERIVE_MS_MAX: f64 = 50.0;

/// Runs the benchmark.
pub fn run(args: &Args) -> Result<()> {
    let tool = shell::build_fast_tool()?;
    let scratch = Scratch::new("cell-bench-bind")?;
    let bench = Bench {
        tool,
        workspace: scratch.path().join("w"),
        home: scratch.path().join("home"),
        target: shell::target_dir().join("bench/bind"),
    };
    bench.create(args.types)?;
    bench.cell(&["build", "--offline"])?;
    println!("\n{} types, {} rounds; ms", args.types, args.rounds);
    println!("{:<52} {:>8} {:>8} {:>8}", "", "median", "p90", "CPU");
    bench.binding(&args.lang, args.rounds)?;
    bench.checking(args.rounds)
}

struct Bench {
    tool: PathBuf,
    workspace: PathBuf,
    home: PathBuf,
    target: PathBuf,
}

impl Bench {
    /// A workspace with the service, and a package with the same types and rkyv's own derives.
    fn create(&self, types: usize) -> Result<()> {
        let root = shell::root();
        let manifest = shell::read(&root.join("Cargo.toml"))?;
        let line = |name: &str| {
            let mut lines = manifest.lines();
            lines
                .find(|line| line.starts_with(&format!("{name} = ")))
                .map(str::to_owned)
                .with_context(|| format!("the workspace does not name {name}"))
        };
        let runtime = root.join("cell-runtime");
        let files = [
            (
                "Cargo.toml",
                "[workspace]\nresolver = \"3\"\nmembers = [\"protein\", \"plain\"]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n"
                    .to_owned(),
            ),
            (
                "protein/Cargo.toml",
                format!(
                    "{}cell-sdk = {{ package = \"cell-runtime\", path = {runtime:?} }}\n{}\n",
                    package("protein"),
                    "tokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }"
                ),
            ),
            ("protein/src/main.rs", types::service(CELL, types)),
            (
                "plain/Cargo.toml",
                format!("{}{}\n", package("plain"), line("rkyv")?),
            ),
            ("plain/src/main.rs", types::plain(types)),
            ("app/go.mod", "module example.com/app\n\ngo 1.21\n".to_owned()),
        ];
        for (path, text) in files {
            let path = self.workspace.join(path);
            let folder = path.parent().unwrap_or(&self.workspace);
            std::fs::create_dir_all(folder)?;
            shell::write(&path, &text)?;
        }
        // The same versions as the project's: nothing is fetched.
        std::fs::copy(root.join("Cargo.lock"), self.workspace.join("Cargo.lock"))?;
        Ok(())
    }

    /// Runs the tool in the workspace and gives its events.
    fn cell(&self, args: &[&str]) -> Result<Vec<Value>> {
        let mut command = shell::command(&self.tool);
        command
            .current_dir(&self.workspace)
            .args(["--ui", "json"])
            .args(args)
            .env("CELL_HOME", &self.home)
            .env("CARGO_TARGET_DIR", &self.target);
        let said = shell::output(&mut command)?;
        let events = said.lines().map(serde_json::from_str);
        Ok(events.collect::<Result<_, _>>()?)
    }

    /// All languages into one folder, empty at first, then as it must be.
    fn binding(&self, lang: &str, rounds: usize) -> Result<()> {
        let out = self.workspace.join("app/clients");
        let bind = || -> Result<(Cost, u64)> {
            let clock = Clock::start();
            let events = self.cell(&["bind", "--lang", lang, "--out", "app/clients", CELL])?;
            let took = clock.stop();
            let written = events.iter().filter_map(|event| event["written"].as_u64());
            Ok((took, written.sum()))
        };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut files = 0;
        // The first round warms the caches of files up and does not count.
        for round in 0..=rounds {
            if out.exists() {
                std::fs::remove_dir_all(&out)?;
            }
            let (wrote, written) = bind()?;
            let (kept, again) = bind()?;
            ensure!(written > 0, "the first run writes nothing");
            ensure!(again == 0, "the second run writes {again} files");
            files = written;
            if round > 0 {
                first.push(wrote);
                second.push(kept);
            }
        }
        let first = row(&format!("bind {lang}: {files} files written"), &first);
        row("bind again: 0 files written", &second);
        verdict("bind", first.0, BIND_MS_MAX);
        Ok(())
    }

    /// `cargo check` of the service beside that of the plain types, after an edit of each.
    fn checking(&self, rounds: usize) -> Result<()> {
        let check = |package: &str, incremental: &str, edit: usize| -> Result<Cost> {
            let source = self.workspace.join(package).join("src/main.rs");
            let text = shell::read(&source)?;
            let code = text.split("// edit ").next().unwrap_or(&text);
            shell::write(&source, &format!("{code}// edit {edit}\n"))?;
            let mut cargo = shell::cargo();
            cargo
                .current_dir(&self.workspace)
                .args(["check", "--quiet", "--offline", "--package", package])
                .env("CARGO_INCREMENTAL", incremental)
                .env("CARGO_TARGET_DIR", self.target.join(incremental));
            let clock = Clock::start();
            shell::output(&mut cargo)?;
            Ok(clock.stop())
        };
        for (incremental, what) in [("1", "incremental"), ("0", "from scratch")] {
            let (mut protein, mut plain) = (Vec::new(), Vec::new());
            for round in 0..=rounds {
                let (one, other) = (
                    check("protein", incremental, round)?,
                    check("plain", incremental, round)?,
                );
                if round > 0 {
                    protein.push(one);
                    plain.push(other);
                }
            }
            let with = row(
                &format!("cargo check, {what}: derive(Protein) and service"),
                &protein,
            );
            let without = row(&format!("cargo check, {what}: rkyv's own derives"), &plain);
            verdict(
                &format!("deriving adds, {what}, CPU"),
                with.1 - without.1,
                DERIVE_MS_MAX,
            );
        }
        Ok(())
    }
}

fn package(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n"
    )
}

/// What a command took: on the wall, and of the processors, which a busy machine changes less.
struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// Runs while a command does.
struct Clock {
    started: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Clock {
            started: Instant::now(),
            cpu: cpu_of_children(),
        }
    }

    fn stop(self) -> Cost {
        Cost {
            wall: self.started.elapsed(),
            cpu: cpu_of_children().saturating_sub(self.cpu),
        }
    }
}

/// The time that processors have spent on the commands that are over.
fn cpu_of_children() -> Duration {
    // SAFETY: all zeros is a usage, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let time = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let micros = u64::try_from(time.tv_usec).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Prints a row and gives its medians, on the wall and of the processors.
fn row(name: &str, costs: &[Cost]) -> (f64, f64) {
    let at = |share: usize, of: &dyn Fn(&Cost) -> Duration| {
        let mut times: Vec<Duration> = costs.iter().map(of).collect();
        times.sort();
        let time = times.get(times.len() * share / 100).copied();
        time.unwrap_or_default().as_secs_f64() * 1000.0
    };
    let (wall, late) = (at(50, &|cost| cost.wall), at(90, &|cost| cost.wall));
    let cpu = at(50, &|cost| cost.cpu);
    println!("{name:<52} {wall:>8.1} {late:>8.1} {cpu:>8.1}");
    (wall, cpu)
}

fn verdict(what: &str, figure: f64, max: f64) {
    let word = if figure <= max { "within" } else { "MORE THAN" };
    println!("  {what}: {figure:.1} ms, {word} {max:.0} ms");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let cost = |ms| Cost {
            wall: Duration::from_millis(ms),
            cpu: Duration::ZERO,
        };
        assert!((row("", &[3, 1, 2].map(cost)).0 - 2.0).abs() < 0.001);
    }
}
