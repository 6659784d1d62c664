//! What cells use: processor and memory from `/proc`, calls from what they say themselves. `top` and the terminal UI show it.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of measuring processes"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// What a cell uses, as measured since the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Thousandths of a core.
    pub cpu: u32,
    /// Resident bytes.
    pub memory: u64,
    /// Calls answered a second.
    pub calls: Option<f64>,
    /// The slowest hundredth of the calls took at least this long, in microseconds.
    pub p99_us: Option<u64>,
}

/// Remembers the last measurement, of which the next one is the difference.
#[derive(Debug, Default)]
pub struct Meter {
    ticks: BTreeMap<u32, (Instant, u64)>,
    /// Calls answered by a generation.
    calls: BTreeMap<String, (u64, Instant, u64)>,
}

impl Meter {
    /// Thousandths of a core and resident bytes of a process; nothing the first time, or where it is gone.
    pub fn process(&mut self, pid: u32, now: Instant) -> Option<(u32, u64)> {
        let Some((ticks, pages)) = read(pid) else {
            self.ticks.remove(&pid);
            return None;
        };
        let (then, before) = self.ticks.insert(pid, (now, ticks))?;
        let seconds = now.duration_since(then).as_secs_f64().max(0.001);
        let used = ticks.saturating_sub(before) as f64 / ticks_per_second();
        let cpu = (used / seconds * 1000.0).round() as u32;
        Some((cpu, pages * page_size()))
    }

    /// Forgets the other processes.
    pub fn keep(&mut self, pids: &BTreeSet<u32>) {
        self.ticks.retain(|pid, _| pids.contains(pid));
    }

    /// Calls a second of a generation that has answered so many; nothing the first time.
    pub fn calls(&mut self, cell: &str, generation: u64, calls: u64, now: Instant) -> Option<f64> {
        let last = self.calls.insert(cell.to_owned(), (generation, now, calls));
        let (_, then, before) = last.filter(|(of, _, _)| *of == generation)?;
        let seconds = now.duration_since(then).as_secs_f64().max(0.001);
        Some((calls.saturating_sub(before) as f64 / seconds).round())
    }
}

/// Microseconds, for people.
#[must_use]
pub fn micros(us: u64) -> String {
    match us {
        us if us < 1000 => format!("{us} µs"),
        us if us < 1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// Bytes, for people.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    match bytes {
        b if b < 10 << 20 => format!("{:.1} MiB", b as f64 / f64::from(1 << 20)),
        b if b < 10 << 30 => format!("{} MiB", b >> 20),
        b => format!("{} GiB", b >> 30),
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
    fn a_rate_is_the_difference_within_one_generation() {
        let mut meter = Meter::default();
        let start = Instant::now();
        let later = |seconds| start + std::time::Duration::from_secs(seconds);
        assert_eq!(meter.calls("a", 1, 100, start), None);
        assert_eq!(meter.calls("a", 1, 300, later(2)), Some(100.0));
        assert_eq!(meter.calls("a", 2, 5, later(3)), None);
        assert_eq!(meter.calls("b", 2, 5, later(3)), None);
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 99 1000000 512 18446744073709551615";
        assert_eq!(parse(stat), Some((300, 512)));
        assert_eq!(parse("7 (a"), None);
        assert!(read(std::process::id()).is_some_and(|(_, pages)| pages > 0));
    }
}
