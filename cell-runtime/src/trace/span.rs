//! Spans of calls, and their ids.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};

use tracing::Span;
use tracing::field::{Empty, display};

use super::TraceParent;
use super::bridge::{Bridge, current};
use crate::server::{CallContext, CallFuture, CancelToken};
use crate::wire::{Reply, RouteId, Status, StatusCode};

/// Bit 0 of the flags: somebody records this trace.
const SAMPLED: u8 = 1;

/// Starts a call in a span of its own, whose ids are what the handler's calls carry on.
pub(crate) fn handled(
    cell: &str,
    route: &'static str,
    mut context: CallContext,
    start: impl FnOnce(CallContext) -> CallFuture,
) -> CallFuture {
    let span = tracing::info_span!(
        target: "cell::server",
        // What it belongs to is what the caller says, not what this thread happens to be in.
        parent: None,
        "call",
        cell,
        route,
        caller = &*context.caller.name,
        trace_id = Empty,
        span_id = Empty,
        parent_id = Empty,
        status = Empty,
    );
    if span.is_disabled() {
        return start(context);
    }
    context.trace = Some(identify(&span, context.trace, current()));
    let end = End {
        cancelled: context.cancelled.clone(),
        step: Step::Begun,
        span,
    };
    let call = end.span.in_scope(|| start(context));
    CallFuture::new(Handled { call, end })
}

/// A span for a call that is made, and the trace that leaves with it; `outer` is what it is made in.
pub(crate) fn made(
    cell: &str,
    route: RouteId,
    outer: Option<TraceParent>,
) -> (Span, Option<TraceParent>) {
    let span = tracing::info_span!(
        target: "cell::client",
        "call",
        cell,
        route = format_args!("0x{route:016x}"),
        trace_id = Empty,
        span_id = Empty,
        parent_id = Empty,
        status = Empty,
    );
    if span.is_disabled() {
        return (span, outer);
    }
    // A system of its own knows what the span is in.
    let trace = match current().and_then(|bridge| bridge.leaving(&span)) {
        Some(trace) => {
            record(&span, &trace, None);
            trace
        }
        None => identify(&span, outer, None),
    };
    (span, Some(trace))
}

/// Gives a span its ids, within the trace of its parent or a new one.
fn identify(span: &Span, parent: Option<TraceParent>, bridge: Option<&dyn Bridge>) -> TraceParent {
    if let (Some(bridge), Some(parent)) = (bridge, &parent) {
        bridge.arrived(span, parent);
    }
    let trace = bridge
        .and_then(|bridge| bridge.leaving(span))
        .unwrap_or_else(|| child(parent));
    record(span, &trace, parent.as_ref());
    trace
}

/// The ids of a new span.
fn child(parent: Option<TraceParent>) -> TraceParent {
    let (trace_id, flags) = match parent {
        Some(parent) => (parent.trace_id, parent.flags),
        None => {
            let mut trace_id = [0; 16];
            trace_id[..8].copy_from_slice(&random());
            trace_id[8..].copy_from_slice(&random());
            (trace_id, SAMPLED)
        }
    };
    TraceParent {
        trace_id,
        span_id: random(),
        flags,
    }
}

/// Eight bytes that nobody else has: the standard library's keys are random, and others for each hasher. Never all zero, which
/// the standard calls invalid.
fn random() -> [u8; 8] {
    let number = RandomState::new().build_hasher().finish();
    number.max(1).to_le_bytes()
}

fn record(span: &Span, trace: &TraceParent, parent: Option<&TraceParent>) {
    span.record("trace_id", display(Hex(&trace.trace_id)));
    span.record("span_id", display(Hex(&trace.span_id)));
    if let Some(parent) = parent {
        span.record("parent_id", display(Hex(&parent.span_id)));
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A call in its span.
struct Handled {
    call: CallFuture,
    end: End,
}

impl Future for Handled {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Handled { call, end } = &mut *self;
        end.step = Step::Working;
        let polled = end.span.in_scope(|| Pin::new(call).poll(cx));
        end.step = match &polled {
            Poll::Pending => Step::Begun,
            Poll::Ready(outcome) => {
                let status = outcome
                    .as_ref()
                    .map_or_else(|status| status.code.name(), answered);
                end.span.record("status", status);
                Step::Done
            }
        };
        polled
    }
}

/// Says how a call ended, also where it did so from outside.
struct End {
    span: Span,
    step: Step,
    cancelled: CancelToken,
}

enum Step {
    Begun,
    /// The handler works: a call that ends here has panicked.
    Working,
    Done,
}

impl Drop for End {
    fn drop(&mut self) {
        let code = match self.step {
            Step::Done => return,
            Step::Working => StatusCode::Internal,
            Step::Begun if self.cancelled.is_cancelled() => StatusCode::Cancelled,
            // The server gives a call up at its deadline alone.
            Step::Begun => StatusCode::DeadlineExceeded,
        };
        self.span.record("status", code.name());
    }
}

/// What a cell answered, in the words of a span.
pub(crate) fn answered(reply: &Reply) -> &'static str {
    match reply {
        Reply::Ok(_) => "ok",
        Reply::AppError(_) => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stays_in_its_trace_and_a_root_begins_one() {
        let root = child(None);
        assert_eq!(root.flags, SAMPLED);
        assert_ne!(root.trace_id, child(None).trace_id);
        let inner = child(Some(root));
        assert_eq!((inner.trace_id, inner.flags), (root.trace_id, root.flags));
        assert_ne!(inner.span_id, root.span_id);
        assert_eq!(TraceParent::decode(&inner.encode()), Some(inner));
    }
}
