//! How much is said of peers that are turned away: a stranger must not fill a log.

use std::time::Duration;

/// So many in a row are named each.
const BURST: u32 = 10;

/// After that one in so long.
const EVERY: Duration = Duration::from_secs(5);

/// Counts what is said and what is not.
#[derive(Debug, Default)]
pub(super) struct Quota {
    /// Said lately; it is forgotten with time.
    said: u32,
    /// Until when time was taken into account.
    since: Duration,
    unsaid: u64,
}

impl Quota {
    /// Whether one more is named; then with how many before it that were not.
    pub(super) fn say(&mut self, now: Duration) -> Option<u64> {
        let periods = now.saturating_sub(self.since).as_secs() / EVERY.as_secs();
        if periods > 0 {
            self.since = now;
            self.said = self
                .said
                .saturating_sub(u32::try_from(periods).unwrap_or(u32::MAX));
        }
        if self.said == BURST {
            self.unsaid += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_repeated() {
        let mut quota = Quota::default();
        let at = Duration::from_secs;
        for _ in 0..BURST {
            assert_eq!(quota.say(at(100)), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(quota.say(at(101)), None);
        }
        assert_eq!(quota.say(at(105)), Some(1000));
        assert_eq!(quota.say(at(106)), None);
        // After a long rest there is a whole burst again, and no more than that.
        let said = (0..50).filter(|_| quota.say(at(100_000)).is_some());
        assert_eq!(said.count(), BURST as usize);
    }
}
