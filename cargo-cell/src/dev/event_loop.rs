//! The loop: inputs of one closed enum, decisions from pure functions, work in tasks that answer with inputs.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of `dev`: it reads the clock"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use cell_runtime::remote::ENV_KEYS;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

use super::ahead::Ahead;
use super::building::reloaded;
use super::control::{Answers, Control, Request};
use super::decide::{Action, Happened, State};
use super::fleet::{Fleet, Outcome};
use super::hub::Hub;
use super::roster::{Roster, Swap};
use super::shaders::Shaders;
use super::sight::Sight;
use super::signals::Signals;
use super::timing::Stamps;
use super::{shelf, stem_door};
use crate::build::{Batch, Builder};
use crate::doors::Doors;
use crate::error::{Error, Result};
use crate::event::{CellFound, Event, Sink};
use crate::stem;
use crate::watch::notify::Raw;
use crate::workspace::sandbox::SandboxMode;
use crate::workspace::{Dirs, Workspace};

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
    /// Somebody calls a cell that need not run, or whose binary is gone.
    Called(String),
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
    pub(super) swap: Swap,
    pub(super) outcome: Outcome,
    pub(super) at: Instant,
}

/// What the loop works with.
pub struct Setup {
    /// The workspace.
    pub workspace: Workspace,
    /// Its folders.
    pub dirs: Dirs,
    /// `--manifest-path` or the folder of the workspace.
    pub manifest: PathBuf,
    /// The executable that guards cargo: this one, but for tests.
    pub keeper: PathBuf,
    /// The sandbox, when the command line names one.
    pub sandbox: Option<SandboxMode>,
    /// Who runs the cells.
    pub fleet: Arc<dyn Fleet>,
    /// Where events go.
    pub sink: Sink,
    /// What happened and what cells printed, and who follows it.
    pub hub: Arc<Hub>,
    /// Only these cells are to run; the others, and all where the list is empty, start when they are called.
    pub only: Option<Vec<String>>,
    /// What the supervisor says of cells that are called.
    pub called: UnboundedReceiver<String>,
    /// Told once the loop can be asked.
    pub bound: Box<dyn FnOnce() + Send>,
    /// Who checks and pushes shaders.
    pub shaders: Shaders,
}

pub(super) struct Loop {
    pub(super) workspace: Workspace,
    pub(super) dirs: Dirs,
    pub(super) manifest: PathBuf,
    pub(super) fleet: Arc<dyn Fleet>,
    pub(super) sink: Sink,
    pub(super) hub: Arc<Hub>,
    shaders: Shaders,
    pub(super) doors: Doors,
    pub(super) inputs: UnboundedSender<Input>,
    pub(super) state: State,
    pub(super) roster: Roster,
    pub(super) builder: Arc<tokio::sync::Mutex<Builder>>,
    pub(super) build: Option<JoinHandle<()>>,
    /// The workspace could not be loaded: the next build tries again.
    pub(super) stale: bool,
    pub(super) sight: Sight,
    /// Who is about to be swapped.
    ahead: Ahead,
    /// The stamps of the changes that the next build takes, and of the builds under way.
    pub(super) stamps: Option<Stamps>,
    pub(super) batches: BTreeMap<u64, Progress>,
    pub(super) leaving: bool,
    /// Nothing is built before somebody calls.
    pub(super) lazy: bool,
    /// Swaps that are not over.
    pub(super) swapping: usize,
    /// Who was called and has no answer yet.
    pub(super) called: Vec<String>,
    /// Who waits until nothing is under way, and for which cells.
    pub(super) waiting: Vec<(Vec<String>, Answers)>,
}

/// The stamps of a batch and what it gave.
pub(super) struct Progress {
    pub(super) stamps: Stamps,
    pub(super) batch: Option<(Batch, Instant)>,
    /// Swaps that are not over.
    pub(super) open: usize,
    pub(super) served: Vec<String>,
}

/// Runs the loop until somebody stops it, by one of the signals or otherwise.
pub async fn run(mut setup: Setup, signals: Signals) -> Result<()> {
    let (inputs, mut received) = mpsc::unbounded_channel();
    signals.pass_on(&inputs);
    let control = Control::bind(&setup.dirs.run, inputs.clone())?;
    let stem = stem_door::open(&setup.dirs, &inputs)?;
    let bound = std::mem::replace(&mut setup.bound, Box::new(|| ()));
    let mut state = Loop::new(setup, inputs)?;
    bound();
    state.look_around()?;
    state.begin().await;
    let outcome = state.turn(&mut received).await;
    state.doors.finish().await;
    drop((control, stem));
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
            keeper,
            sandbox,
            fleet,
            sink,
            hub,
            only,
            mut called,
            bound: _,
            shaders,
        } = setup;
        let calls = inputs.clone();
        tokio::spawn(async move {
            while let Some(cell) = called.recv().await {
                if calls.send(Input::Called(cell)).is_err() {
                    return;
                }
            }
        });
        let mut roster = Roster::new(dirs.data.clone(), sandbox);
        if let Some(only) = &only {
            roster.only(only);
        }
        let builder = Builder::new(
            dirs.schema.clone(),
            Some(dirs.bin.clone()),
            Vec::new(),
            keeper,
        );
        let keys = std::env::var_os(ENV_KEYS).filter(|dir| !dir.is_empty());
        let keys = keys.map_or_else(|| dirs.keys.clone(), PathBuf::from);
        let doors = Doors::new(&dirs.run, keys, sink.clone());
        let sight = Sight::new(&workspace, &dirs, builder.own_writes(), raw)?;
        Ok(Loop {
            roster,
            lazy: only.is_some_and(|only| only.is_empty()),
            swapping: 0,
            called: Vec::new(),
            workspace,
            dirs,
            manifest,
            fleet,
            sink,
            hub,
            shaders,
            doors,
            inputs,
            state: State::default(),
            builder: Arc::new(tokio::sync::Mutex::new(builder)),
            build: None,
            stale: false,
            sight,
            ahead: Ahead::default(),
            stamps: None,
            batches: BTreeMap::new(),
            leaving: false,
            waiting: Vec::new(),
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
            self.answer_waiting().await;
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
            Input::Called(cell) => self.called(cell).await,
            Input::Stopped => self.act(Happened::Stopped).await,
        }
    }

    /// Builds, or knows only whom somebody may call.
    async fn begin(&mut self) {
        if !self.lazy {
            return self.act(Happened::Start).await;
        }
        let folders = [self.workspace.root.join("schema"), self.dirs.schema.clone()];
        let known = shelf::known(&folders);
        if known.is_empty() {
            // Nobody can be called who has never been built.
            return self.act(Happened::Start).await;
        }
        for (name, fingerprint) in known {
            if name != stem::NAME {
                self.fleet.park(&name, None, fingerprint);
            }
        }
    }

    fn look_around(&mut self) -> Result<()> {
        let folders = self.sight.look_around(&self.workspace)?;
        self.shaders.workspace(&self.workspace);
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
        if let Some(saved) = seen.shaders_saved {
            self.shaders.saved(seen.shaders, saved);
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
        self.ahead.changed(&changed);
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

    pub(super) async fn act(&mut self, happened: Happened) {
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
        self.doors.stop();
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
        let mut stamps = self.stamps.take().unwrap_or(Stamps {
            seen: now,
            written_before_decided: None,
            decided: now,
            started: None,
        });
        stamps.started = Some(now);
        self.batches.insert(
            number,
            Progress {
                stamps,
                batch: None,
                open: 0,
                served: Vec::new(),
            },
        );
        self.sight.building();
        let (fleet, ahead) = (self.fleet.clone(), self.ahead.building());
        let beside = move || fleet.prepare(ahead.clone());
        let builder = self.builder.clone();
        let sink = self.sink.clone();
        let inputs = self.inputs.clone();
        let known = self.workspace.clone();
        let manifest = (reload || self.stale).then(|| self.manifest.clone());
        self.build = Some(tokio::spawn(async move {
            let (workspace, outcome) =
                reloaded(&builder, number, known, manifest, &sink, &beside).await;
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
                self.ahead.built(&batch.made_of);
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

    pub(super) fn failure(&self, error: &Error) {
        self.sink.send(Event::Failure {
            message: error.to_string(),
            hints: error.hints.clone(),
        });
    }
}
