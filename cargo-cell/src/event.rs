//! Every fact that a user can see. The loop and the commands make events; the reporter shows them.
//!
//! The JSON form (`--ui json`) is one object a line with a `reason`, as cargo's own messages have, and `at_ms`, the wall
//! clock in milliseconds. Fields are only ever added. `cargo cell attach` reads the same form back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::supervisor::SupervisorEvent;

/// Where events go: to the reporter, and in the dev loop also to whoever asked for them.
#[derive(Clone)]
pub struct Sink(Arc<dyn Fn(Event) + Send + Sync>);

impl Sink {
    /// A sink that calls `take` for each event.
    pub fn new(take: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Sink(Arc::new(take))
    }

    /// Sends an event.
    pub fn send(&self, event: Event) {
        (self.0)(event);
    }
}

/// One fact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Event {
    /// The cells of the workspace are known.
    CellsFound {
        /// The workspace's root.
        root: String,
        /// The packages that are cells.
        cells: Vec<CellFound>,
    },
    /// Cells call each other in a circle; they are started anyway.
    Cycle {
        /// The names, in the order of the calls.
        cells: Vec<String>,
    },
    /// Something worth knowing that stops nothing.
    Note {
        /// The sentence.
        message: String,
    },
    /// Something is wrong, and the work goes on.
    Warning {
        /// The sentence.
        message: String,
    },
    /// Something failed, and the loop goes on with what it had.
    Failure {
        /// The sentence.
        message: String,
        /// What helps.
        hints: Vec<String>,
    },

    /// The watch is in force.
    Watching {
        /// How many folders are watched.
        folders: usize,
    },
    /// Files changed that matter to a build.
    ChangeSeen {
        /// The files, relative to the workspace's root where they lie in it.
        paths: Vec<String>,
    },
    /// A shader changed: it never rebuilds or restarts a cell.
    ShaderSeen {
        /// The file.
        path: String,
    },
    /// A shader that cells hold is valid, and is on its way to them.
    ShaderPushed {
        /// The file.
        path: String,
        /// The text's version: higher than all before it.
        version: u64,
        /// The cells that hold it.
        cells: Vec<String>,
        /// The time that reading and checking it took.
        check_ms: f64,
    },
    /// A cell has the new text of a shader.
    ShaderApplied {
        /// The file.
        path: String,
        /// The text's version.
        version: u64,
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
        /// From the save, or from the moment that the cell asked for it, to its answer.
        ms: f64,
    },
    /// A cell cannot use the new text of a shader, and goes on with the one before.
    ShaderRefused {
        /// The file.
        path: String,
        /// The text's version.
        version: u64,
        /// The cell.
        cell: String,
        /// Its generation.
        generation: u64,
        /// Why.
        message: String,
    },
    /// A shader that cells hold is not valid: no cell sees it.
    ShaderRejected {
        /// The file.
        path: String,
        /// `file:line:column`, where there is a place; the file may be one that it imports.
        at: Option<String>,
        /// What is wrong, in one line.
        message: String,
        /// The message with the lines that it is about, with colours.
        rendered: String,
        /// The version that the cells go on with; nothing where it was never valid since the tool was started.
        kept: Option<u64>,
    },

    /// A cargo process starts.
    BuildStarted {
        /// The batch: one for each set of changes.
        batch: u64,
        /// The round in the batch: rounds repeat until no binding changes.
        round: u32,
    },
    /// A status line of cargo, for example what it compiles or that it waits for a lock.
    CargoStatus {
        /// The line, without its indent.
        line: String,
    },
    /// A message of the compiler.
    Diagnostic(Diagnostic),
    /// A batch's cargo work is over.
    BuildFinished {
        /// The batch.
        batch: u64,
        /// Whether every package compiled.
        success: bool,
        /// The time in cargo, all rounds.
        cargo_ms: f64,
        /// The cells whose binaries exist and are up to date.
        built: Vec<String>,
        /// The packages that did not compile.
        failed: Vec<String>,
    },
    /// A file of a schema or a binding was written.
    SchemaWritten {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A folder of bindings is up to date.
    Bound {
        /// The folder.
        out: String,
        /// The language.
        lang: String,
        /// The cells in it.
        cells: Vec<String>,
        /// How many files were written.
        written: usize,
        /// How many files of ours were removed because nothing wants them any more.
        removed: usize,
        /// How many files were as they must be.
        unchanged: usize,
    },

    /// A set of cells stays on its old generation.
    Held {
        /// What stands in the way.
        blocker: String,
        /// The cells that stay as they are.
        cells: Vec<String>,
        /// Why.
        message: String,
    },
    /// The build changed no binary: nothing restarts.
    Unchanged {
        /// The batch.
        batch: u64,
    },
    /// New generations serve.
    Swapped {
        /// The batch.
        batch: u64,
        /// The cells.
        cells: Vec<String>,
    },
    /// A swap failed; the old generations serve on.
    SwapFailed {
        /// The batch.
        batch: u64,
        /// The cells of the set.
        cells: Vec<String>,
        /// The cell that failed.
        culprit: String,
        /// Why.
        message: String,
    },
    /// Where the time of a batch went.
    Timings(Timings),

    /// The supervisor says something about a cell.
    Cell(SupervisorEvent),

    /// The tool was asked to stop.
    Stopping {
        /// By what: a signal or a command.
        by: String,
    },
    /// Everything has stopped.
    Stopped,
}

/// A cell of the workspace, before it is built.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CellFound {
    /// The package's name.
    pub package: String,
    /// The package's folder, relative to the root.
    pub folder: String,
}

/// A message of the compiler.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Its level.
    pub level: Level,
    /// The package that it is about, by name.
    pub package: String,
    /// The message in one line.
    pub message: String,
    /// The message as rustc renders it, with colours.
    pub rendered: String,
    /// The file and line of the primary span.
    pub at: Option<String>,
}

/// How bad a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing was built.
    Error,
    /// It was built.
    Warning,
    /// Anything else.
    Note,
}

/// Where the time of a batch went: milliseconds since the first change of the batch was seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Timings {
    /// The batch.
    pub batch: u64,
    /// The cells that were swapped.
    pub cells: Vec<String>,
    /// From the last write of the changed files (their mtime) to the moment that the change was seen.
    pub write_to_seen_ms: f64,
    /// The changes had settled and their content was compared.
    pub decided_ms: f64,
    /// Cargo was spawned.
    pub cargo_spawned_ms: f64,
    /// Cargo was done (the last round).
    pub cargo_done_ms: f64,
    /// Binaries were hashed, records read and bindings written.
    pub schema_done_ms: f64,
    /// The new code serves.
    pub swap_done_ms: f64,
    /// The time in cargo, all rounds.
    pub cargo_ms: f64,
    /// From the last write to the new code serving, without the time in cargo, this batch's and the one before that it
    /// had to wait for.
    pub overhead_ms: f64,
    /// How many times cargo ran.
    pub rounds: u32,
}
