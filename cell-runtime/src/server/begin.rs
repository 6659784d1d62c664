//! How a call begins: it is polled once in place, so that a handler that does not wait answers without a task of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge: how long calls take is counted"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::timeout_at;

use super::load::Permit;
use super::panics::{CatchPanic, catch};
use super::{CallContext, CallStreams, Caller, CancelToken, Host};
use crate::metrics::Metrics;
use crate::wire::{IncomingCall, Reply, Status, StatusCode};

/// What became of a call at once.
pub(super) enum Begun {
    Ended(Result<Reply, Status>),
    Waits(Waiting),
}

/// A call that was polled once, without a waker: it has to be polled again.
pub(super) struct Waiting {
    pub(super) id: u64,
    pub(super) has_streams: bool,
    pub(super) token: CancelToken,
    /// When it began, where that is counted.
    pub(super) began: Option<Instant>,
    deadline: Instant,
    future: CatchPanic,
    permit: Permit,
}

/// A call that waits and that nobody looks after yet: where that does not happen it ends as one whose caller has gone.
pub(super) struct Unattended(Option<Waiting>, Arc<Metrics>);

impl Unattended {
    pub(super) fn new(waiting: Waiting, metrics: &Arc<Metrics>) -> Unattended {
        Unattended(Some(waiting), Arc::clone(metrics))
    }

    /// Somebody does now.
    pub(super) fn take(mut self) -> Option<Waiting> {
        self.0.take()
    }
}

impl Drop for Unattended {
    fn drop(&mut self) {
        if let Some(waiting) = self.0.take() {
            waiting.token.cancel();
            self.1.ended(false);
        }
    }
}

impl Waiting {
    /// Waits for the answer, as long as its caller does.
    pub(super) async fn end(self) -> Result<Reply, Status> {
        let result = timeout_at(self.deadline.into(), self.future)
            .await
            .unwrap_or_else(|_| {
                self.token.cancel();
                Err(Status::new(
                    StatusCode::DeadlineExceeded,
                    "the deadline passed while the handler worked",
                ))
            });
        // Nobody but the connection has it now, which keeps it for another call.
        drop(self.token);
        // Before the answer: whoever reads it may call again at once.
        drop(self.permit);
        result
    }
}

/// Begins a call; `streams` is asked where it has some.
#[inline]
pub(super) fn begin(
    host: &Host,
    caller: &Caller,
    call: IncomingCall,
    streams: impl FnOnce() -> CallStreams,
) -> Begun {
    let permit = match host.load.admit(call.payload.len()) {
        Ok(permit) => permit,
        Err(status) => return Begun::Ended(Err(status)),
    };
    let metrics = &*host.options.metrics;
    let began = metrics.started(Instant::now);
    let (id, deadline, has_streams) = (call.id, call.deadline, call.streams);
    // How long a stream lives says nothing about how fast the cell answers.
    let began = began.filter(|_| !has_streams);
    let token = CancelToken::take();
    let context = CallContext {
        deadline,
        caller: caller.clone(),
        trace: call.trace,
        cancelled: token.clone(),
        streams: if has_streams {
            streams()
        } else {
            CallStreams::default()
        },
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut future = None;
    let polled = catch(|| {
        let future = future.insert(host.service.call(call.route, context, call.payload));
        Pin::new(future).poll(&mut cx)
    });
    let result = match (polled, future) {
        (Ok(Poll::Pending), Some(future)) => {
            return Begun::Waits(Waiting {
                id,
                has_streams,
                token,
                began,
                deadline,
                future: CatchPanic(future),
                permit: permit.keep(&host.load),
            });
        }
        (outcome, future) => {
            // Dropped only now: a second panic while the first one unwinds would end the process.
            let dropped = catch(|| drop(future));
            let result = match outcome {
                Ok(Poll::Ready(result)) => result,
                Err(status) => Err(status),
                Ok(Poll::Pending) => unreachable!("what was polled is there"),
            };
            dropped.and(result)
        }
    };
    token.keep();
    drop(permit);
    metrics.answered(result.is_ok(), began, Instant::now);
    Begun::Ended(result)
}
