//! What cells use, measured once a second while the terminal UI is on.

use std::time::Instant;

use super::model::Model;
use crate::supervisor::SupervisorEvent;
use crate::usage::{Meter, Usage};

/// Measures what the model shows.
#[derive(Debug, Default)]
pub(super) struct Sampler(Meter);

impl Sampler {
    /// Measures every cell; whether anything shown changed.
    pub(super) fn take(&mut self, model: &mut Model, now: Instant) -> bool {
        let mut changed = false;
        self.0
            .keep(&model.cells.values().filter_map(|row| row.pid).collect());
        for row in model.cells.values_mut() {
            let Some((cpu, memory)) = row.pid.and_then(|pid| self.0.process(pid, now)) else {
                continue;
            };
            let usage = Usage {
                cpu,
                memory,
                ..row.usage.unwrap_or_default()
            };
            changed |= row.usage != Some(usage);
            row.usage = Some(usage);
        }
        changed
    }

    /// Takes what a cell says of its calls; whether anything shown changed.
    pub(super) fn calls(
        &mut self,
        model: &mut Model,
        said: &SupervisorEvent,
        now: Instant,
    ) -> bool {
        let SupervisorEvent::Measured {
            cell,
            generation,
            calls,
            p99_us,
        } = said
        else {
            return false;
        };
        let Some(row) = model.cells.get_mut(cell) else {
            return false;
        };
        if row.generation != Some(*generation) {
            return false;
        }
        let usage = Usage {
            calls: self.0.calls(cell, *generation, *calls, now),
            p99_us: *p99_us,
            ..row.usage.unwrap_or_default()
        };
        let changed = row.usage != Some(usage);
        row.usage = Some(usage);
        changed
    }
}
