//! What the terminal UI knows, and what follows from an event or a key. Pure: no terminal, no clock, no sockets.

use std::collections::BTreeMap;

use super::super::Ask;
use super::logs::Logs;
use crate::event::{Event, Level, Timings};
use crate::supervisor::SupervisorEvent;
use crate::usage::Usage;

/// Messages of one batch that are kept.
const PROBLEMS_MAX: usize = 200;

/// What the UI wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Something of the loop.
    Ask(Ask),
    /// Put a text on the clipboard.
    Copy(String),
}

/// One cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    /// `waiting`, `starting`, `ready`, `swapping`, `backoff`, `unavailable`, `idle` or `stopped`.
    pub(super) state: &'static str,
    pub(super) generation: Option<u64>,
    pub(super) pid: Option<u32>,
    pub(super) sandbox: Option<String>,
    /// Why the sandbox is weaker than it could be.
    pub(super) weaker: Option<String>,
    pub(super) restarts: u32,
    pub(super) calls: Vec<String>,
    pub(super) usage: Option<Usage>,
    /// Why it does not serve, or stays as it was.
    pub(super) why: Option<String>,
}

/// What the lower half shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    /// What is wrong.
    Problems,
    /// What cells print.
    Logs,
    /// Who calls whom.
    Graph,
    /// Where the time of the last save went.
    Timings,
    /// The keys.
    Help,
}

/// What the loop is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Work {
    /// Nothing has been built yet.
    #[default]
    Nothing,
    /// Cargo runs.
    Building(String),
    /// It is done.
    Built { ms: f64 },
    /// It did not compile.
    Failed { packages: Vec<String> },
    /// On its way out.
    Stopping { by: String },
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) root: String,
    pub(super) cells: BTreeMap<String, Row>,
    pub(super) selected: usize,
    pub(super) pane: Pane,
    pub(super) work: Work,
    /// What the last build, or the one that runs as soon as it has an error, says.
    of_build: Vec<Problem>,
    /// What the build that runs has said so far.
    collecting: Option<Vec<Problem>>,
    /// What is wrong with a cell, until it serves.
    of_cells: BTreeMap<String, Problem>,
    /// What is wrong with a shader, until it is valid and taken.
    of_shaders: BTreeMap<String, Problem>,
    /// Anything else, until the next build.
    others: Vec<Problem>,
    pub(super) scroll: usize,
    pub(super) logs: Logs,
    pub(super) timings: Option<Timings>,
    /// The last word on something that needs no action.
    pub(super) word: Option<String>,
    /// What is being typed into the search line.
    pub(super) typing: Option<String>,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) error: bool,
    pub(super) text: String,
}

impl Model {
    pub(super) fn new() -> Model {
        Model {
            root: String::new(),
            cells: BTreeMap::new(),
            selected: 0,
            pane: Pane::Logs,
            work: Work::Nothing,
            of_build: Vec::new(),
            collecting: None,
            of_cells: BTreeMap::new(),
            of_shaders: BTreeMap::new(),
            others: Vec::new(),
            scroll: 0,
            logs: Logs::default(),
            timings: None,
            word: None,
            typing: None,
        }
    }

    /// The name under the cursor.
    pub(super) fn chosen(&self) -> Option<&str> {
        self.cells.keys().nth(self.selected).map(String::as_str)
    }

    fn row(&mut self, cell: &str) -> &mut Row {
        self.cells.entry(cell.to_owned()).or_insert_with(|| Row {
            state: "waiting",
            ..Row::default()
        })
    }

    /// Takes an event.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::CellsFound { root, .. } => self.root.clone_from(root),
            Event::Cycle { cells } => {
                self.word = Some(format!("cells call in a circle: {}", cells.join(" → ")));
            }
            Event::Note { message } => self.word = Some(message.clone()),
            Event::Warning { message } => self.other(message),
            Event::Failure { message, hints } => {
                let mut text = message.clone();
                hints
                    .iter()
                    .for_each(|hint| text += &format!("\nhelp: {hint}"));
                self.build_says(true, text);
            }
            Event::Watching { folders } => {
                self.word = Some(format!("watching {folders} folders"));
            }
            Event::ChangeSeen { paths } => {
                self.word = Some(format!("changed: {}", paths.join(", ")))
            }
            Event::ShaderSeen { path } => self.word = Some(format!("shader changed: {path}")),
            Event::ShaderPushed { path, .. } => {
                self.of_shaders.remove(path);
                self.leave_problems();
            }
            Event::ShaderApplied { path, cell, ms, .. } => {
                self.word = Some(format!("{path} in {cell} after {ms:.0} ms"));
            }
            Event::ShaderRefused {
                path,
                cell,
                message,
                ..
            } => {
                let text = format!("{cell} cannot use {path}: {message}");
                self.shader_says(path, text);
            }
            Event::ShaderRejected { path, rendered, .. } => {
                let text = anstream::adapter::strip_str(rendered).to_string();
                self.shader_says(path, text.trim_end().to_owned());
            }
            Event::BuildStarted { round, .. } => {
                if *round <= 1 || self.collecting.is_none() {
                    self.collecting = Some(Vec::new());
                    self.others.clear();
                }
                self.work = Work::Building("…".to_owned());
            }
            Event::CargoStatus { line } => self.work = Work::Building(line.clone()),
            Event::Diagnostic(diagnostic) => {
                let text = anstream::adapter::strip_str(&diagnostic.rendered).to_string();
                let error = diagnostic.level == Level::Error;
                self.build_says(error, text.trim_end().to_owned());
            }
            Event::BuildFinished {
                success,
                cargo_ms,
                failed,
                ..
            } => {
                self.of_build = self.collecting.take().unwrap_or_default();
                self.work = match success {
                    true => Work::Built { ms: *cargo_ms },
                    false => Work::Failed {
                        packages: failed.clone(),
                    },
                };
                self.leave_problems();
            }
            Event::SchemaWritten { path, .. } => self.word = Some(format!("wrote {path}")),
            Event::Bound { out, lang, .. } => self.word = Some(format!("bound {lang} in {out}")),
            Event::Held {
                blocker,
                cells,
                message,
            } => {
                for cell in cells {
                    self.row(cell).why = Some(format!("held by {blocker}"));
                }
                let text = format!("{blocker} holds {}: {message}", cells.join(", "));
                self.build_says(true, text);
            }
            Event::Unchanged { .. } => self.word = Some("no binary changed".to_owned()),
            Event::Swapped { cells, .. } => {
                for cell in cells {
                    self.row(cell).why = None;
                }
            }
            Event::SwapFailed {
                culprit, message, ..
            } => {
                let culprit = culprit.clone();
                let text = format!("{culprit} did not come up: {message}");
                self.cell_says(&culprit, text);
            }
            Event::Timings(timings) => self.timings = Some(timings.clone()),
            Event::Cell(said) => self.cell(said),
            Event::Stopping { by } => self.work = Work::Stopping { by: by.clone() },
            Event::Stopped => {
                self.cells
                    .values_mut()
                    .for_each(|row| row.state = "stopped");
            }
        }
    }

    fn cell(&mut self, said: &SupervisorEvent) {
        match said {
            SupervisorEvent::Starting { cell, .. } => {
                let row = self.row(cell);
                row.state = match row.state {
                    "ready" | "swapping" => "swapping",
                    _ => "starting",
                };
            }
            SupervisorEvent::Ready {
                cell,
                generation,
                pid,
                sandbox,
            } => {
                let row = self.row(cell);
                row.state = "ready";
                row.generation = Some(*generation);
                row.pid = Some(*pid);
                row.sandbox = Some(sandbox.kind.clone());
                row.weaker.clone_from(&sandbox.weaker);
                row.why = None;
                row.usage = None;
                self.of_cells.remove(cell);
                self.leave_problems();
            }
            SupervisorEvent::Draining { .. }
            | SupervisorEvent::Measured { .. }
            | SupervisorEvent::Shader { .. }
            | SupervisorEvent::Stopped { .. } => {}
            SupervisorEvent::Exited {
                cell,
                exit,
                last_log_lines,
                ..
            } => {
                let why = exit.to_string();
                let text = with_lines(&format!("{cell} ended: {why}"), last_log_lines);
                self.gone(cell, "idle", why);
                self.cell_says(cell, text);
            }
            SupervisorEvent::StartFailed {
                cell,
                reason,
                last_log_lines,
                old_serves,
                ..
            } => {
                let text = with_lines(&format!("{cell} did not start: {reason}"), last_log_lines);
                match old_serves {
                    true => self.row(cell).state = "ready",
                    false => self.gone(cell, "unavailable", reason.clone()),
                }
                self.cell_says(cell, text);
            }
            SupervisorEvent::Unavailable { cell, reason, .. } => {
                self.gone(cell, "unavailable", reason.clone());
            }
            SupervisorEvent::Called { cell } => self.row(cell).state = "starting",
            SupervisorEvent::Restarting { cell, .. } => {
                let row = self.row(cell);
                row.state = "backoff";
                row.restarts += 1;
            }
            SupervisorEvent::Log { cell, line, .. } => {
                self.row(cell);
                self.logs.push(cell, line);
            }
            SupervisorEvent::SandboxInForce { sandbox, .. } => {
                if let Some(weaker) = &sandbox.weaker {
                    self.word = Some(format!("sandbox {}: {weaker}", sandbox.kind));
                }
            }
            SupervisorEvent::Warning { message } => self.other(message),
        }
    }

    /// Who calls whom.
    pub(super) fn calls(&mut self, calls: Vec<(String, Vec<String>)>) {
        for (cell, calls) in calls {
            self.row(&cell).calls = calls;
        }
    }

    fn gone(&mut self, cell: &str, state: &'static str, why: String) {
        let row = self.row(cell);
        row.state = state;
        row.pid = None;
        row.usage = None;
        row.why = Some(why);
    }

    /// What is wrong, errors first.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let all = || {
            let of_cells = self.of_cells.values();
            let of_shaders = self.of_shaders.values();
            let of_running = of_cells.chain(of_shaders);
            self.of_build.iter().chain(of_running).chain(&self.others)
        };
        let errors = all().filter(|problem| problem.error);
        errors.chain(all().filter(|problem| !problem.error))
    }

    pub(super) fn errors(&self) -> usize {
        self.problems().filter(|problem| problem.error).count()
    }

    fn build_says(&mut self, error: bool, text: String) {
        let list = self.collecting.as_mut().unwrap_or(&mut self.of_build);
        let problem = Problem { error, text };
        if list.len() < PROBLEMS_MAX && !list.contains(&problem) {
            list.push(problem);
        }
        if error {
            // The first error of a build ends the last one's.
            if let Some(collected) = &self.collecting {
                self.of_build.clone_from(collected);
            }
            self.enter_problems();
        }
    }

    fn cell_says(&mut self, cell: &str, text: String) {
        let problem = Problem { error: true, text };
        self.of_cells.insert(cell.to_owned(), problem);
        self.enter_problems();
    }

    fn shader_says(&mut self, path: &str, text: String) {
        let problem = Problem { error: true, text };
        self.of_shaders.insert(path.to_owned(), problem);
        self.enter_problems();
    }

    fn other(&mut self, message: &str) {
        if self.others.len() < PROBLEMS_MAX {
            self.others.push(Problem {
                error: false,
                text: message.to_owned(),
            });
        }
    }

    fn enter_problems(&mut self) {
        if self.pane != Pane::Problems {
            self.show(Pane::Problems);
        }
    }

    fn leave_problems(&mut self) {
        if self.pane == Pane::Problems && self.errors() == 0 {
            self.show(Pane::Logs);
        }
    }

    pub(super) fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.scroll = 0;
    }
}

fn with_lines(text: &str, lines: &[String]) -> String {
    let mut text = text.to_owned();
    for line in lines {
        text.push_str("\n  ");
        text.push_str(&anstream::adapter::strip_str(line).to_string());
    }
    text
}
