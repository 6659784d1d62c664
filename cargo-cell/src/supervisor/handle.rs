//! The handle: everything that the rest of the tool may ask of the supervisor.

use std::sync::Arc;

use cell_runtime::control::{self, ToCell};
use tokio::sync::{mpsc, oneshot};

use super::types::{CellSpec, CellStatus, Outcome, Stream, SupervisorConfig, SupervisorEvent};
use crate::error::{Error, Result};

/// A request to the one task that owns all state.
#[derive(Debug)]
pub(super) enum Control {
    /// One swap set, and whether it serves all or none.
    Apply(Vec<CellSpec>, bool, oneshot::Sender<Outcome>),
    /// Start one cell again with what it runs.
    Restart(String, oneshot::Sender<Outcome>),
    /// A cell is no longer part of the workspace.
    Retire(String),
    /// A cell is to run nothing until it is called; answered when its processes are gone.
    Rest(String, oneshot::Sender<()>),
    /// These cells are to have a sandbox that stands ready, and no others.
    Prepare(Vec<String>),
    /// A cell need not run: name, build, fingerprint.
    Park(String, Option<Box<CellSpec>>, u64),
    /// Stop everything; at once, when calls need not finish.
    StopAll(bool, oneshot::Sender<()>),
    /// Where every cell is.
    Status(oneshot::Sender<Vec<CellStatus>>),
    /// What callers of a cell without a live generation are told.
    SetUnavailable(String, String),
    /// Every cell is to say how many calls it answers.
    Measure,
    /// A line about a shader for one generation; what it is about comes before.
    Shader(String, u64, String, Arc<str>),
    /// The last lines of a cell.
    Logs(String, usize, oneshot::Sender<Vec<(Stream, String)>>),
}

/// A supervisor that runs. Dropping the last handle stops everything.
#[derive(Debug, Clone)]
pub struct Supervisor {
    control: mpsc::UnboundedSender<Control>,
}

impl Supervisor {
    /// Takes the run folder (refused while another tool holds it), reaps what a crash left there, starts the session's
    /// guardian and the owner task. Must be called in a tokio runtime.
    pub fn start(
        config: SupervisorConfig,
        events: mpsc::UnboundedSender<SupervisorEvent>,
    ) -> Result<Supervisor> {
        let (control, inbox) = mpsc::unbounded_channel();
        super::task::start(config, events, inbox)?;
        Ok(Supervisor { control })
    }

    /// Asks every cell how many calls it has answered, and how fast: an event a cell.
    pub fn measure(&self) {
        // A supervisor that is gone has no cells.
        let _ = self.control.send(Control::Measure);
    }

    /// Swaps one set of cells to new builds: all are started, callees of the set first; each serves as soon as it is ready,
    /// or, with `all_or_none`, all of them together or none. Sets may be applied side by side; a cell that is in an
    /// unfinished one leaves it for the new one.
    pub async fn apply(&self, batch: Vec<CellSpec>, all_or_none: bool) -> Outcome {
        let empty = Outcome {
            cells: Default::default(),
            culprit: None,
        };
        self.ask(|reply| Control::Apply(batch, all_or_none, reply))
            .await
            .unwrap_or(empty)
    }

    /// Starts a cell again with what it runs, as a swap without downtime; one that is stopped or has failed is started.
    pub async fn restart(&self, name: &str) -> Result<Outcome> {
        let outcome = self
            .ask(|reply| Control::Restart(name.to_owned(), reply))
            .await
            .ok_or_else(|| Error::environment("the supervisor has stopped"))?;
        if outcome.cells.is_empty() {
            return Err(
                Error::usage(format!("there is no cell `{name}` to restart"))
                    .hint("`cargo cell status` lists them"),
            );
        }
        Ok(outcome)
    }

    /// A cell is no longer part of the workspace: it is drained, stopped and forgotten.
    pub fn retire(&self, name: &str) {
        // A supervisor that has stopped has nothing to retire.
        let _ = self.control.send(Control::Retire(name.to_owned()));
    }

    /// These cells are about to get new builds: sandboxes are made ready for some of them, and end where nobody needs them.
    pub fn prepare(&self, cells: Vec<String>) {
        // A supervisor that has stopped starts nothing any more.
        let _ = self.control.send(Control::Prepare(cells));
    }

    /// Drains and stops one cell; its next caller is announced as [`SupervisorEvent::Called`]. Returns when its processes are
    /// gone.
    pub async fn rest(&self, name: &str) {
        self.ask(|reply| Control::Rest(name.to_owned(), reply))
            .await;
    }

    /// A cell of the workspace that need not run: its first caller is announced as [`SupervisorEvent::Called`], and waits
    /// until it is applied or set unavailable.
    pub fn park(&self, name: &str, spec: Option<CellSpec>, fingerprint: u64) {
        // A supervisor that has stopped starts nothing for callers.
        let _ = self.control.send(Control::Park(
            name.to_owned(),
            spec.map(Box::new),
            fingerprint,
        ));
    }

    /// Drains and stops every cell, callers first, and removes every socket; `hasty`, or called again, it kills at once.
    pub async fn stop_all(&self, hasty: bool) {
        self.ask(|reply| Control::StopAll(hasty, reply)).await;
    }

    /// Where every cell is, by name.
    pub async fn status(&self) -> Vec<CellStatus> {
        self.ask(Control::Status).await.unwrap_or_default()
    }

    /// Gives a generation the text of a shader that it holds. A cell that does not listen is only ever given the newest.
    pub fn push_shader(&self, cell: &str, generation: u64, shader: &ToCell) {
        let ToCell::Shader { package, path, .. } = shader else {
            return;
        };
        let about = format!("{package}/{path}");
        let line = control::encode(shader).into();
        // A supervisor that has stopped has no cells.
        let _ = self
            .control
            .send(Control::Shader(cell.to_owned(), generation, about, line));
    }

    /// The last lines that a cell wrote, oldest first.
    pub async fn logs(&self, name: &str, lines: usize) -> Vec<(Stream, String)> {
        self.ask(|reply| Control::Logs(name.to_owned(), lines, reply))
            .await
            .unwrap_or_default()
    }

    /// Says why a cell that has no live generation cannot be called: it has no build.
    pub fn set_unavailable(&self, name: &str, reason: &str) {
        // A supervisor that has stopped has no callers to tell.
        let _ = self
            .control
            .send(Control::SetUnavailable(name.to_owned(), reason.to_owned()));
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Control) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.control.send(request(reply)).ok()?;
        answer.await.ok()
    }
}
