//! The items of calls with streams, between a connection and its handlers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::connection::cancel;
use super::load::{Load, Permit};
use super::shared::{Inner, Shared};
use crate::transport::Writer;
use crate::vesicle::Vesicle;
use crate::wire::{Outlet, Status, StatusCode};

/// With more unsent bytes than these a connection takes no further items: the peer may have granted more than it reads.
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// The streams of a call; those of one without are empty. Part of [`super::CallContext`].
#[derive(Clone, Default)]
pub struct CallStreams(Option<Arc<dyn Port>>);

impl CallStreams {
    pub(super) fn new(port: impl Port) -> CallStreams {
        CallStreams(Some(Arc::new(port)))
    }

    pub(crate) fn port(&self) -> Option<&Arc<dyn Port>> {
        self.0.as_ref()
    }
}

impl fmt::Debug for CallStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "CallStreams"
        } else {
            "CallStreams(none)"
        })
    }
}

/// One call's way to its connection.
pub(crate) trait Port: Outlet {
    /// The next batch of the caller's items; nothing after the last.
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Vesicle>>;
    /// Ends the call: what the caller sent is no archive of its items.
    fn reject(&self, reason: String);
}

/// What waits of one call.
#[derive(Default)]
pub(super) struct Slot {
    items: VecDeque<(Vesicle, Permit)>,
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Slot {
    pub(super) fn push(&mut self, items: Vesicle, held: Permit) {
        self.items.push_back((items, held));
        self.wake_reader();
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        self.wake_reader();
    }

    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

/// Whoever waits for room to send, for a caller who has gone, is told.
impl Drop for Slot {
    fn drop(&mut self) {
        self.wake_writer();
    }
}

pub(super) struct ConnectionPort<W> {
    pub(super) shared: Arc<Shared<W>>,
    pub(super) id: u64,
}

impl<W: Writer> ConnectionPort<W> {
    /// Sends what a port has queued, as an answer is: a lone frame in place, many in one write of the task.
    fn send(&self, inner: &mut Inner) {
        inner.send(&self.shared.writer);
    }
}

impl<W: Writer> Outlet for ConnectionPort<W> {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut inner = self.shared.lock();
        let congested = inner.state.out().len() > UNSENT_BYTES_MAX;
        match inner.state.may_send(self.id) {
            None => return Poll::Ready(false),
            Some(true) if !congested => return Poll::Ready(true),
            Some(_) => {}
        }
        inner.congested |= congested;
        match inner.streams.get_mut(self.id) {
            Some(slot) => {
                slot.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(false),
        }
    }

    fn put(&self, items: &Vesicle) -> Result<(), Status> {
        let mut inner = self.shared.lock();
        inner.state.send(self.id, items)?;
        self.send(&mut inner);
        Ok(())
    }
}

impl<W: Writer> Port for ConnectionPort<W> {
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Vesicle>> {
        let mut inner = self.shared.lock();
        // The call is over and its handler is being dropped: an end would look as if the caller's items were complete.
        let Some(slot) = inner.streams.get_mut(self.id) else {
            return Poll::Pending;
        };
        let Some((items, held)) = slot.items.pop_front() else {
            if slot.ended {
                return Poll::Ready(None);
            }
            slot.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(held);
        inner.state.taken(self.id, items.len());
        self.send(&mut inner);
        Poll::Ready(Some(items))
    }

    fn reject(&self, reason: String) {
        let mut inner = self.shared.lock();
        let status = Status::new(StatusCode::BadRequest, reason);
        inner.state.respond(self.id, Err(status));
        if let Some((task, token)) = inner.forget(self.id) {
            token.cancel();
            task.abort();
        }
        self.send(&mut inner);
    }
}

impl Inner {
    /// Does something with what waits of a call; nothing where the call is over.
    pub(super) fn with_slot(&mut self, id: u64, act: fn(&mut Slot)) {
        if let Some(slot) = self.streams.get_mut(id) {
            act(slot);
        }
    }

    /// Wakes those who wait for room to send, once there is some.
    pub(super) fn relieve(&mut self) {
        if self.congested && self.state.out().len() <= UNSENT_BYTES_MAX {
            self.congested = false;
            self.streams.values_mut().for_each(Slot::wake_writer);
        }
    }
}

/// Items of a caller wait for the handler to take them, as long as the cell has room.
pub(super) fn take_items<W: Writer>(shared: &Shared<W>, load: &Arc<Load>, id: u64, items: Vesicle) {
    let held = load.hold(items.len());
    let mut inner = shared.lock();
    let Some(slot) = inner.streams.get_mut(id) else {
        return;
    };
    match held {
        Ok(held) => slot.push(items, held),
        Err(status) => {
            inner.state.respond(id, Err(status));
            drop(inner);
            cancel(shared, id);
        }
    }
}
