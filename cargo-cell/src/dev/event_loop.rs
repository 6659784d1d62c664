//! The loop: inputs of one closed enum, decisions from pure functions, work in tasks that answer with inputs.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of `dev`: it reads the clock"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

use super::control::{Answers, Control, Request};
use super::decide::{Action, Happened, State};
use super::fleet::{Fleet, Outcome};
use super::hub::Hub;
use super::roster::{Roster, Swap};
use super::shelf;
use super::sight::Sight;
use super::signals;
use super::timing::{self, Stamps};
use crate::build::{Batch, Builder, Writes};
use crate::error::{Error, Result};
use crate::event::{CellFound, Event, Sink};
use crate::watch::notify::Raw;
use crate::workspace::{Dirs, Workspace, metadata};

/// Everything that can happen to the loop.
#[derive(Debug)]
pub enum Input {
    /// The file system says something.
    Files(Raw),
    /// A build is over.
    Built(Box<Built>),
    /// A swap is over.
    Applied(Applied),
    /// A signal or a command asks to stop.
    Stop(String),
    /// Somebody asks over the control socket.
    Asked(Request, Answers),
    /// All cells have stopped.
    Stopped,
}

/// A build that is over.
#[derive(Debug)]
pub struct Built {
    batch: u64,
    /// The workspace, when it was loaded again.
    workspace: Option<Workspace>,
    outcome: Result<Batch>,
    at: Instant,
}

/// A swap that is over.
#[derive(Debug)]
pub struct Applied {
    swap: Swap,
    outcome: Outcome,
    at: Instant,
}

/// What the loop works with.
pub struct Setup {
    /// The workspace.
    pub workspace: Workspace,
    /// Its folders.
    pub dirs: Dirs,
    /// `--manifest-path` or the folder of the workspace.
    pub manifest: PathBuf,
    /// The sandbox, when the command line names one.
    pub sandbox: Option<String>,
    /// Who runs the cells.
    pub fleet: Arc<dyn Fleet>,
    /// Where events go.
    pub sink: Sink,
    /// What cells printed, and who follows it.
    pub hub: Arc<Hub>,
}

struct Loop {
    workspace: Workspace,
    dirs: Dirs,
    manifest: PathBuf,
    fleet: Arc<dyn Fleet>,
    sink: Sink,
    hub: Arc<Hub>,
    inputs: UnboundedSender<Input>,
    state: State,
    roster: Roster,
    builder: Arc<tokio::sync::Mutex<Builder>>,
    build: Option<JoinHandle<()>>,
    /// The workspace could not be loaded: the next build tries again.
    stale: bool,
    sight: Sight,
    /// The stamps of the changes that the next build takes, and of the builds under way.
    stamps: Option<Stamps>,
    batches: BTreeMap<u64, Progress>,
    leaving: bool,
}

/// The stamps of a batch and what it gave.
struct Progress {
    stamps: Stamps,
    batch: Option<(Batch, Instant)>,
    /// Swaps that are not over.
    open: usize,
    served: Vec<String>,
}

/// Runs the loop until somebody stops it.
pub async fn run(setup: Setup) -> Result<()> {
    let (inputs, mut received) = mpsc::unbounded_channel();
    // Signals first: from here on a Ctrl-C is a graceful stop.
    signals::listen(&inputs)?;
    let control = Control::bind(&setup.dirs.run, inputs.clone())?;
    let mut state = Loop::new(setup, inputs)?;
    state.look_around()?;
    state.act(Happened::Start).await;
    let outcome = state.turn(&mut received).await;
    drop(control);
    outcome
}

impl Loop {
    fn new(setup: Setup, inputs: UnboundedSender<Input>) -> Result<Self> {
        let (raw, mut raws) = mpsc::unbounded_channel();
        let files = inputs.clone();
        tokio::spawn(async move {
            while let Some(raw) = raws.recv().await {
                if files.send(Input::Files(raw)).is_err() {
                    return;
                }
            }
        });
        let Setup {
            workspace,
            dirs,
            manifest,
            sandbox,
            fleet,
            sink,
            hub,
        } = setup;
        let sight = Sight::new(&workspace, &dirs, raw)?;
        let builder = Builder::new(dirs.schema.clone(), dirs.bin.clone(), Vec::new());
        Ok(Loop {
            roster: Roster::new(dirs.data.clone(), sandbox),
            workspace,
            dirs,
            manifest,
            fleet,
            sink,
            hub,
            inputs,
            state: State::default(),
            builder: Arc::new(tokio::sync::Mutex::new(builder)),
            build: None,
            stale: false,
            sight,
            stamps: None,
            batches: BTreeMap::new(),
            leaving: false,
        })
    }

    async fn turn(&mut self, received: &mut UnboundedReceiver<Input>) -> Result<()> {
        while !self.leaving {
            let due = self.sight.due();
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                input = received.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => return Err(Error::bug("the loop lost its inputs")),
                },
                () = timer => {}
            }
            // Events that wait in the queue belong to the same change: look at them before settling.
            while let Ok(input) = received.try_recv() {
                self.take(input).await;
            }
            self.settle().await;
        }
        Ok(())
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Files(raw) => {
                if let Err(error) = self.sight.files(raw) {
                    self.failure(&error);
                }
            }
            Input::Built(built) => self.built(*built).await,
            Input::Applied(applied) => self.applied(applied).await,
            Input::Stop(by) => {
                if !self.state.is_stopping() {
                    self.sink.send(Event::Stopping { by });
                }
                self.act(Happened::Stop).await;
            }
            Input::Asked(request, answers) => self.asked(request, answers).await,
            Input::Stopped => self.act(Happened::Stopped).await,
        }
    }

    fn look_around(&mut self) -> Result<()> {
        let folders = self.sight.look_around(&self.workspace)?;
        let cells = self
            .workspace
            .cells
            .iter()
            .map(|cell| CellFound {
                package: cell.package.clone(),
                folder: self.workspace.shown(&cell.dir),
            })
            .collect();
        self.sink.send(Event::CellsFound {
            root: self.workspace.root.display().to_string(),
            cells,
        });
        self.sink.send(Event::Watching { folders });
        Ok(())
    }

    /// Acts on what has settled and matters.
    async fn settle(&mut self) {
        let seen = match self.sight.settle() {
            Ok(Some(seen)) => seen,
            Ok(None) => return,
            Err(error) => return self.failure(&error),
        };
        for path in &seen.shaders {
            self.sink.send(Event::ShaderSeen {
                path: self.workspace.shown(path),
            });
        }
        // Cargo brings the lock file up to date while it builds: that is no edit. One that somebody else makes in that
        // moment counts with the next build.
        let lock = self.workspace.root.join("Cargo.lock");
        let by_cargo = |path: &PathBuf| *path == lock && self.state.building().is_some();
        let changed: Vec<PathBuf> = seen
            .changed
            .into_iter()
            .filter(|path| !by_cargo(path))
            .collect();
        if changed.is_empty() {
            return;
        }
        // Changes that wait for a build in progress count from the first of them.
        self.stamps.get_or_insert(seen.stamps);
        let paths = changed
            .iter()
            .map(|path| self.workspace.shown(path))
            .collect();
        self.sink.send(Event::ChangeSeen { paths });
        self.act(Happened::Changed {
            workspace: seen.workspace,
        })
        .await;
    }

    async fn act(&mut self, happened: Happened) {
        for action in self.state.decide(happened) {
            match action {
                Action::Build { batch, reload } => self.start_build(batch, reload),
                Action::CancelBuild => {
                    if let Some(build) = self.build.take() {
                        // The task holds cargo: dropping it kills cargo and everything that cargo started.
                        build.abort();
                    }
                }
                Action::Swap { batch } => self.swap(batch).await,
                Action::StopCells => self.stop(false),
                Action::Hasten => self.stop(true),
                Action::Leave => {
                    self.sink.send(Event::Stopped);
                    self.leaving = true;
                }
            }
        }
    }

    fn stop(&self, hasty: bool) {
        let stopped = self.fleet.stop_all(hasty);
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            stopped.await;
            // The loop may have left already.
            let _ = inputs.send(Input::Stopped);
        });
    }

    fn start_build(&mut self, number: u64, reload: bool) {
        let now = Instant::now();
        let stamps = self.stamps.take().unwrap_or(Stamps {
            seen: now,
            written_before_decided: None,
            decided: now,
        });
        self.batches.insert(
            number,
            Progress {
                stamps,
                batch: None,
                open: 0,
                served: Vec::new(),
            },
        );
        let builder = self.builder.clone();
        let sink = self.sink.clone();
        let inputs = self.inputs.clone();
        let known = self.workspace.clone();
        let manifest = (reload || self.stale).then(|| self.manifest.clone());
        self.build = Some(tokio::spawn(async move {
            let (workspace, outcome) = build(&builder, number, known, manifest, &sink).await;
            // The loop may have left already.
            let _ = inputs.send(Input::Built(Box::new(Built {
                batch: number,
                workspace,
                outcome,
                at: Instant::now(),
            })));
        }));
    }

    async fn built(&mut self, built: Built) {
        if self.state.building() != Some(built.batch) {
            return;
        }
        self.build = None;
        if let Some(workspace) = built.workspace {
            self.stale = false;
            self.workspace = workspace;
            if let Err(error) = self.look_around() {
                self.failure(&error);
            }
        }
        match built.outcome {
            Ok(batch) => {
                if let Err(errors) = self.sight.learn(&self.workspace, &batch) {
                    errors.iter().for_each(|error| self.failure(error));
                }
                self.roster.built(&self.workspace, &batch);
                if let Some(progress) = self.batches.get_mut(&built.batch) {
                    progress.batch = Some((batch, built.at));
                }
            }
            Err(error) => {
                self.stale = true;
                self.sight.widen();
                self.roster.failed(&self.workspace, &error.to_string());
                self.failure(&error);
            }
        }
        self.act(Happened::Built { batch: built.batch }).await;
    }

    async fn swap(&mut self, batch: u64) {
        for name in self.roster.gone() {
            self.fleet.retire(&name).await;
        }
        for (name, reason) in self.roster.unavailable() {
            self.fleet.set_unavailable(&name, &reason);
        }
        for cycle in self.roster.new_cycles() {
            self.sink.send(Event::Cycle { cells: cycle });
        }
        let plan = self.roster.plan(batch);
        for event in plan.held {
            self.sink.send(event);
        }
        let quiet = plan.swaps.is_empty();
        if let Some(progress) = self.batches.get_mut(&batch) {
            progress.open = plan.swaps.len();
        }
        for (swap, waits) in plan.swaps {
            self.start_swap(swap, waits);
        }
        if quiet {
            if self
                .batches
                .get(&batch)
                .and_then(|progress| progress.batch.as_ref())
                .is_some_and(|(b, _)| b.success)
            {
                self.sink.send(Event::Unchanged { batch });
            }
            self.finish_batch(batch, Instant::now());
        }
    }

    fn start_swap(&self, swap: Swap, waits: Vec<tokio::sync::watch::Receiver<bool>>) {
        let fleet = self.fleet.clone();
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            for mut callee in waits {
                // A sender that is gone is as good as one that is done.
                let _ = callee.wait_for(|done| *done).await;
            }
            let outcome = fleet.apply(swap.starts.clone(), swap.all_or_none).await;
            // The loop may have left already.
            let _ = inputs.send(Input::Applied(Applied {
                swap,
                outcome,
                at: Instant::now(),
            }));
        });
    }

    async fn applied(&mut self, applied: Applied) {
        let Applied { swap, outcome, at } = applied;
        let _ = swap.done.send(true);
        let batch = swap.batch;
        self.roster.applied(&swap, &outcome);
        for start in swap
            .starts
            .iter()
            .filter(|start| outcome.serving.contains(&start.name))
        {
            if let Some(snapshot) = &start.snapshot
                && let Err(error) = shelf::keep(&self.dirs.run, snapshot)
            {
                self.failure(&error);
            }
        }
        if !outcome.serving.is_empty() {
            self.sink.send(Event::Swapped {
                batch,
                cells: outcome.serving.clone(),
            });
        }
        if let Some((culprit, message)) = outcome.failed.iter().next() {
            let cells = swap
                .starts
                .iter()
                .map(|start| start.name.clone())
                .filter(|n| !outcome.serving.contains(n));
            self.sink.send(Event::SwapFailed {
                batch,
                cells: cells.collect(),
                culprit: culprit.clone(),
                message: message.clone(),
            });
        }
        if let Some(progress) = self.batches.get_mut(&batch) {
            progress.open = progress.open.saturating_sub(1);
            progress.served.extend(outcome.serving);
            if progress.open == 0 {
                self.finish_batch(batch, at);
            }
        }
        let roster = &self.roster;
        let in_use = |path: &std::path::Path| roster.uses(path);
        if self.batches.is_empty()
            && let Ok(builder) = self.builder.try_lock()
        {
            builder.forget(&in_use);
        }
    }

    fn finish_batch(&mut self, number: u64, at: Instant) {
        let Some(progress) = self.batches.remove(&number) else {
            return;
        };
        if let Some((batch, built)) = progress.batch {
            let timings =
                timing::timings(number, progress.stamps, &batch, built, at, progress.served);
            self.sink.send(Event::Timings(timings));
        }
    }

    async fn asked(&mut self, request: Request, answers: Answers) {
        match request {
            Request::Status => {
                let cells = self.fleet.status().await;
                let answer = serde_json::json!({
                    "running": true,
                    "pid": std::process::id(),
                    "root": self.workspace.root.display().to_string(),
                    "run": self.dirs.run.display().to_string(),
                    "building": self.state.building(),
                    "held": self.roster.held(),
                    "cells": cells,
                });
                // Whoever asked may be gone.
                let _ = answers.try_send(answer);
            }
            Request::Logs {
                cells,
                lines,
                follow,
            } => self.hub.logs(&cells, lines, follow, answers),
            Request::Restart { cells } => {
                let names = if cells.is_empty() {
                    self.roster.serving()
                } else {
                    cells
                };
                let fleet = self.fleet.clone();
                tokio::spawn(async move {
                    for name in names {
                        let answer = match fleet.restart(&name).await {
                            Ok(()) => serde_json::json!({"restarted": name}),
                            Err(reason) => {
                                serde_json::json!({"error": format!("cannot restart `{name}`: {reason}")})
                            }
                        };
                        let _ = answers.send(answer).await;
                    }
                });
            }
            Request::Down => {
                if !self.state.is_stopping() {
                    self.sink.send(Event::Stopping {
                        by: "cargo cell down".to_owned(),
                    });
                    self.act(Happened::Stop).await;
                }
                self.hub.until_stopped(answers);
            }
        }
    }

    fn failure(&self, error: &Error) {
        self.sink.send(Event::Failure {
            message: error.to_string(),
            hints: error.hints.clone(),
        });
    }
}

async fn build(
    builder: &tokio::sync::Mutex<Builder>,
    number: u64,
    known: Workspace,
    manifest: Option<PathBuf>,
    sink: &Sink,
) -> (Option<Workspace>, Result<Batch>) {
    let reloaded = match manifest {
        None => None,
        Some(manifest) => {
            let loaded =
                tokio::task::spawn_blocking(move || metadata::load(Some(&manifest), &manifest))
                    .await;
            match loaded {
                Ok(Ok(workspace)) => Some(workspace),
                Ok(Err(error)) => return (None, Err(error)),
                Err(panic) => {
                    return (
                        None,
                        Err(Error::bug("loading the workspace panicked").because(panic)),
                    );
                }
            }
        }
    };
    let workspace = reloaded.as_ref().unwrap_or(&known);
    let outcome = builder
        .lock()
        .await
        .batch(workspace, number, Writes::Everything, sink)
        .await;
    (reloaded, outcome)
}
