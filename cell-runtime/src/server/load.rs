//! What all connections of a cell share: how much they may make it hold at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire::Status;

/// How much a cell takes on before it answers `overloaded`. What a single connection may is in [`crate::wire::Limits`].
///
/// More than 16,777,215 calls, or 1 TiB less a byte, are as good as these: a cell counts no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// The most connections.
    pub connections_max: usize,
    /// The most calls in flight.
    pub calls_max: usize,
    /// The most bytes that the arguments of all calls in flight may have.
    pub request_bytes_max: usize,
}

impl LoadLimits {
    /// 1,024 connections, 16,384 calls in flight with 512 MiB of arguments.
    pub const DEFAULT: LoadLimits = LoadLimits {
        connections_max: 1024,
        calls_max: 16_384,
        request_bytes_max: 512 << 20,
    };
}

impl Default for LoadLimits {
    fn default() -> LoadLimits {
        LoadLimits::DEFAULT
    }
}

/// What is in flight, in one word: the calls above the bytes. Limits beyond what it holds are cut to that.
#[derive(Debug)]
pub(super) struct Load {
    calls_max: u64,
    bytes_max: u64,
    held: AtomicU64,
}

/// The bits of the bytes: a tebibyte. The calls have the rest: 16 million.
const BYTES_BITS: u32 = 40;
const BYTES_MAX: u64 = (1 << BYTES_BITS) - 1;
const CALL: u64 = 1 << BYTES_BITS;
const CALLS_MAX: u64 = u64::MAX >> BYTES_BITS;

impl Load {
    pub(super) fn new(limits: LoadLimits) -> Arc<Load> {
        let at_most = |limit, most| u64::try_from(limit).unwrap_or(most).min(most);
        Arc::new(Load {
            calls_max: at_most(limits.calls_max, CALLS_MAX),
            bytes_max: at_most(limits.request_bytes_max, BYTES_MAX),
            held: AtomicU64::new(0),
        })
    }

    /// Room for a call with so many bytes of arguments, until what is given is dropped.
    pub(super) fn admit(&self, bytes: usize) -> Result<Admission<'_>, Status> {
        let share = self.take(1, bytes)?;
        Ok(Admission { load: self, share })
    }

    /// Room for a batch of a caller's items, until what is given is dropped.
    pub(super) fn hold(self: &Arc<Load>, bytes: usize) -> Result<Permit, Status> {
        let share = self.take(0, bytes)?;
        Ok(Permit {
            load: Arc::clone(self),
            share,
        })
    }

    /// Adds so much, unless that would be too much, and says what to take away again.
    fn take(&self, calls: u64, bytes: usize) -> Result<u64, Status> {
        let bytes = bytes as u64;
        let add = |held: u64| {
            let fits = (held >> BYTES_BITS) + calls <= self.calls_max
                && bytes <= self.bytes_max
                && (held & BYTES_MAX) + bytes <= self.bytes_max;
            fits.then(|| held + calls * CALL + bytes)
        };
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .map_err(|held| Status::overloaded(self.refusal(held, calls, bytes)))?;
        Ok(calls * CALL + bytes)
    }

    #[cold]
    fn refusal(&self, held: u64, calls: u64, bytes: u64) -> String {
        let in_flight = held >> BYTES_BITS;
        if in_flight + calls > self.calls_max {
            return format!("{in_flight} calls are in flight in this cell, the limit");
        }
        format!(
            "the calls in flight in this cell would have {} bytes of arguments and items; the limit is {}",
            (held & BYTES_MAX).saturating_add(bytes),
            self.bytes_max
        )
    }
}

/// A call's part of the load while the cell's other parts are at hand; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    load: &'a Load,
    share: u64,
}

impl Admission<'_> {
    /// The same for as long as it takes. `load` is where it came from.
    pub(super) fn keep(self, load: &Arc<Load>) -> Permit {
        let permit = Permit {
            load: Arc::clone(load),
            share: self.share,
        };
        std::mem::forget(self);
        permit
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.load.held.fetch_sub(self.share, Ordering::Relaxed);
    }
}

/// A part of the load, of a call or of items that nobody has taken yet; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Permit {
    load: Arc<Load>,
    share: u64,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.load.held.fetch_sub(self.share, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again_and_a_refusal_takes_nothing() {
        let load = Load::new(LoadLimits {
            connections_max: 1,
            calls_max: 2,
            request_bytes_max: 100,
        });
        let first = load.admit(60).expect("room");
        let heavy = load.admit(41).expect_err("too heavy");
        assert!(heavy.message.contains("would have 101 bytes"), "{heavy}");
        assert!(heavy.retry_after.is_some());
        let second = load.admit(40).expect("room");
        let third = load.admit(0).expect_err("too many");
        assert!(third.message.contains("2 calls are in flight"), "{third}");
        drop(first);
        let fourth = load.admit(60).expect("room again");
        // Kept for longer it is the same; items have no call.
        drop(second);
        let kept = fourth.keep(&load);
        let items = load.hold(40).expect("room");
        assert!(load.hold(1).is_err());
        drop(kept);
        assert!(load.admit(61).is_err());
        drop(items);
        assert_eq!(load.held.load(Ordering::Relaxed), 0);
        assert!(load.admit(usize::MAX).is_err());
        assert_eq!(load.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn limits_that_no_machine_reaches_are_cut() {
        let load = Load::new(LoadLimits {
            connections_max: 1,
            calls_max: usize::MAX,
            request_bytes_max: usize::MAX,
        });
        let all = load.hold(BYTES_MAX as usize).expect("room");
        let calls: Vec<_> = (0..1000).map(|_| load.admit(0).expect("room")).collect();
        assert!(load.admit(1).is_err());
        drop((all, calls));
        assert_eq!(load.held.load(Ordering::Relaxed), 0);
    }
}
