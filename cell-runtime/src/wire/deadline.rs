//! How a deadline travels: as what remains until then, since clocks differ.

use std::time::{Duration, Instant};

/// The deadline of a call that names none.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// The longest deadline that a peer can ask for; a longer one is shortened to it.
const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Stands for no deadline: no process lives to see it. Clocks have no value for never.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What is so far away is no deadline.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The deadline of a call without one.
pub(crate) fn none(now: Instant) -> Instant {
    now + NEVER
}

/// Whether a deadline stands for none.
pub(crate) fn is_none(now: Instant, deadline: Instant) -> bool {
    deadline.saturating_duration_since(now) > FAR
}

/// The field of a REQUEST: at least one microsecond, since zero means the default.
pub(super) fn to_wire(now: Instant, deadline: Instant) -> u64 {
    let remaining = deadline.saturating_duration_since(now);
    if remaining > FAR {
        return u64::MAX;
    }
    u64::try_from(remaining.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// A deadline that is so far away does with about the time.
const ROUGH: Duration = Duration::from_secs(2);

/// What time it is.
pub trait Clock: Copy {
    /// The time.
    fn now(self) -> Instant;
    /// About the time: at most some milliseconds ago, where that costs less. It never lies ahead, so that no deadline is passed on too late.
    fn about_now(self) -> Instant {
        self.now()
    }
}

/// A clock that stands.
impl Clock for Instant {
    fn now(self) -> Instant {
        self
    }
}

/// The deadline that a REQUEST's field means.
pub(super) fn from_wire(clock: impl Clock, field: u64) -> Instant {
    let remaining = match field {
        0 => DEFAULT_DEADLINE,
        u64::MAX => return none(clock.about_now()),
        us => Duration::from_micros(us).min(DEADLINE_MAX),
    };
    if remaining < ROUGH {
        clock.now() + remaining
    } else {
        clock.about_now() + remaining
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn deadlines_cross_the_wire() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        for (deadline, field, read) in [
            (now + second, 1_000_000, now + second),
            (now, 1, now + Duration::from_micros(1)),
            (none(now), u64::MAX, none(now)),
            (
                now + 30 * DEADLINE_MAX,
                2_592_000_000_000,
                now + DEADLINE_MAX,
            ),
        ] {
            assert_eq!(to_wire(now, deadline), field);
            assert_eq!(from_wire(now, field), read);
        }
        assert_eq!(from_wire(now, 0), now + DEFAULT_DEADLINE);
        assert!(is_none(now, none(now)) && !is_none(now, now + DEADLINE_MAX));
    }
}
