use std::sync::OnceLock;

use tracing::Span;

use super::TraceParent;

/// A tracing system that has ids of its own.
///
/// For OpenTelemetry, with the crates `opentelemetry` and `tracing-opentelemetry`:
///
/// ```ignore
/// use cell_sdk::trace::{Bridge, TraceParent};
/// use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
/// use tracing_opentelemetry::OpenTelemetrySpanExt;
///
/// struct OpenTelemetry;
///
/// impl Bridge for OpenTelemetry {
///     fn arrived(&self, span: &tracing::Span, parent: &TraceParent) {
///         let parent = SpanContext::new(
///             TraceId::from_bytes(parent.trace_id),
///             SpanId::from_bytes(parent.span_id),
///             TraceFlags::new(parent.flags),
///             true,
///             TraceState::default(),
///         );
///         let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
///     }
///
///     fn leaving(&self, span: &tracing::Span) -> Option<TraceParent> {
///         let context = span.context();
///         let span = context.span().span_context().clone();
///         span.is_valid().then(|| TraceParent {
///             trace_id: span.trace_id().to_bytes(),
///             span_id: span.span_id().to_bytes(),
///             flags: span.trace_flags().to_u8(),
///         })
///     }
/// }
///
/// cell_sdk::trace::bridge(OpenTelemetry);
/// ```
pub trait Bridge: Send + Sync + 'static {
    /// A span was made for a call that came with this trace. Nobody has entered it yet.
    fn arrived(&self, span: &Span, parent: &TraceParent);
    /// The ids of a span, which calls carry on; `None` where the system has none for it: then they get ours.
    fn leaving(&self, span: &Span) -> Option<TraceParent>;
}

static BRIDGE: OnceLock<Box<dyn Bridge>> = OnceLock::new();

/// Asks `bridge` about the spans of calls from now on. `false` where there is one already, which stays.
pub fn bridge(bridge: impl Bridge) -> bool {
    BRIDGE.set(Box::new(bridge)).is_ok()
}

pub(super) fn current() -> Option<&'static dyn Bridge> {
    BRIDGE.get().map(|bridge| &**bridge)
}
