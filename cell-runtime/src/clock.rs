//! What time it is, and about what time it is for those to whom that is enough: a look at the system's clock takes some 25 ns where
//! machines are virtual, one at its last tick (clock_gettime(2), `CLOCK_MONOTONIC_COARSE`) 5.
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

    /// One moment by the standard library, which makes no time out of a number, and by the system, whose two clocks are one but for
    /// the tick. The number is read second, so that no time that is made of it lies ahead.
    static ANCHOR: OnceLock<(Instant, Duration)> = OnceLock::new();

    /// The time of the last tick (they come every 1 to 10 ms).
    pub(super) fn now() -> Option<Instant> {
        let read = |clock| Some(Duration::from(clock_gettime(clock).ok()?));
        let tick = read(ClockId::CLOCK_MONOTONIC_COARSE)?;
        let (anchor, then) = match ANCHOR.get() {
            Some(anchor) => anchor,
            None => {
                let anchor = (Instant::now(), read(ClockId::CLOCK_MONOTONIC)?);
                ANCHOR.get_or_init(|| anchor)
            }
        };
        match tick.checked_sub(*then) {
            Some(since) => Some(*anchor + since),
            None => anchor.checked_sub(*then - tick),
        }
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
    fn about_now_is_at_most_a_tick_or_two_ago() {
        for _ in 0..1000 {
            let before = SystemClock.now();
            let about = SystemClock.about_now();
            let after = SystemClock.now();
            let off = Duration::from_millis(20);
            assert!(about + off >= before, "{:?} too early", before - about);
            assert!(about <= after, "{:?} ahead", about - after);
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}
