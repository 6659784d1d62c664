//! A call on a connection, and the short way to it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::Client;
use super::connection::{Connection, Slot};
use crate::error::Error;
use crate::gap::Look;
use crate::wire::{CallFailure, Reply, Request};

/// A call with one answer that was started. Dropping it cancels the call at the other side.
pub(super) struct Call {
    pub(super) connection: Connection,
    pub(super) id: u64,
    /// It looks for its answer itself before it waits.
    pub(super) looks: Option<Look>,
    /// Its waker is known already.
    pub(super) waits: bool,
    pub(super) is_over: bool,
    /// It came while the call was started.
    pub(super) answer: Option<Result<Reply, CallFailure>>,
}

impl Future for Call {
    type Output = Result<Reply, CallFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.answer.take() {
            return Poll::Ready(answer);
        }
        if std::mem::take(&mut self.waits) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let shared = this.connection.shared();
        let mut inner = match this.looks.take() {
            Some(how) => shared.look(how),
            None => shared.lock(),
        };
        match inner.slots.get_mut(this.id) {
            Some(Slot::Waiting(waker)) => {
                if !waker
                    .as_ref()
                    .is_some_and(|waker| waker.will_wake(cx.waker()))
                {
                    *waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Some(Slot::Done(_)) => {
                if let Some(Slot::Done(result)) = inner.slots.remove(this.id) {
                    this.is_over = true;
                    inner.make_room(shared);
                    return Poll::Ready(result);
                }
            }
            Some(Slot::Streams(_)) | None => {}
        }
        Poll::Ready(Err(CallFailure::ConnectionLost(
            "the call was polled after its end".to_owned(),
        )))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let shared = self.connection.shared();
        let mut inner = shared.lock();
        if self.looks.is_some() {
            inner.read_ring();
        }
        if inner.slots.remove(self.id).is_some() {
            inner.state.cancel(self.id);
            inner.wake_driver();
        }
        inner.make_room(shared);
    }
}

/// A client's call with one answer. Nearly all go the short way: there is a connection, it takes the call, and the cell answers.
/// Whatever else may happen is decided on the long way, [`Client::deliver`].
pub(super) struct LoneCall<'a> {
    client: &'a Client,
    now: Instant,
    request: Request,
    way: Way<'a>,
}

enum Way<'a> {
    New,
    Short(Call),
    Long(Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send + 'a>>),
}

impl LoneCall<'_> {
    pub(super) fn new(client: &Client, now: Instant, request: Request) -> LoneCall<'_> {
        LoneCall {
            client,
            now,
            request,
            way: Way::New,
        }
    }

    fn go_the_long_way(&mut self) {
        let client = self.client;
        let request = self.request.clone();
        self.way = Way::Long(Box::pin(client.deliver_late(request)));
    }
}

impl Future for LoneCall<'_> {
    type Output = Result<Reply, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Way::New = this.way {
            match this.client.begin(this.now, &this.request, cx.waker()) {
                Some(call) => this.way = Way::Short(call),
                None => this.go_the_long_way(),
            }
        }
        if let Way::Short(call) = &mut this.way {
            match ready!(Pin::new(call).poll(cx)) {
                Ok(reply) => return Poll::Ready(Ok(reply)),
                Err(CallFailure::NotStarted(_)) => this.go_the_long_way(),
                Err(failure) => return Poll::Ready(Err(this.client.error(failure))),
            }
        }
        match &mut this.way {
            Way::Long(call) => call.as_mut().poll(cx),
            Way::New | Way::Short(_) => Poll::Pending,
        }
    }
}
