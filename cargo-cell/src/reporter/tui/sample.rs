//! What cells use: read from `/proc` once a second while the terminal UI is on.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the terminal UI's measurements"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use super::model::{Model, Usage};
use crate::supervisor::SupervisorEvent;

/// Remembers the last measurement, of which the next one is the difference.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    last: BTreeMap<u32, (Instant, u64)>,
    /// Calls answered by a generation.
    calls: BTreeMap<String, (u64, Instant, u64)>,
}

impl Sampler {
    /// Measures every cell; whether anything shown changed.
    pub(super) fn take(&mut self, model: &mut Model, now: Instant) -> bool {
        let mut next = BTreeMap::new();
        let mut changed = false;
        for row in model.cells.values_mut() {
            let Some(pid) = row.pid else { continue };
            let Some((ticks, pages)) = read(pid) else {
                continue;
            };
            next.insert(pid, (now, ticks));
            let Some((then, before)) = self.last.get(&pid) else {
                continue;
            };
            let seconds = now.duration_since(*then).as_secs_f64().max(0.001);
            let used = ticks.saturating_sub(*before) as f64 / ticks_per_second();
            let usage = Usage {
                cpu: (used / seconds * 1000.0).round() as u32,
                memory: pages * page_size(),
                ..row.usage.unwrap_or_default()
            };
            changed |= row.usage != Some(usage);
            row.usage = Some(usage);
        }
        self.last = next;
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
        let last = self.calls.insert(cell.clone(), (*generation, now, *calls));
        let rate = last
            .filter(|(of, _, _)| of == generation)
            .map(|(_, then, before)| {
                let seconds = now.duration_since(then).as_secs_f64().max(0.001);
                (calls.saturating_sub(before) as f64 / seconds).round()
            });
        let usage = Usage {
            calls: rate,
            p99_us: *p99_us,
            ..row.usage.unwrap_or_default()
        };
        let changed = row.usage != Some(usage);
        row.usage = Some(usage);
        changed
    }
}

/// Clock ticks that a process has run for, and its resident pages.
fn read(pid: u32) -> Option<(u64, u64)> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 14, 15 and 24 of proc_pid_stat(5). The second one is a name in parentheses that may hold anything.
fn parse(stat: &str) -> Option<(u64, u64)> {
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(24)?))
}

fn ticks_per_second() -> f64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .map_or(100.0, |ticks| ticks as f64)
}

fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .map_or(4096, |size| size as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 99 1000000 512 18446744073709551615";
        assert_eq!(parse(stat), Some((300, 512)));
        assert_eq!(parse("7 (a"), None);
        assert!(read(std::process::id()).is_some_and(|(_, pages)| pages > 0));
    }
}
