//! Swap sets: which cells take new builds together, in which order, and what happens when one of them fails.
//!
//! A set starts its cells callees first. One that may not overlap with its old generation comes last: its callers of the
//! set have been swapped by then and their old generations are gone, so that only new callers wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::super::types::{CellSpec, Outcome, SupervisorEvent, Swap};
use super::cell::{Cell, Phase, Rest};
use super::{Action, Generation, State, SwapId};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set {
    all_or_none: bool,
    members: BTreeMap<String, Member>,
    culprit: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Member {
    spec: Arc<CellSpec>,
    /// What served when the set began: what is started again when the set fails too late.
    previous: Option<Arc<CellSpec>>,
    step: Step,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Pending,
    /// The old generation has to be gone before the new one may start.
    Clearing,
    Starting(Generation),
    /// Ready, and waiting for the others of its set.
    Ready(Generation),
    Done(Swap),
}

impl Step {
    fn is_done(&self) -> bool {
        matches!(self, Step::Done(_))
    }
}

impl Set {
    fn open(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.members
            .iter()
            .filter(|(_, member)| !member.step.is_done())
    }
}

impl State {
    pub(super) fn apply(
        &mut self,
        id: SwapId,
        specs: Vec<Arc<CellSpec>>,
        all_or_none: bool,
        now: Instant,
    ) {
        let mut members = BTreeMap::new();
        let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
        self.leave_sets(&names, now);
        for spec in specs {
            let name = spec.name.clone();
            let cell = self
                .cells
                .entry(name.clone())
                .or_insert_with(|| Cell::new(&name));
            cell.gone = false;
            cell.forgive();
            cell.parked = false;
            let served =
                cell.live.is_some() || cell.generations.values().any(|p| p.phase.is_leaving());
            let previous = cell.spec.clone().filter(|_| served);
            cell.rest = Rest::Unavailable;
            if previous.is_none() {
                cell.spec = Some(spec.clone());
            }
            let step = if self.stopping {
                Step::Done(Swap::Stopped)
            } else {
                Step::Pending
            };
            members.insert(
                name,
                Member {
                    spec,
                    previous,
                    step,
                },
            );
        }
        self.sets.insert(
            id,
            Set {
                all_or_none,
                members,
                culprit: None,
            },
        );
    }

    pub(super) fn restart(&mut self, id: SwapId, name: &str, now: Instant) {
        let spec = self
            .cells
            .get(name)
            .filter(|cell| !cell.gone)
            .and_then(|cell| cell.spec.clone());
        self.apply(id, spec.into_iter().collect(), false, now);
    }

    /// Whether a set takes care of this cell.
    pub(super) fn in_a_set(&self, name: &str) -> bool {
        self.sets
            .values()
            .any(|set| set.members.get(name).is_some_and(|m| !m.step.is_done()))
    }

    /// A later set, or nobody, takes care of these cells from now on. A set that serves all or none ends with one of them.
    pub(super) fn leave_sets(&mut self, names: &[String], now: Instant) {
        let ids: Vec<SwapId> = self.sets.keys().copied().collect();
        for id in ids {
            let Some(set) = self.sets.get(&id) else {
                continue;
            };
            if !set.open().any(|(member, _)| names.contains(member)) {
                continue;
            }
            let all = set.all_or_none;
            let leaving: Vec<String> = set
                .open()
                .map(|(member, _)| member.clone())
                .filter(|member| all || names.contains(member))
                .collect();
            for member in leaving {
                self.finish_member(id, &member, Swap::Superseded);
                if !names.contains(&member) {
                    self.bring_back(id, &member, now);
                }
            }
        }
    }

    pub(super) fn abandon_all_sets(&mut self) {
        for set in self.sets.values_mut() {
            for member in set.members.values_mut().filter(|m| !m.step.is_done()) {
                member.step = Step::Done(Swap::Stopped);
            }
        }
    }

    /// A generation of a set became ready; whether the set has to decide.
    pub(super) fn set_is_told(&mut self, name: &str, id: Generation) -> bool {
        for set in self.sets.values_mut() {
            if let Some(member) = set.members.get_mut(name)
                && member.step == Step::Starting(id)
            {
                member.step = Step::Ready(id);
                return true;
            }
        }
        false
    }

    /// A generation of a set is gone before it served; whether there was such a set.
    pub(super) fn set_lost(
        &mut self,
        name: &str,
        id: Generation,
        reason: &str,
        now: Instant,
    ) -> bool {
        let set = self.sets.iter().find_map(|(swap, set)| {
            let step = &set.members.get(name)?.step;
            matches!(step, Step::Starting(of) | Step::Ready(of) if *of == id).then_some(*swap)
        });
        let Some(swap) = set else {
            return false;
        };
        self.fail(swap, name, reason, now);
        true
    }

    fn fail(&mut self, id: SwapId, name: &str, reason: &str, now: Instant) {
        let Some(set) = self.sets.get_mut(&id) else {
            return;
        };
        set.culprit
            .get_or_insert((name.to_owned(), reason.to_owned()));
        let held: Vec<String> = match set.all_or_none {
            true => set
                .members
                .keys()
                .filter(|member| *member != name)
                .cloned()
                .collect(),
            false => Vec::new(),
        };
        let reason = reason.to_owned();
        self.finish_member(id, name, Swap::Failed { reason });
        self.bring_back(id, name, now);
        for member in held {
            self.finish_member(id, &member, Swap::Held);
            self.bring_back(id, &member, now);
        }
    }

    /// Ends a member's part in its set; what it had started is ended too.
    fn finish_member(&mut self, id: SwapId, name: &str, outcome: Swap) {
        let Some(member) = self
            .sets
            .get_mut(&id)
            .and_then(|set| set.members.get_mut(name))
        else {
            return;
        };
        let started = match member.step {
            Step::Starting(generation) | Step::Ready(generation) => Some(generation),
            _ => None,
        };
        member.step = Step::Done(outcome);
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        if started.is_some() && cell.next == started {
            cell.next = None;
            // It has served nobody: there is nothing to finish.
            let generation = started.unwrap_or_default();
            if let Some(process) = cell.generations.get_mut(&generation) {
                process.phase = Phase::Killed;
                let cell = name.to_owned();
                self.actions.push(Action::Kill { cell, generation });
            }
        }
    }

    /// After a failure: where the old generation is already gone or going, its build is started again.
    fn bring_back(&mut self, id: SwapId, name: &str, now: Instant) {
        let member = self.sets.get(&id).and_then(|set| set.members.get(name));
        let previous = member.and_then(|member| member.previous.clone());
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        let serves = cell.process(cell.live).map(|process| process.spec.clone());
        match previous {
            Some(previous) if serves.as_ref() != Some(&previous) => {
                cell.spec = Some(previous.clone());
                if cell.live.is_some() && !previous.overlap {
                    self.let_go(name, now);
                }
                if let Some(cell) = self.cells.get_mut(name) {
                    // The old build starts as soon as nothing is in its way; see `advance`.
                    cell.rest = Rest::Backoff(now);
                }
            }
            Some(_) => {}
            None if cell.live.is_none() => {
                let reason = cell
                    .reason
                    .clone()
                    .unwrap_or_else(|| "it was not started".to_owned());
                cell.rest = Rest::Unavailable;
                cell.reason = Some(reason.clone());
                let cell = name.to_owned();
                self.emit(SupervisorEvent::Unavailable {
                    cell,
                    reason,
                    last_log_lines: Vec::new(),
                });
            }
            None => {}
        }
    }

    /// Moves every set as far as it goes.
    pub(super) fn advance(&mut self, now: Instant) {
        if !self.stopping {
            let ids: Vec<SwapId> = self.sets.keys().copied().collect();
            for id in ids {
                while self.advance_set(id, now) {}
            }
        }
        let done: Vec<SwapId> = self
            .sets
            .iter()
            .filter(|(_, set)| set.open().next().is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in done {
            if let Some(set) = self.sets.remove(&id) {
                let outcome = |(name, member): (String, Member)| match member.step {
                    Step::Done(swap) => Some((name, swap)),
                    _ => None,
                };
                let outcome = Outcome {
                    cells: set.members.into_iter().filter_map(outcome).collect(),
                    culprit: set.culprit,
                };
                self.actions.push(Action::Finished { swap: id, outcome });
            }
        }
    }

    /// One move of a set; whether there was one.
    fn advance_set(&mut self, id: SwapId, now: Instant) -> bool {
        let Some(set) = self.sets.get(&id) else {
            return false;
        };
        if let Some((name, generation)) = self.to_promote(set) {
            return self.promote_member(id, &name, generation, now);
        }
        let Some((name, exclusive)) = self.to_start(set) else {
            return false;
        };
        let step = match exclusive {
            true => {
                self.let_go(&name, now);
                Step::Clearing
            }
            false => {
                let Some(spec) = self.spec_of(id, &name) else {
                    return false;
                };
                self.end_solo(&name, now);
                Step::Starting(self.spawn(spec, now))
            }
        };
        if let Some(member) = self
            .sets
            .get_mut(&id)
            .and_then(|set| set.members.get_mut(&name))
        {
            member.step = step;
        }
        true
    }

    fn spec_of(&self, id: SwapId, name: &str) -> Option<Arc<CellSpec>> {
        Some(self.sets.get(&id)?.members.get(name)?.spec.clone())
    }

    /// A start outside any set gives way to the set.
    fn end_solo(&mut self, name: &str, now: Instant) {
        let next = self.cells.get_mut(name).and_then(|cell| cell.next.take());
        if let Some(next) = next {
            self.terminate(name, next, now);
        }
    }

    /// A ready member that may serve now.
    fn to_promote(&self, set: &Set) -> Option<(String, Generation)> {
        let together = set.all_or_none
            && set.open().any(|(name, member)| {
                !matches!(member.step, Step::Ready(_)) && !self.is_exclusive(set, name)
            });
        set.open().find_map(|(name, member)| match member.step {
            Step::Ready(generation) if !together || self.is_exclusive(set, name) => {
                Some((name.clone(), generation))
            }
            _ => None,
        })
    }

    fn promote_member(
        &mut self,
        id: SwapId,
        name: &str,
        generation: Generation,
        now: Instant,
    ) -> bool {
        let pid = self
            .cells
            .get(name)
            .and_then(|cell| cell.process(Some(generation)))
            .and_then(|process| process.pid)
            .unwrap_or(0);
        self.promote(name, generation, now);
        if let Some(member) = self
            .sets
            .get_mut(&id)
            .and_then(|set| set.members.get_mut(name))
        {
            member.step = Step::Done(Swap::Swapped { generation, pid });
        }
        true
    }

    /// Whether a member may not live beside its old generation, and there is or was one.
    fn is_exclusive(&self, set: &Set, name: &str) -> bool {
        set.members
            .get(name)
            .is_some_and(|member| !member.spec.overlap && member.previous.is_some())
    }

    /// The next member to start, and whether its old generation has to go first.
    fn to_start(&self, set: &Set) -> Option<(String, bool)> {
        let clear = |name: &str| {
            self.cells
                .get(name)
                .is_none_or(|cell| cell.generations.is_empty())
        };
        // Whose old generation is gone is free to start.
        let cleared =
            |(name, member): &(&String, &Member)| member.step == Step::Clearing && clear(name);
        if let Some((name, _)) = set.open().find(cleared) {
            return Some((name.clone(), false));
        }
        let is_open = |callee: &String, beside_exclusive: bool| {
            set.members.get(callee).is_some_and(|member| {
                let under_way = matches!(
                    member.step,
                    Step::Pending | Step::Clearing | Step::Starting(_)
                );
                under_way && (!beside_exclusive || !self.is_exclusive(set, callee))
            })
        };
        let pending: Vec<(&String, &Member)> = set
            .open()
            .filter(|(_, member)| member.step == Step::Pending)
            .collect();
        let (last, first): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|(name, _)| self.is_exclusive(set, name));
        let ready = |members: &[(&String, &Member)]| {
            let free = |(name, member): &&(&String, &Member)| {
                !member
                    .spec
                    .calls
                    .iter()
                    .any(|callee| callee != *name && is_open(callee, set.all_or_none))
            };
            let free = members.iter().find(free);
            let under_way = set
                .open()
                .any(|(_, member)| matches!(member.step, Step::Clearing | Step::Starting(_)));
            // Nothing free and nothing under way: they call each other in a circle.
            let circle = members.first().filter(|_| !under_way);
            free.or(circle).map(|(name, _)| (*name).clone())
        };
        if let Some(name) = ready(&first) {
            // One without an old generation that must not overlap with what is still on its way out.
            let waits = set.members.get(&name).is_some_and(|m| !m.spec.overlap) && !clear(&name);
            return Some((name, waits));
        }
        let others_done = set
            .members
            .iter()
            .all(|(name, member)| member.step.is_done() || self.is_exclusive(set, name));
        let old_callers_gone = || {
            set.members
                .keys()
                .filter(|name| !self.is_exclusive(set, name))
                .all(|name| {
                    self.cells
                        .get(name)
                        .is_none_or(|cell| cell.generations.values().all(|p| !p.phase.is_leaving()))
                })
        };
        if set.all_or_none && !(others_done && old_callers_gone()) {
            return None;
        }
        ready(&last).map(|name| (name, true))
    }
}
