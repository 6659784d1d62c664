//! Events as JSON lines on stdout.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::event::Event;

pub(super) fn event(out: &mut impl Write, event: &Event, at_ms: f64) {
    let value = serde_json::to_value(event)
        .unwrap_or_else(|cause| json!({"reason": "lost", "cause": cause.to_string()}));
    line(out, value, at_ms);
}

pub(super) fn error(out: &mut impl Write, error: &Error, at_ms: f64) {
    let kind = match error.kind {
        Kind::User => "user",
        Kind::Usage => "usage",
        Kind::Environment => "environment",
        Kind::Bug => "bug",
    };
    line(
        out,
        json!({
            "reason": "error", "kind": kind, "code": error.kind.exit_code(),
            "message": error.message, "causes": error.causes, "hints": error.hints,
        }),
        at_ms,
    );
}

fn line(out: &mut impl Write, mut value: Value, at_ms: f64) {
    if let Value::Object(map) = &mut value {
        map.insert("at_ms".to_owned(), json!(at_ms));
    }
    let _ = writeln!(out, "{value}");
    let _ = out.flush();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wall clock is part of the output, not of a decision"
)]
pub(super) fn now_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64() * 1000.0)
}
