//! What goes into the supervisor and what comes out of it.

use crate::workspace::restart::Restart;
use crate::workspace::rights::Rights;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sandbox::SandboxMode;

/// How one build of a cell is run.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSpec {
    /// The cell's name: its service's, or else its package's.
    pub name: String,
    /// The package.
    pub package: String,
    /// A private copy of the executable; it must stay until a later spec has replaced this one.
    pub binary: PathBuf,
    /// What tells two builds apart.
    pub binary_hash: String,
    /// The schema's fingerprint; 0 where there is none.
    pub fingerprint: u64,
    /// Whether the binary's records hold a service. One that only calls is ready when it says that it runs, or has run for
    /// a second.
    pub serves: bool,
    /// The cells that it calls.
    pub calls: Vec<String>,
    /// Whether two generations may live side by side.
    pub overlap: bool,
    /// The sandbox that was asked for.
    pub sandbox: SandboxMode,
    /// The package's folder: the working folder, readable in the sandbox.
    pub package_dir: PathBuf,
    /// The one writable folder, `CELL_DATA_DIR`; created where missing.
    pub data_dir: PathBuf,
    /// What it may use up and reach.
    pub rights: Rights,
    /// What is done when it ends by itself.
    pub restart: Restart,
    /// Environment variables from the cell's configuration.
    pub env: BTreeMap<String, String>,
    /// How long an old generation may finish its calls.
    pub drain: Duration,
    /// How long it may take to exit once it has finished or was asked to end; then it is killed.
    pub grace: Duration,
    /// How long a new generation may take until it says ready.
    pub ready_timeout: Duration,
}

/// Where a supervisor works.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// The sockets, leases and lock of this workspace: `$CELL_HOME/run/<hash>`.
    pub run_dir: PathBuf,
    /// `$CELL_HOME`.
    pub home: PathBuf,
    /// The workspace's root; never writable in a sandbox.
    pub workspace_root: PathBuf,
    /// Where `<cell>.log` is written.
    pub log_dir: PathBuf,
    /// The executable that answers `__shim` and `__guardian`; [`SupervisorConfig::own_exe`] for this one.
    pub keeper: PathBuf,
}

impl SupervisorConfig {
    /// The executable of this process, for [`SupervisorConfig::keeper`].
    pub fn own_exe() -> PathBuf {
        PathBuf::from("/proc/self/exe")
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It is gone, and nobody could see how.
    Lost,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited with code {code}"),
            Exit::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(name) => write!(f, "was killed by {name}"),
                Err(_) => write!(f, "was killed by signal {number}"),
            },
            Exit::Lost => f.write_str("is gone"),
        }
    }
}

/// Which of its streams a cell wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What confines a process that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// `bwrap`, `podman` or `none`.
    pub kind: String,
    /// Why it is weaker than the best that this tool knows, if it is.
    pub weaker: Option<String>,
}

/// A fact about a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum SupervisorEvent {
    /// A generation is being started.
    Starting {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
    },
    /// A generation says that it serves.
    Ready {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
        /// The cell's own process, as the host sees it.
        pid: u32,
        /// What confines it.
        sandbox: InForce,
    },
    /// A generation finishes its calls.
    Draining {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
    },
    /// A generation is gone because it was asked to go.
    Stopped {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
    },
    /// A generation that served is gone, and nobody asked it to.
    Exited {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
        /// How.
        exit: Exit,
        /// What it said last.
        last_log_lines: Vec<String>,
    },
    /// A generation did not come to serve; one that served before serves on.
    StartFailed {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
        /// Why. An event's own key is `reason` in JSON, so this is `why` there.
        #[serde(rename = "why")]
        reason: String,
        /// What it said last.
        last_log_lines: Vec<String>,
        /// Whether an older generation serves.
        old_serves: bool,
    },
    /// Nobody serves; callers are told the reason.
    Unavailable {
        /// The cell.
        cell: String,
        /// Why. An event's own key is `reason` in JSON, so this is `why` there.
        #[serde(rename = "why")]
        reason: String,
        /// What it said last, where it ended too often in a row.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        last_log_lines: Vec<String>,
    },
    /// Somebody calls it, and it does not run: it is built and started.
    Called {
        /// The cell.
        cell: String,
    },
    /// It will be started again.
    Restarting {
        /// The cell.
        cell: String,
        /// How soon.
        in_ms: u64,
    },
    /// How many calls a generation has answered, where somebody asked.
    Measured {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
        /// Since it started.
        calls: u64,
        /// The time that 99 of 100 of the last ones took at most, in microseconds.
        p99_us: Option<u64>,
    },
    /// It said something about a shader.
    Shader {
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
        /// The package that has the file.
        package: String,
        /// The file, from the package's folder.
        path: String,
        /// What.
        said: ShaderSaid,
    },
    /// It wrote a line.
    Log {
        /// The cell.
        cell: String,
        /// Which stream.
        stream: Stream,
        /// The line, without its end.
        line: String,
    },
    /// What confines the cells of this session, once it is known.
    SandboxInForce {
        /// The cell.
        cell: String,
        /// What is in force.
        sandbox: InForce,
    },
    /// Something is wrong, and the work goes on.
    Warning {
        /// The sentence.
        message: String,
    },
}

/// What a cell says about a shader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShaderSaid {
    /// It holds it, and wants its text whenever it changes.
    Held,
    /// This version is its current text.
    Applied(u64),
    /// It cannot use this version, and why.
    Refused(u64, String),
}

/// What became of one swap set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What became of each cell of the set.
    pub cells: BTreeMap<String, Swap>,
    /// The one that kept the others from being swapped, with the reason.
    pub culprit: Option<(String, String)>,
}

impl Outcome {
    /// Whether every cell of the set serves in its new generation.
    pub fn all_swapped(&self) -> bool {
        self.cells
            .values()
            .all(|swap| matches!(swap, Swap::Swapped { .. }))
    }

    /// The cells that serve in their new generation.
    pub fn swapped(&self) -> Vec<String> {
        let swapped = |(name, swap): (&String, &Swap)| {
            matches!(swap, Swap::Swapped { .. }).then(|| name.clone())
        };
        self.cells.iter().filter_map(swapped).collect()
    }
}

/// What became of one cell of a swap set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    /// The new generation serves.
    Swapped {
        /// The new generation.
        generation: u64,
        /// Its process.
        pid: u32,
    },
    /// The new generation did not come to serve.
    Failed {
        /// Why.
        reason: String,
    },
    /// Another cell of the set failed, so this one stays as it was.
    Held,
    /// A later set took the place of this one.
    Superseded,
    /// The supervisor was stopped first.
    Stopped,
}

/// Where a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellPhase {
    /// A first generation is being started.
    Starting,
    /// It serves.
    Ready,
    /// It serves while a new generation is being started or stopped.
    Swapping,
    /// It is stopped; a caller starts it.
    Idle,
    /// It failed and will be started again.
    Backoff,
    /// Nobody serves.
    Unavailable,
    /// It is being stopped.
    Stopping,
}

/// How a cell fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It serves, and did not end by itself lately.
    Good,
    /// It serves, and ended by itself lately.
    Shaky,
    /// It is on its way.
    Starting,
    /// It ended by itself and will be started again.
    Failing,
    /// It ended too often in a row and stays down.
    CrashLoop,
    /// Nobody serves, for another reason.
    Down,
    /// It is stopped; a caller starts it.
    Idle,
}

/// One row of `cargo cell status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellStatus {
    /// The cell.
    pub name: String,
    /// The package; empty where it was never built.
    pub package: String,
    /// Where it is.
    pub phase: CellPhase,
    /// The cell's own process, as the host sees it.
    pub pid: Option<u32>,
    /// The generation that serves.
    pub generation: Option<u64>,
    /// The fingerprint that is served, as `0x…`.
    pub fingerprint: String,
    /// What confines it.
    pub sandbox: Option<InForce>,
    /// How often it was started again after it failed.
    pub restarts: u32,
    /// How it fares.
    pub health: Health,
    /// In how many milliseconds it is started again.
    pub again_ms: Option<u64>,
    /// What it said last before it ended by itself.
    pub last_log_lines: Vec<String>,
    /// For how long it has been serving.
    pub ready_ms: Option<u64>,
    /// Why nobody serves.
    pub reason: Option<String>,
    /// The cells that it calls.
    pub calls: Vec<String>,
}
