//! Spans of calls across cells: one trace, parents that fit, and what came of each call.

extern crate cell_runtime as cell_sdk;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cell_sdk::client::{CallOptions, Client, Target};
use cell_sdk::server::{
    self, CallContext, CallFuture, Reply, RouteId, ServerOptions, Service, StatusCode,
};
use cell_sdk::trace::TraceParent;
use cell_sdk::transport::memory;
use cell_sdk::{Handlers, Synapse, Vesicle, cell};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// What was said of each span, in the order in which they were made.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(u64, Fields)>>>);

type Fields = BTreeMap<&'static str, String>;

impl Spans {
    fn all(&self) -> Vec<Fields> {
        let spans = self.0.lock().expect("no panics");
        spans.iter().map(|(_, fields)| fields.clone()).collect()
    }

    fn server(&self, route: &str) -> Fields {
        let mut all = self.all().into_iter();
        let found = all.find(|span| span["target"] == "cell::server" && span["route"] == route);
        found.unwrap_or_else(|| panic!("no span of {route}: {:?}", self.all()))
    }
}

struct Reader<'a>(&'a mut Fields);

impl tracing::field::Visit for Reader<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    /// Asked each time: a test beside this one may have nobody who records.
    fn register_callsite(
        &self,
        _: &'static tracing::Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::span::Id,
        _: Context<'_, S>,
    ) {
        let target = attributes.metadata().target().to_owned();
        let mut fields = Fields::from([("target", target)]);
        attributes.record(&mut Reader(&mut fields));
        self.0
            .lock()
            .expect("no panics")
            .push((id.into_u64(), fields));
    }

    fn on_record(
        &self,
        id: &tracing::span::Id,
        values: &tracing::span::Record<'_>,
        _: Context<'_, S>,
    ) {
        let mut spans = self.0.lock().expect("no panics");
        let found = spans
            .iter_mut()
            .rev()
            .find(|(span, _)| *span == id.into_u64());
        let (_, fields) = found.expect("a span that was made");
        values.record(&mut Reader(fields));
    }
}

/// Records the spans of this thread, which is the test's only one.
fn record() -> (Spans, tracing::subscriber::DefaultGuard) {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    (spans, tracing::subscriber::set_default(subscriber))
}

fn inner() -> cell::TestCell {
    let handlers = Handlers::new().named("inner").raw(|message| async move {
        match message.as_slice() {
            b"panic" => panic!("as asked"),
            b"hang" => std::future::pending().await,
            _ => message,
        }
    });
    cell::TestCell::serve(handlers).expect("serves")
}

/// A cell that asks another one.
fn outer(inner: &Synapse) -> cell::TestCell {
    let inner = inner.clone();
    let handlers = Handlers::new().named("outer").raw(move |message| {
        let inner = inner.clone();
        async move { inner.fire(message).await.expect("answers") }
    });
    cell::TestCell::serve(handlers).expect("serves")
}

#[tokio::test]
async fn the_spans_of_two_cells_are_one_trace() {
    let inner = inner();
    let outer = outer(&inner.synapse());
    let (spans, _guard) = record();
    let answer = outer.synapse().fire(Vesicle::wrap("hello")).await;
    assert_eq!(answer.expect("answers").as_slice(), b"hello");
    // The test calls `outer`, `outer` is called, it calls `inner`, `inner` is called.
    let all = spans.all();
    let targets: Vec<&str> = all.iter().map(|span| &*span["target"]).collect();
    let (made, handled) = ("cell::client", "cell::server");
    assert_eq!(targets, [made, handled, made, handled]);
    assert!(!all[0].contains_key("parent_id"), "it begins the trace");
    for (span, parent) in all[1..].iter().zip(&all) {
        assert_eq!(span["trace_id"], parent["trace_id"]);
        assert_eq!(span["parent_id"], parent["span_id"]);
        assert_ne!(span["span_id"], parent["span_id"]);
    }
    for span in &all {
        assert_eq!(span["status"], "ok", "{span:?}");
    }
    assert_eq!((&*all[3]["cell"], &*all[3]["route"]), ("inner", "raw"));
    assert_eq!((&*all[1]["cell"], &*all[1]["route"]), ("outer", "raw"));
    assert!(!all[1]["caller"].is_empty());
}

const CAME: TraceParent = TraceParent {
    trace_id: [0xab; 16],
    span_id: [0x12; 8],
    flags: 0,
};

#[tokio::test]
async fn a_call_is_within_the_trace_that_came_with_it() {
    let inner = inner();
    let (spans, _guard) = record();
    let options = CallOptions {
        trace: Some(CAME),
        ..CallOptions::default()
    };
    let client = Client::new(inner.target().clone());
    let answer = client.call(0, Vesicle::wrap("hello"), options).await;
    answer.expect("answers");
    let all = spans.all();
    assert_eq!(all[0]["parent_id"], "12".repeat(8));
    assert_eq!(all[1]["parent_id"], all[0]["span_id"]);
    for span in &all {
        assert_eq!(span["trace_id"], "ab".repeat(16));
    }
}

/// Tells which trace its calls belong to.
struct Spy(Mutex<Vec<Option<TraceParent>>>);

impl Service for Spy {
    fn name(&self) -> &str {
        "spy"
    }

    fn fingerprint(&self) -> u64 {
        0
    }

    fn routes(&self) -> &[RouteId] {
        &[0]
    }

    fn call(&self, _: RouteId, context: CallContext, payload: Vesicle) -> CallFuture {
        self.0.lock().expect("no panics").push(context.trace);
        CallFuture::new(async { Ok(Reply::Ok(payload)) })
    }
}

#[tokio::test]
async fn where_nobody_records_the_trace_is_carried_on_as_it_came() {
    let spy = Arc::new(Spy(Mutex::default()));
    let (listener, connect) = memory();
    let served = Arc::clone(&spy);
    let ended = std::future::pending();
    tokio::spawn(server::run(
        listener,
        served,
        ServerOptions::default(),
        ended,
    ));
    let outer = outer(&Synapse::to(Target::memory("spy", 0, connect)));
    let client = Client::new(outer.target().clone());
    for trace in [Some(CAME), None] {
        let options = CallOptions {
            trace,
            ..CallOptions::default()
        };
        let answer = client.call(0, Vesicle::wrap("hello"), options).await;
        answer.expect("answers");
    }
    assert_eq!(*spy.0.lock().expect("no panics"), [Some(CAME), None]);
}

#[tokio::test(start_paused = true)]
async fn a_span_says_how_its_call_ended() {
    let inner = inner();
    let client = Client::new(inner.target().clone());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    let cases = [
        ("hello", None, "ok"),
        ("panic", None, "internal"),
        ("hang", Some(deadline.into_std()), "deadline exceeded"),
    ];
    for (text, deadline, expected) in cases {
        let (spans, _guard) = record();
        let options = CallOptions {
            deadline,
            ..CallOptions::default()
        };
        let outcome = client.call(0, Vesicle::wrap(text), options).await;
        if expected == "ok" {
            outcome.expect("answers");
        } else {
            assert_eq!(outcome.map_err(|error| error.code().name()), Err(expected));
        }
        settled(&spans, "raw").await;
        let status = spans.server("raw")["status"].clone();
        // At a deadline both sides give up, in either order.
        let given_up = text == "hang" && status == StatusCode::Cancelled.name();
        assert!(status == expected || given_up, "{status}");
    }
    let (spans, _guard) = record();
    let call = client.call(0, Vesicle::wrap("hang"), CallOptions::default());
    tokio::select! {
        biased;
        _ = call => panic!("it hangs"),
        () = begun(&spans) => {}
    }
    settled(&spans, "raw").await;
    assert_eq!(spans.server("raw")["status"], StatusCode::Cancelled.name());
}

/// Once the cell has begun to work on a call.
async fn begun(spans: &Spans) {
    while !spans
        .all()
        .iter()
        .any(|span| span["target"] == "cell::server")
    {
        tokio::task::yield_now().await;
    }
}

/// Once the cell has said how a call ended.
async fn settled(spans: &Spans, route: &str) {
    while !spans.server(route).contains_key("status") {
        tokio::task::yield_now().await;
    }
}
