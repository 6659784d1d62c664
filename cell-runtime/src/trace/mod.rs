//! A [`tracing`] span for each call, and the trace that it belongs to (feature `tracing`).
//!
//! A handled call is in a span `call` (target `cell::server`) with `cell`, `route`, `caller` and, at its end, `status`: `ok`, `error` where the
//! handler returned `Err`, or the name of the status that the caller got. A call that is made is in a span
//! `call` of target `cell::client`, with streams until the cell has started it. Both are at the level `INFO` and have `trace_id`, `span_id` and `parent_id` in hex, the ids of W3C's
//! [trace context](https://www.w3.org/TR/trace-context/): what arrives with a call is its parent, what leaves with one is the
//! span that it was made in. So the spans of all cells that took part in one request have one `trace_id`. Where a span is not
//! enabled nothing is made or recorded, and calls carry on the trace that arrived, as they do without this feature.
//!
//! [`bridge`] gives the ids to a tracing system that has its own, such as OpenTelemetry.

mod bridge;
mod span;

pub use crate::wire::TraceParent;
pub use bridge::{Bridge, bridge};
pub(crate) use span::{answered, handled, made};
