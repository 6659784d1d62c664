//! How long calls took: a histogram with buckets that grow with the value, eight to each power of two, so that a quantile is
//! at most an eighth too low.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Microseconds up to 2^35, about ten hours, in steps of an eighth.
const BUCKETS: usize = 33 * 8;

/// Durations of calls, counted only once somebody has asked for them.
#[derive(Debug)]
pub(super) struct Latency {
    wanted: AtomicBool,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Latency {
    fn default() -> Self {
        Latency {
            wanted: AtomicBool::new(false),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

impl Latency {
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(super) fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
    }

    /// The quantile (in thousandths) of what was recorded since the last time, and starts anew; nothing where nothing was.
    pub(super) fn take(&self, thousandths: u64) -> Option<u64> {
        self.wanted.store(true, Ordering::Relaxed);
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.swap(0, Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        // The first bucket up to which at least that share lies.
        let wanted = (total * thousandths).div_ceil(1000).max(1);
        let mut seen = 0;
        counts.iter().enumerate().find_map(|(index, count)| {
            seen += count;
            (seen >= wanted).then(|| least(index))
        })
    }
}

/// The bucket of a value.
fn bucket(us: u64) -> usize {
    if us < 8 {
        return us as usize;
    }
    let power = 63 - us.leading_zeros() as usize;
    let eighth = (us >> (power - 3)) as usize & 7;
    ((power - 2) * 8 + eighth).min(BUCKETS - 1)
}

/// The least value of a bucket.
fn least(bucket: usize) -> u64 {
    match bucket {
        0..8 => bucket as u64,
        _ => (8 + (bucket as u64 & 7)) << (bucket / 8 - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_at_most_an_eighth_wide() {
        for us in (0..5000).chain([1 << 20, (1 << 30) + 12345, u64::MAX]) {
            let least = least(bucket(us));
            assert!(least <= us, "{us}: {least}");
            assert!(us - least <= least / 8 || us > 1 << 34, "{us}: {least}");
        }
    }

    #[test]
    fn a_quantile_is_of_what_came_since_the_last_one() {
        let latency = Latency::default();
        assert!(!latency.is_wanted());
        assert_eq!(latency.take(990), None);
        assert!(latency.is_wanted());
        for us in 1..=100 {
            latency.record(Duration::from_micros(us));
        }
        assert_eq!(latency.take(990), Some(96));
        assert_eq!(latency.take(990), None);
        latency.record(Duration::from_micros(5));
        assert_eq!(latency.take(500), Some(5));
    }
}
