//! What a cell counts about itself.

mod latency;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use latency::Latency;

/// Counters of one server; cheap enough for every call.
#[derive(Debug, Default)]
pub struct Metrics {
    started: AtomicU64,
    ok: AtomicU64,
    failed: AtomicU64,
    latency: Latency,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Calls that were started.
    pub started: u64,
    /// Calls that the handler answered, with a value or with its own error.
    pub ok: u64,
    /// Calls that ended with a status, or whose caller went away.
    pub failed: u64,
}

impl Metrics {
    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            started: self.started.load(Ordering::Relaxed),
            ok: self.ok.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// The time that 99 of 100 calls answered since the last time took at most, in microseconds and at most an eighth too
    /// low; nothing where none was. Calls are timed from the first time on: a clock that nobody reads costs nothing.
    pub fn take_p99_us(&self) -> Option<u64> {
        self.latency.take(990)
    }

    /// A call starts; the time is kept where somebody wants it.
    pub(crate) fn started(&self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.latency.is_wanted().then(now)
    }

    /// A call that was answered, with a value or a status.
    pub(crate) fn answered(&self, ok: bool, began: Option<Instant>, now: impl FnOnce() -> Instant) {
        self.ended(ok);
        if let Some(began) = began {
            self.latency.record(now().duration_since(began));
        }
    }

    pub(crate) fn ended(&self, ok: bool) {
        let counter = if ok { &self.ok } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
