//! Which sockets exist, who answers at them, and who may see them: derived from the state after every step.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use super::cell::{Cell, Phase, Process, Rest};

/// Who answers at a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// A generation that serves or is about to: callers wait in the backlog, the supervisor leaves it alone.
    Held,
    /// Nobody yet: the first caller starts the cell.
    Watched,
    /// The supervisor, who says why nobody serves.
    Refused(String),
}

/// All sockets of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doors {
    /// For each cell and fingerprint, who answers.
    pub doors: BTreeMap<(String, u64), Door>,
    /// The fingerprint that a cell's plain name means.
    pub current: BTreeMap<String, u64>,
    /// The cells whose sockets a cell may see.
    pub visible: BTreeMap<String, BTreeSet<String>>,
}

impl State {
    /// The sockets that must exist now.
    pub fn doors(&self) -> Doors {
        let mut all = Doors::default();
        for cell in self.cells.values() {
            self.doors_of(cell, &mut all);
        }
        all
    }

    fn doors_of(&self, cell: &Cell, all: &mut Doors) {
        let fingerprint = |process: &Process| process.spec.fingerprint;
        let serving = |process: &&Process| {
            let phase = process.phase;
            matches!(
                phase,
                Phase::Starting { .. } | Phase::Ready { .. } | Phase::Waiting
            )
        };
        let open: BTreeSet<u64> = cell
            .generations
            .values()
            .filter(serving)
            .map(fingerprint)
            .collect();
        let keep = !self.stopping && !cell.gone;
        let current = cell
            .process(cell.live)
            .or(cell.process(cell.next))
            .map(fingerprint)
            .or(cell.spec.as_ref().map(|spec| spec.fingerprint))
            .unwrap_or(cell.fingerprint);
        let mut wanted = open.clone();
        if keep {
            wanted.insert(current);
        }
        if wanted.contains(&current) {
            all.current.insert(cell.name.clone(), current);
        }
        for fingerprint in wanted {
            let door = self.door(cell, fingerprint, &open);
            all.doors.insert((cell.name.clone(), fingerprint), door);
        }
        let callees: BTreeSet<String> = cell
            .generations
            .values()
            .flat_map(|process| process.spec.calls.iter().cloned())
            .collect();
        if !cell.generations.is_empty() {
            all.visible.insert(cell.name.clone(), callees);
        }
    }

    fn door(&self, cell: &Cell, fingerprint: u64, open: &BTreeSet<u64>) -> Door {
        let reason = || {
            cell.reason
                .clone()
                .unwrap_or_else(|| "it has not been built".to_owned())
        };
        let serves = |process: &&Process| process.spec.fingerprint == fingerprint;
        if open.contains(&fingerprint) {
            let mut here = cell.generations.values().filter(serves);
            let someone = here.any(|process| {
                let accepts = process.accepts || process.spec.serves;
                match process.phase {
                    Phase::Ready { .. } | Phase::Waiting => accepts,
                    // Whoever has just failed may fail again: callers need not wait to see.
                    Phase::Starting { .. } => accepts && cell.failures == 0,
                    _ => false,
                }
            });
            return match someone {
                true => Door::Held,
                false if cell.live.is_some() => {
                    Door::Refused(format!("`{}` serves no calls", cell.name))
                }
                false => Door::Refused(
                    cell.reason
                        .clone()
                        .unwrap_or_else(|| format!("`{}` serves no calls", cell.name)),
                ),
            };
        }
        // Between two generations that may not overlap callers wait.
        if self.in_a_set(&cell.name) {
            return Door::Held;
        }
        match cell.rest {
            Rest::Idle => Door::Watched,
            Rest::Called => Door::Held,
            Rest::Backoff(_) if cell.failures == 0 => Door::Held,
            Rest::Backoff(_) | Rest::Unavailable => Door::Refused(reason()),
        }
    }
}
