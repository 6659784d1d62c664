//! What all connections of a cell share: how much they may make it hold at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::wire::Status;

/// How much a cell takes on before it answers `overloaded`. What a single connection may is in [`crate::wire::Limits`].
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

/// What is in flight.
#[derive(Debug)]
pub(super) struct Load {
    limits: LoadLimits,
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

impl Load {
    pub(super) fn new(limits: LoadLimits) -> Arc<Load> {
        Arc::new(Load {
            limits,
            calls: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        })
    }

    /// Room for a call with so many bytes of arguments, until the permit is dropped.
    pub(super) fn admit(self: &Arc<Load>, bytes: usize) -> Result<Permit, Status> {
        let calls = take(&self.calls, 1, self.limits.calls_max)
            .map_err(|calls| format!("{calls} calls are in flight in this cell, the limit"));
        let permit = calls.map(|()| Permit {
            load: Arc::clone(self),
            bytes: 0,
        });
        let admitted = permit.and_then(|mut permit| {
            self.make_room(bytes)?;
            permit.bytes = bytes;
            Ok(permit)
        });
        admitted.map_err(Status::overloaded)
    }

    /// Room for a batch of a caller's items, until what is given is dropped.
    pub(super) fn hold(self: &Arc<Load>, bytes: usize) -> Result<Held, Status> {
        self.make_room(bytes).map_err(Status::overloaded)?;
        Ok(Held {
            load: Arc::clone(self),
            bytes,
        })
    }

    fn make_room(&self, bytes: usize) -> Result<(), String> {
        take(&self.bytes, bytes, self.limits.request_bytes_max).map_err(|held| {
            format!(
                "the calls in flight in this cell would have {} bytes of arguments and items; the limit is {}",
                held + bytes,
                self.limits.request_bytes_max
            )
        })
    }
}

/// Adds unless that would be too much; the error is how much there is.
fn take(count: &AtomicUsize, more: usize, most: usize) -> Result<(), usize> {
    let add = |held: usize| held.checked_add(more).filter(|sum| *sum <= most);
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .map(drop)
}

/// A call's part of the load; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Permit {
    load: Arc<Load>,
    bytes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.load.calls.fetch_sub(1, Ordering::Relaxed);
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The part of the load that items have which nobody has taken yet; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Held {
    load: Arc<Load>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
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
        drop((second, fourth));
        assert_eq!(load.calls.load(Ordering::Relaxed), 0);
        assert_eq!(load.bytes.load(Ordering::Relaxed), 0);
        assert!(load.admit(usize::MAX).is_err());
    }
}
