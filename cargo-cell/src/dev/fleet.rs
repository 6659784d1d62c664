//! What the loop needs of the supervisor: the seam at which tests put a double.

use crate::workspace::restart::Restart;
use crate::workspace::rights::Rights;
use crate::workspace::sandbox::SandboxMode;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cell_runtime::control::ToCell;
use cell_runtime::schema::Snapshot;
use serde::Serialize;

/// A future of the fleet.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A cell that is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// Its package.
    pub package: String,
    /// The private copy of its binary.
    pub binary: PathBuf,
    /// The hash of the binary.
    pub binary_hash: String,
    /// The fingerprint of its service, or 0.
    pub fingerprint: u64,
    /// The schema of its service, if it has one; one that only calls is ready as soon as it runs.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The cells that it calls.
    pub calls: Vec<String>,
    /// Whether two generations may live side by side.
    pub overlap: bool,
    /// The sandbox that is asked for.
    pub sandbox: SandboxMode,
    /// The package's folder.
    pub package_dir: PathBuf,
    /// Its writable folder.
    pub data_dir: PathBuf,
    /// What it may use up and reach.
    pub rights: Rights,
    /// What is done when it ends by itself.
    pub restart: Restart,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// How long an old generation may finish its calls.
    pub drain: Duration,
    /// How long it may take to exit once it has finished or was asked to end.
    pub grace: Duration,
    /// How long a new generation may take until it is ready.
    pub ready: Duration,
}

/// How a swap went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The cells whose new generation serves.
    pub serving: Vec<String>,
    /// The cells that did not come up, with the reason.
    pub failed: BTreeMap<String, String>,
}

/// A cell's state for people and scripts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The cell.
    pub name: String,
    /// Its package.
    pub package: String,
    /// `starting`, `ready`, `swapping`, `idle`, `backoff`, `unavailable` or `stopping`.
    pub state: String,
    /// The process of the generation that serves.
    pub pid: Option<u32>,
    /// The generation that serves.
    pub generation: Option<u64>,
    /// The sandbox in force.
    pub sandbox: Option<String>,
    /// Why it is weaker than it could be, if it is.
    pub weaker: Option<String>,
    /// The fingerprint of its service.
    pub fingerprint: String,
    /// How often it was started again after it failed.
    pub restarts: u32,
    /// `good`, `shaky`, `starting`, `failing`, `crash-loop`, `down` or `idle`.
    pub health: String,
    /// In how many milliseconds it is started again.
    pub again_ms: Option<u64>,
    /// What it said last before it ended by itself.
    pub last_log_lines: Vec<String>,
    /// For how long it has been serving.
    pub ready_ms: Option<u64>,
    /// Why it does not serve.
    pub reason: Option<String>,
    /// The cells that it calls.
    pub calls: Vec<String>,
}

/// The supervisor as the loop sees it.
pub trait Fleet: Send + Sync + 'static {
    /// Starts new generations, in this order; switches when all that are needed are ready.
    fn apply(&self, cells: Vec<Start>, all_or_none: bool) -> Answer<Outcome>;
    /// Starts a new generation of the same binary.
    fn restart(&self, name: &str) -> Answer<Result<(), String>>;
    /// Every cell is to say how many calls it answers.
    fn measure(&self) {}
    /// A generation is to have this text of a shader that it holds.
    fn push_shader(&self, _cell: &str, _generation: u64, _shader: &ToCell) {}
    /// These cells are about to get new builds; none is about to where the list is empty.
    fn prepare(&self, _cells: Vec<String>) {}
    /// A cell is no longer part of the workspace.
    fn retire(&self, name: &str) -> Answer<()>;
    /// Stops a cell that a caller may start again; answers when its processes are gone.
    fn rest(&self, name: &str) -> Answer<()>;
    /// A cell need not run; its first caller is announced.
    fn park(&self, _name: &str, _start: Option<Start>, _fingerprint: u64) {}
    /// Stops everything: letting calls finish, or at once.
    fn stop_all(&self, hasty: bool) -> Answer<()>;
    /// Every cell's state.
    fn status(&self) -> Answer<Vec<Status>>;
    /// A cell has no generation to serve: its callers are told why.
    fn set_unavailable(&self, name: &str, reason: &str);
}
