//! Handlers that panic.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::CallFuture;
use crate::wire::{Reply, Status, StatusCode};

/// A handler's panic is the answer `internal`; the connection and the other calls go on.
pub(super) struct CatchPanic(pub(super) CallFuture);

impl Future for CatchPanic {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        catch(|| Pin::new(&mut self.0).poll(cx)).unwrap_or_else(|status| Poll::Ready(Err(status)))
    }
}

/// Does a part of a handler's work; where it panics, says what its caller is told.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Status> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| panicked(&*payload))
}

fn panicked(payload: &(dyn std::any::Any + Send)) -> Status {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Status::new(
        StatusCode::Internal,
        format!("the handler panicked: {text}"),
    )
}
