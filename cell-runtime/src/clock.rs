//! What time it is, and about what time it is for those to whom that is enough: the system's clock costs as much as a tenth of a
//! handler's share of a call, and its time at the last tick (clock_gettime(2), `CLOCK_MONOTONIC_COARSE`) a fifth of that.
#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge"
)]

use std::time::Instant;

use crate::wire::Clock;

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(self) -> Instant {
        Instant::now()
    }

    fn about_now(self) -> Instant {
        coarse::now().unwrap_or_else(Instant::now)
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod coarse {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    use nix::time::{ClockId, clock_gettime};

    /// One moment by both clocks: the standard library makes no time out of a number.
    static ANCHOR: OnceLock<(Duration, Instant)> = OnceLock::new();

    /// At most a tick (up to 10 ms) before or after the time.
    pub(super) fn now() -> Option<Instant> {
        let ticks: Duration = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).ok()?.into();
        let (then, anchor) = ANCHOR.get_or_init(|| (ticks, Instant::now()));
        Some(*anchor + ticks.checked_sub(*then)?)
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod coarse {
    pub(super) fn now() -> Option<std::time::Instant> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn about_now_is_now_within_a_tick_or_two() {
        for _ in 0..1000 {
            let before = SystemClock.now();
            let about = SystemClock.about_now();
            let after = SystemClock.now();
            let off = Duration::from_millis(20);
            assert!(about + off >= before, "{:?} too early", before - about);
            assert!(about <= after + off, "{:?} too late", about - after);
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}
