//! `cargo xtask bench loop`: what the loop adds to the compiler's own time, beside others who build and start again.
//!
//! Each edit is written once for each in one run, one after the other: into a workspace that nobody watches, where `cargo build`
//! alone is timed; into an identical one under `cargo cell dev`; and into one each under watchexec and bacon, which build and
//! run the same cell without a sandbox. The time runs from the write to the first answer of the new code to the same client.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::loop_probe::{Probe, Program, now};
use super::loop_report::{self, Sample, Taken};
use super::loop_rivals::{Rival, Who};
use crate::session::Session;
use crate::shell::{self, Scratch};
use crate::tools;

#[derive(clap::Args)]
pub struct Args {
    /// How many edits
    #[arg(long, default_value_t = 20)]
    edits: u32,
    /// Compare with nobody else: neither watchexec nor bacon is needed
    #[arg(long)]
    alone: bool,
}

const CELLS: usize = 2;
const SOURCE: &str = "button/src/main.rs";
/// The end of the line that is edited.
const BODY: &str = "hover_t: 0.42";

/// Runs the benchmark.
pub fn run(args: &Args) -> Result<()> {
    tools::ensure_bwrap();
    let rivals = match args.alone {
        true => None,
        false => Some(tools::ensure_watchers()),
    };
    let tool = shell::build_fast_tool()?;
    let scratch = Scratch::new("cell-bench")?;
    let place = |name: &str| Place::of(scratch.path(), name);
    let alone = place("alone");
    alone.create(&tool)?;
    build(&alone.workspace, &alone.target)?;
    let probe = Program::build(
        &scratch.path().join("probe"),
        &alone.workspace,
        &alone.target,
    )?;
    let watched = place("watched");
    watched.copy(&tool, &alone)?;
    let mut session = Session::start(&tool, &watched.workspace, &watched.home, &watched.target)?;
    session.until_serving(CELLS, |_| {})?;
    let mut ours = probe.start(&watched.home)?;
    let mut others = Vec::new();
    if let Some(Ok(programs)) = &rivals {
        for who in Who::ALL {
            let place = place(who.name());
            place.copy(&tool, &alone)?;
            let rival = who.start(programs, &place.workspace, &place.home, &place.target)?;
            let mut probe = probe.start(&place.home)?;
            probe.want(BODY.rsplit(' ').next().unwrap_or_default())?;
            probe
                .answered()
                .with_context(|| format!("{} does not start the cell", who.name()))?;
            others.push(Other {
                who,
                place,
                probe,
                _rival: rival,
            });
        }
    }

    let mut samples = Vec::new();
    // The first edit warms everybody up and does not count.
    for edit in 0..=args.edits {
        let value = format!("{}.5", edit + 1);
        let before = write(&alone.workspace, &value)?;
        build(&alone.workspace, &alone.target)?;
        let build = now()?.saturating_sub(before);

        let taken = session.edit(
            "button_service",
            || take(&mut ours, &watched.workspace, &value),
            |_| {},
        )?;
        ensure!(
            taken.failed == 0,
            "{} calls failed during a swap",
            taken.failed
        );
        let timings =
            session.until(|event| (event["reason"] == "timings").then(|| event.clone()))?;
        let mut theirs = Vec::new();
        for other in &mut others {
            let taken = take(&mut other.probe, &other.place.workspace, &value)?;
            theirs.push((other.who.name(), taken));
        }
        if edit > 0 {
            samples.push(Sample {
                build,
                ours: taken,
                theirs,
                timings,
            });
        }
    }
    session.down()?;
    drop(others);
    loop_report::print(&samples);
    if let Some(Err(error)) = rivals {
        bail!("watchexec and bacon were not measured: {error:#}; `--alone` does without them");
    }
    Ok(())
}

/// Somebody who watches, and a client of what it runs.
struct Other {
    who: Who,
    place: Place,
    probe: Probe,
    _rival: Rival,
}

/// A workspace of the template `hello`, and the folders that go with it.
struct Place {
    workspace: PathBuf,
    home: PathBuf,
    target: PathBuf,
}

impl Place {
    fn of(scratch: &Path, name: &str) -> Self {
        let folder = |what: &str| scratch.join(format!("{name}{what}"));
        Place {
            workspace: scratch.join(name),
            home: folder("-home"),
            target: folder("-target"),
        }
    }

    fn create(&self, tool: &Path) -> Result<()> {
        std::fs::create_dir_all(&self.home)?;
        let mut new = shell::command(tool);
        new.args(["new", "--template", "hello"])
            .arg(&self.workspace);
        shell::run(new.env("CELL_HOME", &self.home))
    }

    /// The same workspace again, with what has been built for the first: dependencies are compiled once.
    fn copy(&self, tool: &Path, first: &Place) -> Result<()> {
        self.create(tool)?;
        std::fs::copy(
            first.workspace.join("Cargo.lock"),
            self.workspace.join("Cargo.lock"),
        )?;
        let mut copy = shell::command("cp");
        shell::run(copy.arg("-a").args([&first.target, &self.target]))
    }
}

/// Writes an edit and waits for its answer.
fn take(probe: &mut Probe, workspace: &Path, value: &str) -> Result<Taken> {
    probe.want(value)?;
    let written = write(workspace, value)?;
    let answered = probe.answered()?;
    Ok(Taken {
        whole: answered.at.saturating_sub(written),
        silence: answered.silence,
        failed: answered.failed,
    })
}

/// Lets the handler answer with another value; returns when that was written.
fn write(workspace: &Path, value: &str) -> Result<Duration> {
    let source = workspace.join(SOURCE);
    let text = shell::read(&source)?;
    // The field's type stands above; the value is the last one.
    let start = text
        .rfind("hover_t: ")
        .filter(|_| text.contains("pressed: true"))
        .context("the template has changed")?;
    let end = start
        + text[start..]
            .find(" }")
            .context("the template has changed")?;
    let edited = format!("{}hover_t: {value}{}", &text[..start], &text[end..]);
    shell::write(&source, &edited)?;
    now()
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
