//! What becomes of generations: promoted, let go, or gone.

use std::sync::Arc;
use std::time::Instant;

use super::super::backoff;
use super::super::types::{CellSpec, Exit, InForce, SupervisorEvent};
use super::cell::{Phase, Rest, SETTLED};
use super::{Action, Generation, Said, State};
use crate::workspace::restart::Policy;

impl State {
    /// The build of a cell that serves, unless everything is about to stop.
    pub fn serves(&self, name: &str) -> Option<Arc<CellSpec>> {
        let cell = self
            .cells
            .get(name)
            .filter(|cell| !cell.gone && !self.stopping)?;
        Some(cell.process(cell.live)?.spec.clone())
    }

    pub(super) fn process(&mut self, name: &str, id: Generation, said: Said, now: Instant) {
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        let is_next = cell.next == Some(id);
        let told_before = cell.process(cell.live).is_some_and(|live| live.listens);
        let Some(process) = cell.generations.get_mut(&id) else {
            return;
        };
        let starting = matches!(process.phase, Phase::Starting { .. });
        match said {
            Said::Spawned { pid, sandbox } => {
                process.pid = Some(pid);
                process.sandbox = Some(sandbox);
                // One that serves nothing need not say anything: it is believed to run when it has for a while. Where the
                // generation before it did say so, this one is expected to as well, and has the time to start that
                // everybody has: it may be slow to fail.
                if starting && !process.spec.serves && !told_before {
                    let until = now + SETTLED;
                    process.phase = Phase::Starting { until };
                }
            }
            Said::Ready => {
                process.accepts = true;
                if starting {
                    process.phase = Phase::Ready { since: now };
                    self.ready(name, id, now);
                }
            }
            Said::Runs => {
                process.listens = true;
                if starting && !process.spec.serves {
                    process.phase = Phase::Ready { since: now };
                    self.ready(name, id, now);
                }
            }
            Said::Failed(why) => {
                process.complaint.get_or_insert(why);
                if starting && is_next {
                    self.terminate(name, id, now);
                }
            }
            Said::Measured { calls, p99_us } => self.emit(SupervisorEvent::Measured {
                cell: name.to_owned(),
                generation: id,
                calls,
                p99_us,
            }),
            Said::Shader(package, path, said) => self.emit(SupervisorEvent::Shader {
                cell: name.to_owned(),
                generation: id,
                package,
                path,
                said,
            }),
            Said::Drained => {
                if matches!(process.phase, Phase::Draining { .. }) {
                    let until = now + process.spec.grace;
                    process.phase = Phase::Leaving { until };
                }
            }
            Said::Exited(exit, lines) => self.exited(name, id, exit, lines, now),
        }
    }

    /// A generation accepts calls: it serves at once, unless its set decides together.
    fn ready(&mut self, name: &str, id: Generation, now: Instant) {
        if !self.set_is_told(name, id) {
            self.promote(name, id, now);
        }
    }

    /// The next generation takes over from the one that serves.
    pub(super) fn promote(&mut self, name: &str, id: Generation, _now: Instant) {
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        let Some(process) = cell.generations.get(&id) else {
            return;
        };
        let (pid, sandbox) = (process.pid.unwrap_or(0), process.sandbox.clone());
        cell.spec = Some(process.spec.clone());
        cell.reason = None;
        cell.rest = Rest::Unavailable;
        cell.next = None;
        let old = cell.live.replace(id);
        if let Some(old) = old.and_then(|old| cell.generations.get_mut(&old)) {
            old.phase = Phase::Waiting;
        }
        self.emit(SupervisorEvent::Ready {
            cell: name.to_owned(),
            generation: id,
            pid,
            sandbox: sandbox.unwrap_or(InForce {
                kind: "none".to_owned(),
                weaker: None,
            }),
        });
    }

    /// The cell is to run nothing: what serves may finish, what starts ends.
    pub(super) fn let_go(&mut self, name: &str, now: Instant) {
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        cell.rest = Rest::Unavailable;
        if let Some(live) = cell.live.take()
            && let Some(process) = cell.generations.get_mut(&live)
        {
            process.phase = Phase::Waiting;
        }
        let unserved: Vec<Generation> = cell
            .generations
            .iter()
            .filter(|(_, process)| !process.phase.is_leaving())
            .map(|(id, _)| *id)
            .collect();
        for id in unserved {
            self.terminate(name, id, now);
        }
        if let Some(cell) = self.cells.get_mut(name) {
            cell.next = None;
        }
    }

    pub(super) fn kill_all(&mut self, name: &str) {
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        cell.rest = Rest::Unavailable;
        cell.live = None;
        cell.next = None;
        let ids: Vec<Generation> = cell.generations.keys().copied().collect();
        for id in ids {
            self.kill(name, id);
        }
    }

    pub(super) fn terminate(&mut self, name: &str, id: Generation, now: Instant) {
        let process = self
            .cells
            .get_mut(name)
            .and_then(|cell| cell.generations.get_mut(&id));
        if let Some(process) = process {
            let until = now + process.spec.grace;
            process.phase = Phase::Terminating { until };
            let cell = name.to_owned();
            self.actions.push(Action::Terminate {
                cell,
                generation: id,
            });
        }
    }

    fn kill(&mut self, name: &str, id: Generation) {
        let process = self
            .cells
            .get_mut(name)
            .and_then(|cell| cell.generations.get_mut(&id));
        if let Some(process) = process {
            process.phase = Phase::Killed;
            let cell = name.to_owned();
            self.actions.push(Action::Kill {
                cell,
                generation: id,
            });
        }
    }

    /// What time alone decides.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut over: Vec<(String, Generation, Phase)> = Vec::new();
        let mut again = Vec::new();
        for cell in self.cells.values() {
            let due = |phase: Phase| phase.until().is_some_and(|until| until <= now);
            let expired = cell.generations.iter().filter(|(_, p)| due(p.phase));
            over.extend(expired.map(|(id, p)| (cell.name.clone(), *id, p.phase)));
            if cell.start_again_at().is_some_and(|until| until <= now) && !self.stopping {
                again.extend(cell.spec.clone());
            }
        }
        for (name, id, phase) in over {
            match phase {
                Phase::Starting { .. } => {
                    if let Some(process) = self
                        .cells
                        .get_mut(&name)
                        .and_then(|c| c.generations.get_mut(&id))
                    {
                        if !process.spec.serves && process.pid.is_some() {
                            process.phase = Phase::Ready { since: now };
                            self.ready(&name, id, now);
                            continue;
                        }
                        let limit = process.spec.ready_timeout;
                        let why = format!("it did not say within {limit:?} that it is ready");
                        process.complaint.get_or_insert(why);
                    }
                    self.kill(&name, id);
                }
                Phase::Draining { .. } | Phase::Leaving { .. } => self.terminate(&name, id, now),
                Phase::Terminating { .. } => self.kill(&name, id),
                Phase::Ready { .. } | Phase::Waiting | Phase::Killed => {}
            }
        }
        for spec in again {
            let name = spec.name.clone();
            if let Some(cell) = self.cells.get_mut(&name) {
                cell.rest = Rest::Unavailable;
                cell.restarts += 1;
                self.spawn(spec, now);
            }
        }
    }

    fn exited(&mut self, name: &str, id: Generation, exit: Exit, lines: Vec<String>, now: Instant) {
        if exit == Exit::Code(0) {
            self.done_early(name, id, now);
        }
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        let Some(process) = cell.generations.remove(&id) else {
            return;
        };
        let reason = process
            .complaint
            .clone()
            .unwrap_or_else(|| exit.to_string());
        let owned = name.to_owned();
        if cell.live == Some(id) || cell.next == Some(id) {
            cell.last_lines.clone_from(&lines);
        }
        if cell.next == Some(id) {
            cell.next = None;
            let old_serves = cell.live.is_some();
            if !old_serves {
                cell.reason = Some(reason.clone());
            }
            self.emit(SupervisorEvent::StartFailed {
                cell: owned,
                generation: id,
                reason: reason.clone(),
                last_log_lines: lines,
                old_serves,
            });
            if !self.set_lost(name, id, &reason, now) {
                self.fell_over(name, now);
            }
            return;
        }
        if cell.live != Some(id) {
            return self.emit(SupervisorEvent::Stopped {
                cell: owned,
                generation: id,
            });
        }
        cell.live = None;
        cell.reason = Some(reason);
        let stable = matches!(process.phase, Phase::Ready { since } if now.duration_since(since) >= process.spec.restart.stable);
        if stable {
            cell.failures = 0;
        }
        let finished = exit == Exit::Code(0);
        self.emit(SupervisorEvent::Exited {
            cell: owned,
            generation: id,
            exit,
            last_log_lines: lines,
        });
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        if cell.next.is_some() || self.in_a_set(name) || self.stopping {
            return;
        }
        let always = process.spec.restart.policy == Policy::Always;
        if finished && !always {
            if let Some(cell) = self.cells.get_mut(name) {
                cell.rest = Rest::Idle;
            }
        } else {
            self.fell_over(name, now);
        }
    }

    /// One that serves nothing and has done its work before it was believed to run did not fail to start.
    fn done_early(&mut self, name: &str, id: Generation, now: Instant) {
        let Some(process) = self
            .cells
            .get_mut(name)
            .filter(|cell| cell.next == Some(id))
            .and_then(|cell| cell.generations.get_mut(&id))
        else {
            return;
        };
        let starting = matches!(process.phase, Phase::Starting { .. });
        if starting && !process.spec.serves && process.complaint.is_none() {
            process.phase = Phase::Ready { since: now };
            self.ready(name, id, now);
            self.advance(now);
            // While the new one is still there to take the old one's place.
            self.drain_waiting(now);
        }
    }

    /// A cell that nobody else takes care of has nobody who serves: it is started again, unless it fails for ever.
    fn fell_over(&mut self, name: &str, now: Instant) {
        if self.stopping {
            return;
        }
        let Some(cell) = self.cells.get_mut(name).filter(|cell| !cell.gone) else {
            return;
        };
        if cell.live.is_some() || cell.next.is_some() {
            return;
        }
        cell.failures += 1;
        let owned = name.to_owned();
        let restart = cell.spec.as_ref().map(|spec| spec.restart.clone());
        let restart = restart.unwrap_or_default();
        match backoff::delay(cell.failures, &restart) {
            Some(wait) => {
                cell.rest = Rest::Backoff(now + wait);
                let in_ms = wait.as_millis() as u64;
                self.emit(SupervisorEvent::Restarting { cell: owned, in_ms });
            }
            None => {
                let times = cell.failures;
                let last = cell.reason.take().unwrap_or_default();
                cell.looping = restart.policy != Policy::Never;
                let reason = match restart.policy {
                    Policy::Never => format!(
                        "{last}; its policy is to stay down, `cargo cell restart {name}` starts it"
                    ),
                    _ => format!(
                        "`{name}` is in a crash loop, it ended {times} times in a row: {last}"
                    ),
                };
                let last_log_lines = cell.last_lines.clone();
                cell.rest = Rest::Unavailable;
                cell.reason = Some(reason.clone());
                self.emit(SupervisorEvent::Unavailable {
                    cell: owned,
                    reason,
                    last_log_lines,
                });
            }
        }
    }
}
