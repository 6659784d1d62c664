//! What a connection's task and its calls share, and how they send.
#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge, and passed to the state"
)]

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Instant;

use tokio::task::AbortHandle;

use super::CancelToken;
use super::streams::Slot;
use crate::gap::Junction;
use crate::lock::lock;
use crate::metrics::Metrics;
use crate::transport::Writer;
use crate::wire::{IdMap, Reply, ServerState, Status};

/// Answers that a peer does not read may pile up to this many bytes; then its requests are no longer read.
const UNREAD_BYTES_MAX: usize = 32 << 20;

/// With more calls in flight than these a connection is under load.
pub(super) const QUIET_CALLS_MAX: usize = 4;

pub(super) struct Shared<W> {
    pub(super) inner: Mutex<Inner>,
    pub(super) writer: W,
    pub(super) metrics: Arc<Metrics>,
}

pub(super) struct Inner {
    pub(super) state: ServerState,
    pub(super) task: Option<Waker>,
    pub(super) woken: bool,
    pub(super) blocked: bool,
    pub(super) broken: bool,
    /// An answer was written in place since the task last ran.
    pub(super) wrote_inline: bool,
    pub(super) running: IdMap<(AbortHandle, CancelToken)>,
    /// The calls in flight that have streams.
    pub(super) streams: IdMap<Slot>,
    /// Somebody waits for the peer to read.
    pub(super) congested: bool,
    /// It ends with its first answer.
    pub(super) one_call: bool,
    /// Nothing is written any more.
    pub(super) closed: bool,
}

impl<W: Writer> Shared<W> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Ends a call that did not finish at once. A lone answer is written in place; under load the task sends
    /// many in one write.
    pub(super) fn finish(&self, id: u64, result: Result<Reply, Status>, began: Option<Instant>) {
        self.metrics.answered(result.is_ok(), began, Instant::now);
        let mut inner = self.lock();
        if let Some((_, token)) = inner.forget(id) {
            token.keep();
        }
        inner.state.respond(id, result);
        inner.send(&self.writer);
    }
}

impl Inner {
    /// A call is over.
    pub(super) fn forget(&mut self, id: u64) -> Option<(AbortHandle, CancelToken)> {
        if !self.streams.is_empty() {
            self.streams.remove(id);
        }
        self.running.remove(id)
    }

    /// Sends what is queued: a lone frame in place, many in one write of the task.
    pub(super) fn send<W: Writer>(&mut self, writer: &W) {
        let is_quiet = self.state.in_flight() < QUIET_CALLS_MAX;
        if is_quiet && !self.blocked && !std::mem::replace(&mut self.wrote_inline, true) {
            self.flush(writer);
            self.close_behind(writer);
        }
        if !self.state.out().is_empty() || self.is_over() {
            self.wake();
        }
    }

    /// Whether the connection ends once everything is written.
    pub(super) fn is_over(&self) -> bool {
        self.state.is_finished() || (self.one_call && self.state.is_idle())
    }

    /// Whether the peer, who says no more, waits for what is under way: items that cannot come any more are not waited for.
    pub(super) fn owes_an_answer(&mut self) -> bool {
        let owes = self.state.in_flight() > 0 || !self.state.out().is_empty();
        owes && self.streams.is_empty()
    }

    /// A stream of one call ends with its answer, in the same packet where there are packets.
    fn close_behind<W: Writer>(&mut self, writer: &W) {
        if self.one_call && self.is_over() && !self.closed && self.state.out().is_empty() {
            self.closed = true;
            // It fails where the client has gone: the reader finds that out.
            let _ = writer.close_write();
        }
    }

    pub(super) fn flush<W: Writer>(&mut self, writer: &W) {
        let out = self.state.out();
        match out.write_all(|parts| writer.try_write_parts(parts)) {
            Ok(()) => self.blocked = false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                out.compact();
                self.blocked = true;
            }
            // Nobody will read the answers: the connection and its calls end.
            Err(_) => {
                self.broken = true;
                return;
            }
        }
        self.relieve();
    }

    /// Moves the connection into shared memory; where there can be none it stays as it is.
    pub(super) fn offer_gap(&mut self, junction: Option<&Junction>) {
        let offer = || {
            let before = self.state.out().len();
            self.state.offer_gap();
            (before, self.state.out().len())
        };
        if junction.is_none_or(|junction| junction.offer(offer).is_err()) {
            self.state.refuse_gap();
        }
    }

    /// Whether the peer has so much to read that it is not listened to.
    pub(super) fn is_full(&mut self) -> bool {
        self.state.out().len() > UNREAD_BYTES_MAX
    }

    pub(super) fn wake(&mut self) {
        if !std::mem::replace(&mut self.woken, true)
            && let Some(waker) = &self.task
        {
            waker.wake_by_ref();
        }
    }
}
