//! One cargo process a batch → which cells really changed, and schemas and bindings that agree with them.
//!
//! A batch repeats build → read the binaries' records → write what follows from them, until nothing changes. Only the
//! messages of the last round are shown: an earlier round may only have lacked a binding that was being written.

pub mod binary;
mod bound;
pub mod cargo;
pub mod dep_info;
mod early;
mod follow;
pub mod inspect;
pub mod messages;
mod plan;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cell_runtime::schema::Snapshot;

use crate::error::{Error, Result};
use crate::event::{Diagnostic, Event, Level, Sink};
use crate::watch::OwnWrites;
use crate::workspace::{Cell, Workspace};
use early::Early;
use inspect::Known;
use plan::{Round, failures};

/// Bindings settle in two rounds, three where one is missing, plus one for each further link of a chain of new
/// bindings. More rounds than this mean that something writes against us.
const ROUNDS_MAX: u32 = 8;

/// What a build may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Snapshots, locks and bindings, those in bound folders included: `cargo cell dev`.
    Everything,
    /// Snapshots, locks and the bindings of the workspace's packages; of bound folders the locks: `cargo cell build`.
    Workspace,
    /// Snapshots and locks: `cargo cell lock`.
    LocksOnly,
    /// Nothing: `cargo cell check`.
    Nothing,
}

/// Builds batches and remembers what it knows of binaries between them.
pub struct Builder {
    /// `$CELL_HOME/schema/<hash>` of the workspace.
    schema_dir: PathBuf,
    /// `$CELL_HOME/run/<hash>/bin` of the workspace, where cells are to run.
    bin_dir: Option<PathBuf>,
    /// Arguments for cargo after the fixed ones.
    extra: Vec<String>,
    /// The executable that guards cargo.
    keeper: PathBuf,
    known: HashMap<PathBuf, Known>,
    /// Told of every file before it is written.
    own: Arc<OwnWrites>,
    /// What the bound folders followed from when they were regenerated last.
    seen: Option<bound::Seen>,
}

/// The outcome of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The cells that are up to date, by package.
    pub built: BTreeMap<String, Built>,
    /// The cells that did not compile, by package, with the reason.
    pub failed: BTreeMap<String, String>,
    /// The names of the snapshots that are committed.
    pub committed: BTreeSet<String>,
    /// Everything compiled.
    pub success: bool,
    /// Files that were written, with their bytes: the watch must not take them for edits.
    pub written: Vec<(PathBuf, Vec<u8>)>,
    /// The files that the binaries are made of.
    pub sources: BTreeSet<PathBuf>,
    /// The same for each cell, by name.
    pub made_of: BTreeMap<String, BTreeSet<PathBuf>>,
    /// When the first cargo process was spawned and when the last was done.
    pub span: Option<cargo::Span>,
    /// The time in cargo, all rounds.
    pub in_cargo: std::time::Duration,
    /// How many times cargo ran.
    pub rounds: u32,
    /// What the build has to say: the messages of its last round, errors first, and its end.
    pub report: Vec<Event>,
    /// Files that differ from what a build would write, and how.
    pub differences: Vec<(String, String)>,
    /// Files of bound folders that differ from what `bind` would write, and how.
    pub bound_differences: Vec<(String, String)>,
    /// What went wrong with bound folders, each on its own.
    pub trouble: Vec<Error>,
}

/// A cell that is up to date.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The cell's name: its service's, or else its package's.
    pub name: String,
    /// The package's name.
    pub package: String,
    /// The private copy of the binary.
    pub binary: PathBuf,
    /// The hash of what is loaded.
    pub hash: String,
    /// The fingerprint of its service, or 0.
    pub fingerprint: u64,
    /// The schema of its service, if it has one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The cells that it calls.
    pub calls: BTreeSet<String>,
}

impl Builder {
    /// A builder that keeps schemas, and private copies of binaries where there is a folder for them.
    #[must_use]
    pub fn new(
        schema_dir: PathBuf,
        bin_dir: Option<PathBuf>,
        extra: Vec<String>,
        keeper: PathBuf,
    ) -> Self {
        Builder {
            schema_dir,
            bin_dir,
            extra,
            keeper,
            known: HashMap::new(),
            own: Arc::default(),
            seen: None,
        }
    }

    /// Builds the workspace until its bindings agree with its cells.
    pub async fn batch(
        &mut self,
        workspace: &Workspace,
        number: u64,
        writes: Writes,
        sink: &Sink,
    ) -> Result<Batch> {
        self.batch_beside(workspace, number, writes, sink, &|| ())
            .await
    }

    /// The same; `beside` is called in each round when cargo runs: for what can be done meanwhile, and must not delay it.
    pub async fn batch_beside(
        &mut self,
        workspace: &Workspace,
        number: u64,
        writes: Writes,
        sink: &Sink,
        beside: &(dyn Fn() + Sync),
    ) -> Result<Batch> {
        let job = cargo::Job {
            root: workspace.root.clone(),
            extra: self.extra.clone(),
            keeper: self.keeper.clone(),
        };
        let mut batch = Batch::default();
        loop {
            batch.rounds += 1;
            sink.send(Event::BuildStarted {
                batch: number,
                round: batch.rounds,
            });
            let early = Early::start(self.bin_dir.clone());
            let linked = |binary: &_| early.linked(workspace, binary, &self.known);
            let (said, span) = cargo::run(&job, sink, beside, &linked).await?;
            self.known.extend(early.finish().await);
            batch.in_cargo += span.done - span.spawned;
            batch.span = Some(cargo::Span {
                spawned: batch.span.map_or(span.spawned, |first| first.spawned),
                ..span
            });
            let round = Round::of(&said);
            self.inspect(workspace, &round, &mut batch)?;
            let again = self.follow(workspace, &round, writes, &mut batch, sink)?;
            if again && batch.rounds < ROUNDS_MAX {
                continue;
            }
            if again {
                sink.send(Event::Warning {
                    message: format!("bindings still change after {ROUNDS_MAX} rounds; something else writes them"),
                });
            }
            batch.success = said.success;
            batch.failed = failures(workspace, &round);
            batch.committed = inspect::committed(&workspace.root);
            self.bound(workspace, writes, &mut batch, sink)?;
            batch.report = report(number, &batch, &said);
            return Ok(batch);
        }
    }

    /// What was written, for the watch.
    #[must_use]
    pub fn own_writes(&self) -> Arc<OwnWrites> {
        self.own.clone()
    }

    /// Removes the private copies that `in_use` does not name.
    pub fn forget(&self, in_use: &dyn Fn(&Path) -> bool) {
        if let Some(folder) = &self.bin_dir {
            binary::forget(folder, in_use);
        }
    }

    fn inspect(&mut self, workspace: &Workspace, round: &Round, batch: &mut Batch) -> Result<()> {
        let wanted: Vec<(&Cell, &Path)> = workspace
            .cells
            .iter()
            .filter_map(|cell| {
                Some((
                    cell,
                    round
                        .binaries
                        .get(&(cell.package_id.clone(), cell.bin.clone()))?
                        .as_path(),
                ))
            })
            .collect();
        let fresh = inspect::all(&wanted, &self.known, self.bin_dir.as_deref())?;
        batch.built.clear();
        batch.sources.clear();
        batch.made_of.clear();
        let mut by_name: BTreeMap<String, String> = BTreeMap::new();
        for ((cell, executable), known) in wanted.iter().zip(fresh) {
            let inspected = &known.inspected;
            let name = inspected.name().unwrap_or(&cell.package).to_owned();
            if let Some(other) = by_name.insert(name.clone(), cell.package.clone()) {
                return Err(Error::user(format!(
                    "two packages are the cell `{name}`: `{other}` and `{}`",
                    cell.package
                ))
                .hint("rename the service of one of them, or opt one out with `cell = false` in its Cell.toml"));
            }
            let sources = known.sources.clone().unwrap_or_default();
            batch.made_of.insert(name.clone(), sources);
            let mut calls = inspected.calls.clone();
            calls.extend(cell.config.calls.iter().cloned());
            batch.built.insert(
                cell.package.clone(),
                Built {
                    name,
                    package: cell.package.clone(),
                    binary: known.private.clone(),
                    hash: known.hash.clone(),
                    fingerprint: inspected.fingerprint(),
                    snapshot: inspected.snapshot.clone(),
                    calls,
                },
            );
            batch
                .sources
                .extend(known.sources.iter().flatten().cloned());
            self.known.insert((*executable).to_owned(), known);
        }
        Ok(())
    }
}

fn report(number: u64, batch: &Batch, said: &cargo::Said) -> Vec<Event> {
    let diagnostics = || said.diagnostics.iter().map(|(_, diagnostic)| diagnostic);
    let errors = diagnostics().filter(|diagnostic| diagnostic.level == Level::Error);
    let others = diagnostics().filter(|diagnostic| diagnostic.level != Level::Error);
    let mut report: Vec<Event> = errors
        .chain(others)
        .map(|shown| Event::Diagnostic(Diagnostic::clone(shown)))
        .collect();
    let explained = diagnostics().any(|diagnostic| diagnostic.level == Level::Error);
    if !said.success && !explained {
        // Cargo itself is unhappy: the manifest, the lock file, the toolchain, a build script.
        let message = said.complaints.join("\n");
        let message = message.trim_start_matches("error: ").to_owned();
        let message = if message.is_empty() {
            "cargo failed without a word".to_owned()
        } else {
            message
        };
        report.push(Event::Failure {
            message,
            hints: Vec::new(),
        });
    }
    report.extend(batch.trouble.iter().map(|error| Event::Failure {
        message: error.to_string(),
        hints: error.hints.clone(),
    }));
    report.push(Event::BuildFinished {
        batch: number,
        success: batch.success,
        cargo_ms: batch.in_cargo.as_secs_f64() * 1000.0,
        built: batch
            .built
            .values()
            .map(|built| built.name.clone())
            .collect(),
        failed: plan::failed_packages(said),
    });
    report
}
