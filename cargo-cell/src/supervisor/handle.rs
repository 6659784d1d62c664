//! The handle: everything that the rest of the tool may ask of the supervisor.

use tokio::sync::{mpsc, oneshot};

use super::types::{CellSpec, CellStatus, Outcome, Stream, SupervisorConfig, SupervisorEvent};
use crate::error::{Error, Result};

/// A request to the one task that owns all state.
#[derive(Debug)]
pub(super) enum Control {
    /// One swap set.
    Apply(Vec<CellSpec>, oneshot::Sender<Outcome>),
    /// Start one cell again with what it runs.
    Restart(String, oneshot::Sender<Outcome>),
    /// Stop everything.
    StopAll(String, oneshot::Sender<()>),
    /// Where every cell is.
    Status(oneshot::Sender<Vec<CellStatus>>),
    /// What callers of a cell without a live generation are told.
    SetUnavailable(String, String),
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

    /// Swaps one set of cells to new builds: all are started, callees first; where a fingerprint of the set changes,
    /// either all of them serve at the end or none. A second call takes over what is not yet irrevocable of the first.
    pub async fn apply(&self, batch: Vec<CellSpec>) -> Outcome {
        let empty = Outcome {
            cells: Default::default(),
            culprit: None,
        };
        self.ask(|reply| Control::Apply(batch, reply))
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

    /// Drains and stops every cell, callers first. Called again while that runs, it kills at once.
    pub async fn stop_all(&self, reason: &str) {
        self.ask(|reply| Control::StopAll(reason.to_owned(), reply))
            .await;
    }

    /// Where every cell is, by name.
    pub async fn status(&self) -> Vec<CellStatus> {
        self.ask(Control::Status).await.unwrap_or_default()
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
