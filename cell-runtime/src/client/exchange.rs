//! A call with streams, as its caller sees it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use super::Connection;
use super::connection::{Inner, Slot};
use crate::vesicle::Vesicle;
use crate::wire::{CallFailure, Outlet, Reply, Status};

/// With more unsent bytes than these a connection takes no further items: the server may have granted more than it reads.
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// What has come of one call.
#[derive(Default)]
pub(super) struct StreamSlot {
    started: bool,
    items: VecDeque<Vesicle>,
    done: Option<Result<Reply, CallFailure>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl StreamSlot {
    pub(super) fn push(&mut self, items: Vesicle) {
        self.items.push_back(items);
        self.wake_reader();
    }

    pub(super) fn credit(&mut self) {
        self.started = true;
        self.wake_reader();
        self.wake_writer();
    }

    pub(super) fn finish(&mut self, result: Result<Reply, CallFailure>) {
        self.done = Some(result);
        self.wake_reader();
        self.wake_writer();
    }

    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

/// What comes next of a call with streams.
pub(crate) enum Next {
    /// A batch of items.
    Items(Vesicle),
    /// The end.
    Done(Result<Reply, CallFailure>),
}

/// A call with streams that the server has started. Dropping it cancels the call.
pub(crate) struct Exchange {
    connection: Connection,
    id: u64,
}

impl Exchange {
    pub(super) fn new(connection: Connection, id: u64) -> Exchange {
        Exchange { connection, id }
    }

    /// Waits until the server has started the call.
    pub(super) async fn started(&self) -> Result<(), CallFailure> {
        poll_fn(|cx| {
            let mut inner = self.connection.shared().lock();
            let Some(Slot::Streams(slot)) = inner.slots.get_mut(self.id) else {
                return Poll::Ready(Err(over()));
            };
            // What came before the end of a started call is worth reading.
            if slot.started || !slot.items.is_empty() || matches!(slot.done, Some(Ok(_))) {
                return Poll::Ready(Ok(()));
            }
            if let Some(Err(failure)) = &slot.done {
                return Poll::Ready(Err(failure.clone()));
            }
            slot.reader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The next batch of items, or the end; after the end nothing new comes.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.connection.shared().lock();
        let Some(Slot::Streams(slot)) = inner.slots.get_mut(self.id) else {
            return Poll::Ready(Next::Done(Err(over())));
        };
        if let Some(items) = slot.items.pop_front() {
            inner.state.taken(self.id, items.len());
            inner.send(self.connection.shared().writer());
            return Poll::Ready(Next::Items(items));
        }
        match &slot.done {
            Some(result) => Poll::Ready(Next::Done(result.clone())),
            None => {
                slot.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Says that this side's items are complete.
    pub(crate) fn end(&self) {
        let mut inner = self.connection.shared().lock();
        inner.state.end(self.id);
        inner.send(self.connection.shared().writer());
    }

    /// Ends the call: the server is told, and whoever reads here.
    pub(crate) fn abandon(&self, failure: CallFailure) {
        let mut inner = self.connection.shared().lock();
        inner.state.cancel(self.id);
        if let Some(Slot::Streams(slot)) = inner.slots.get_mut(self.id)
            && slot.done.is_none()
        {
            slot.items.clear();
            slot.finish(Err(failure));
        }
        inner.wake_driver();
    }
}

fn over() -> CallFailure {
    CallFailure::ConnectionLost("the call was polled after its end".to_owned())
}

impl Outlet for Exchange {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut inner = self.connection.shared().lock();
        let congested = inner.state.out().len() > UNSENT_BYTES_MAX;
        match inner.state.may_send(self.id) {
            None => return Poll::Ready(false),
            Some(true) if !congested => return Poll::Ready(true),
            Some(_) => {}
        }
        inner.congested |= congested;
        match inner.slots.get_mut(self.id) {
            Some(Slot::Streams(slot)) => {
                slot.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(false),
        }
    }

    fn put(&self, items: &Vesicle) -> Result<(), Status> {
        let mut inner = self.connection.shared().lock();
        inner.state.send(self.id, items)?;
        inner.send(self.connection.shared().writer());
        Ok(())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut inner = self.connection.shared().lock();
        if inner.slots.remove(self.id).is_some() {
            inner.state.cancel(self.id);
            inner.wake_driver();
        }
        inner.make_room(self.connection.shared());
    }
}

impl Inner {
    /// Wakes those who wait for room to send, once there is some.
    pub(super) fn relieve(&mut self) {
        if self.congested && self.state.out().len() <= UNSENT_BYTES_MAX {
            self.congested = false;
            for slot in self.slots.values_mut() {
                if let Slot::Streams(slot) = slot {
                    slot.wake_writer();
                }
            }
        }
    }
}
