//! What to do next: a pure function of what is known, what happened and the time.
//!
//! [`State::step`] takes one [`Input`] and the time and returns [`Action`]s. Which sockets must exist and who answers at
//! them is not an action but derived from the state ([`State::doors`]), so that it cannot be forgotten on some path.

mod cell;
mod doors;
mod process;
mod swap;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::types::{CellSpec, CellStatus, Exit, InForce, Outcome, ShaderSaid, SupervisorEvent};
use cell::{Cell, MARGIN, Phase, Rest};
pub use doors::{Door, Doors};
use swap::Set;

/// Names a generation of a cell; numbers are never used twice in a session.
pub type Generation = u64;
/// Names a swap set.
pub type SwapId = u64;

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A set of cells is to run new builds.
    Apply {
        /// The set.
        swap: SwapId,
        /// The builds.
        specs: Vec<Arc<CellSpec>>,
        /// Either all of them serve at the end, or none.
        all_or_none: bool,
    },
    /// A cell is to run again what it runs.
    Restart {
        /// The set.
        swap: SwapId,
        /// The cell.
        cell: String,
    },
    /// A cell is no longer part of the workspace.
    Retire {
        /// The cell.
        cell: String,
    },
    /// A cell is to run nothing until it is called or applied again.
    Rest {
        /// The cell.
        cell: String,
    },
    /// A cell has no build: callers are told why.
    Unavailable {
        /// The cell.
        cell: String,
        /// Why.
        reason: String,
    },
    /// A cell of the workspace that need not run: its first caller is announced.
    Park {
        /// The cell.
        cell: String,
        /// Its build, where there is one.
        spec: Option<Arc<CellSpec>>,
        /// The fingerprint that its callers know.
        fingerprint: u64,
    },
    /// Everything is to stop.
    Stop {
        /// Without letting calls finish.
        hasty: bool,
    },
    /// Somebody waits at the listener of an idle cell.
    Caller {
        /// The cell.
        cell: String,
        /// Its binary is where it was.
        built: bool,
    },
    /// A process said something or something became of it.
    Process {
        /// The cell.
        cell: String,
        /// The generation.
        generation: Generation,
        /// What.
        said: Said,
    },
    /// Time passed.
    Tick,
}

/// What a process said, or what became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// It runs.
    Spawned {
        /// The cell's own process, as the host sees it.
        pid: u32,
        /// What confines it.
        sandbox: InForce,
    },
    /// It accepts calls.
    Ready,
    /// It runs, and serves nothing.
    Runs,
    /// It cannot serve.
    Failed(String),
    /// How many calls it has answered, and how fast the last ones.
    Measured {
        /// Since it started.
        calls: u64,
        /// In microseconds.
        p99_us: Option<u64>,
    },
    /// Something about a shader: the package that has the file, the file from the package's folder, and what.
    Shader(String, String, ShaderSaid),
    /// It has answered every call that it started.
    Drained,
    /// It is gone, with all that it started.
    Exited(Exit, Vec<String>),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start a generation.
    Spawn {
        /// Its number.
        generation: Generation,
        /// The build.
        spec: Arc<CellSpec>,
    },
    /// Tell a generation to finish its calls.
    Drain {
        /// The cell.
        cell: String,
        /// The generation.
        generation: Generation,
        /// How long it may take.
        limit: Duration,
    },
    /// Ask a generation to end.
    Terminate {
        /// The cell.
        cell: String,
        /// The generation.
        generation: Generation,
    },
    /// Kill a generation and all that it started.
    Kill {
        /// The cell.
        cell: String,
        /// The generation.
        generation: Generation,
    },
    /// Say something.
    Emit(SupervisorEvent),
    /// A set is done.
    Finished {
        /// The set.
        swap: SwapId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Nothing runs any more, as was asked.
    AllStopped,
}

/// All that the supervisor knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    cells: BTreeMap<String, Cell>,
    sets: BTreeMap<SwapId, Set>,
    last_generation: Generation,
    stopping: bool,
    stopped: bool,
    actions: Vec<Action>,
}

impl State {
    /// Takes what happened and returns what to do, in order.
    #[must_use]
    pub fn step(&mut self, input: Input, now: Instant) -> Vec<Action> {
        match input {
            Input::Apply {
                swap,
                specs,
                all_or_none,
            } => self.apply(swap, specs, all_or_none, now),
            Input::Restart { swap, cell } => self.restart(swap, &cell, now),
            Input::Retire { cell } => self.retire_cell(&cell, now),
            Input::Rest { cell } => self.rest(&cell, now),
            Input::Unavailable { cell, reason } => self.unavailable(&cell, reason),
            Input::Stop { hasty } => self.stop(hasty, now),
            Input::Park {
                cell,
                spec,
                fingerprint,
            } => self.park(&cell, spec, fingerprint),
            Input::Caller { cell, built } => self.caller(&cell, built, now),
            Input::Process {
                cell,
                generation,
                said,
            } => self.process(&cell, generation, said, now),
            Input::Tick => {}
        }
        self.expire(now);
        self.advance(now);
        self.drain_waiting(now);
        self.forget_gone();
        if self.stopping && !self.stopped && self.cells.values().all(|c| c.generations.is_empty()) {
            self.stopped = true;
            self.actions.push(Action::AllStopped);
        }
        std::mem::take(&mut self.actions)
    }

    /// When time itself is the next input.
    pub fn due(&self) -> Option<Instant> {
        let of_cell = |cell: &Cell| {
            let phases = cell.generations.values().filter_map(|g| g.phase.until());
            phases.chain(cell.start_again_at()).min()
        };
        self.cells.values().filter_map(of_cell).min()
    }

    /// Where every cell is.
    pub fn status(&self, now: Instant) -> Vec<CellStatus> {
        self.cells
            .values()
            .map(|cell| cell.status(now, self.stopping))
            .collect()
    }

    fn emit(&mut self, event: SupervisorEvent) {
        self.actions.push(Action::Emit(event));
    }

    fn unavailable(&mut self, name: &str, reason: String) {
        if self.stopping {
            return;
        }
        let cell = self
            .cells
            .entry(name.to_owned())
            .or_insert_with(|| Cell::new(name));
        if cell.live.is_some() || cell.next.is_some() {
            return;
        }
        let known = cell.rest == Rest::Unavailable && cell.reason.as_deref() == Some(&reason);
        cell.rest = Rest::Unavailable;
        cell.reason = Some(reason.clone());
        if !known {
            let cell = name.to_owned();
            self.emit(SupervisorEvent::Unavailable {
                cell,
                reason,
                last_log_lines: Vec::new(),
            });
        }
    }

    fn park(&mut self, name: &str, spec: Option<Arc<CellSpec>>, fingerprint: u64) {
        if self.stopping || self.in_a_set(name) {
            return;
        }
        let cell = self
            .cells
            .entry(name.to_owned())
            .or_insert_with(|| Cell::new(name));
        if !cell.generations.is_empty() {
            return;
        }
        cell.spec = spec;
        cell.fingerprint = fingerprint;
        cell.gone = false;
        cell.reason = None;
        cell.parked = true;
        // Whoever has called already is waited for.
        if cell.rest != Rest::Called {
            cell.rest = Rest::Idle;
        }
    }

    fn caller(&mut self, name: &str, built: bool, now: Instant) {
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        let startable = cell.rest == Rest::Idle && cell.live.is_none() && cell.next.is_none();
        if !startable || self.stopping {
            return;
        }
        let (parked, spec) = (cell.parked, cell.spec.clone());
        if self.in_a_set(name) {
            return;
        }
        match spec {
            Some(spec) if built && !parked => {
                self.spawn(spec, now);
            }
            // Somebody else has to see to its build first; until then callers wait.
            _ => {
                if let Some(cell) = self.cells.get_mut(name) {
                    cell.rest = Rest::Called;
                }
                let cell = name.to_owned();
                self.emit(SupervisorEvent::Called { cell });
            }
        }
    }

    fn retire_cell(&mut self, name: &str, now: Instant) {
        self.leave_sets(&[name.to_owned()], now);
        if let Some(cell) = self.cells.get_mut(name) {
            cell.gone = true;
            cell.rest = Rest::Unavailable;
        }
        self.let_go(name, now);
    }

    fn rest(&mut self, name: &str, now: Instant) {
        if self.stopping || self.cells.get(name).is_none_or(|cell| cell.gone) {
            return;
        }
        self.leave_sets(&[name.to_owned()], now);
        self.let_go(name, now);
        if let Some(cell) = self.cells.get_mut(name) {
            cell.rest = Rest::Idle;
            cell.parked = true;
            cell.reason = None;
            cell.forgive();
        }
    }

    /// Whether all that is left of this cell are processes on their way out.
    pub fn is_ending(&self, name: &str) -> bool {
        self.cells.get(name).is_some_and(|cell| {
            cell.live.is_none() && cell.next.is_none() && !cell.generations.is_empty()
        })
    }

    fn stop(&mut self, hasty: bool, now: Instant) {
        let again = self.stopping;
        self.stopping = true;
        self.stopped &= !again;
        self.abandon_all_sets();
        let names: Vec<String> = self.cells.keys().cloned().collect();
        for name in names {
            if hasty || again {
                self.kill_all(&name);
            } else {
                self.let_go(&name, now);
            }
        }
    }

    /// Starts a generation; it becomes the cell's next one.
    fn spawn(&mut self, spec: Arc<CellSpec>, now: Instant) -> Generation {
        self.last_generation += 1;
        let generation = self.last_generation;
        let name = spec.name.clone();
        let cell = self
            .cells
            .entry(name.clone())
            .or_insert_with(|| Cell::new(&name));
        cell.start(generation, spec.clone(), now);
        self.emit(SupervisorEvent::Starting {
            cell: name,
            generation,
        });
        self.actions.push(Action::Spawn { generation, spec });
        generation
    }

    /// Lets an old generation finish once nobody of its own time may still call it.
    fn drain_waiting(&mut self, now: Instant) {
        loop {
            let leaving: Vec<(String, Generation, bool)> = self
                .cells
                .values()
                .flat_map(|cell| {
                    let leaving = cell
                        .generations
                        .iter()
                        .filter(|(_, g)| g.phase.is_leaving());
                    leaving.map(|(id, g)| (cell.name.clone(), *id, g.phase == Phase::Waiting))
                })
                .collect();
            let free: Vec<&(String, Generation, bool)> = leaving
                .iter()
                .filter(|(name, id, waits)| *waits && !self.is_called(name, *id, &leaving))
                .collect();
            let waiting: Vec<&(String, Generation, bool)> =
                leaving.iter().filter(|(_, _, waits)| *waits).collect();
            if waiting.is_empty() {
                return;
            }
            // Those that only wait for each other call each other in a circle.
            let all_wait = waiting.len() == leaving.len();
            let next = if !free.is_empty() {
                free
            } else if all_wait {
                waiting
            } else {
                return;
            };
            let next: Vec<(String, Generation)> = next
                .into_iter()
                .map(|(name, id, _)| (name.clone(), *id))
                .collect();
            for (name, id) in next {
                self.drain(&name, id, now);
            }
        }
    }

    /// Whether a generation that is to leave may still be called by another one that leaves, and nobody takes its place
    /// for that caller.
    fn is_called(
        &self,
        name: &str,
        id: Generation,
        leaving: &[(String, Generation, bool)],
    ) -> bool {
        let Some(cell) = self.cells.get(name) else {
            return false;
        };
        let fingerprint = |id: &Generation| cell.generations.get(id).map(|g| g.spec.fingerprint);
        if cell.live.is_some() && cell.live.as_ref().and_then(fingerprint) == fingerprint(&id) {
            return false;
        }
        leaving.iter().any(|(caller, caller_id, _)| {
            caller != name
                && self
                    .cells
                    .get(caller)
                    .and_then(|c| c.generations.get(caller_id))
                    .is_some_and(|g| g.spec.calls.iter().any(|callee| callee == name))
        })
    }

    fn drain(&mut self, name: &str, id: Generation, now: Instant) {
        let Some(generation) = self
            .cells
            .get_mut(name)
            .and_then(|c| c.generations.get_mut(&id))
        else {
            return;
        };
        if !generation.spec.serves && !generation.accepts && !generation.listens {
            // It has no calls to finish, and would not know what it is told.
            return self.terminate(name, id, now);
        }
        let limit = generation.spec.drain;
        // At its limit it answers the calls that still run itself: asked to end at the same moment, it would now and then cut them off
        // without a word.
        generation.phase = Phase::Draining {
            until: now + limit + MARGIN,
        };
        let cell = name.to_owned();
        self.emit(SupervisorEvent::Draining {
            cell: cell.clone(),
            generation: id,
        });
        self.actions.push(Action::Drain {
            cell,
            generation: id,
            limit,
        });
    }

    fn forget_gone(&mut self) {
        self.cells
            .retain(|_, cell| !(cell.gone && cell.generations.is_empty()));
    }

    /// The binary that a cell runs, or would.
    pub fn binary(&self, cell: &str) -> Option<&std::path::Path> {
        let spec = self.cells.get(cell)?.spec.as_ref()?;
        Some(&spec.binary)
    }

    /// The names of all cells; for tests and reports.
    pub fn names(&self) -> BTreeSet<&str> {
        self.cells.keys().map(String::as_str).collect()
    }
}
