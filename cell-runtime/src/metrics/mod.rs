//! What a cell counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one server; cheap enough for every call.
#[derive(Debug, Default)]
pub struct Metrics {
    started: AtomicU64,
    ok: AtomicU64,
    failed: AtomicU64,
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

    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, ok: bool) {
        let counter = if ok { &self.ok } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
