//! Events as JSON lines on stdout.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::event::Event;

/// The version of the stream, `docs/events.md`: it changes when an event or a field is removed or means something else.
const VERSION: u32 = 1;

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
        map.insert("v".to_owned(), json!(VERSION));
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

#[cfg(test)]
mod tests {
    const EVENTS: &str = include_str!("../event.rs");
    const SUPERVISOR: &str = include_str!("../supervisor/types.rs");
    const PAGE: &str = include_str!("../../../docs/events.md");

    /// The variants of an enum in a source file, with their fields.
    fn variants(source: &str, name: &str) -> Vec<(String, Vec<String>)> {
        let start = source
            .find(&format!("pub enum {name} {{"))
            .expect("the enum");
        let body = &source[start..start + source[start..].find("\n}\n").expect("its end")];
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for line in body.lines().skip(1) {
            let (indent, text) = (line.len() - line.trim_start().len(), line.trim());
            let word: String = text
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            match indent {
                4 if !word.is_empty() => found.push((kebab(&word), Vec::new())),
                8 if !word.is_empty() => {
                    if let Some((_, fields)) = found.last_mut() {
                        fields.push(word);
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn kebab(name: &str) -> String {
        let mut text = String::new();
        for c in name.chars() {
            if c.is_uppercase() && !text.is_empty() {
                text.push('-');
            }
            text.extend(c.to_lowercase());
        }
        text
    }

    #[test]
    fn the_page_names_every_event_and_field() {
        let mut seen = 0;
        let (loop_says, supervisor_says) = PAGE
            .split_once("## What the supervisor says")
            .expect("two tables");
        for (source, name, table) in [
            (EVENTS, "Event", loop_says),
            (SUPERVISOR, "SupervisorEvent", supervisor_says),
        ] {
            for (reason, fields) in variants(source, name) {
                let row = table
                    .lines()
                    .find(|line| line.starts_with(&format!("| `{reason}` |")))
                    .unwrap_or_else(|| panic!("docs/events.md does not name `{reason}`"));
                for field in fields {
                    // Its own `reason` is renamed: the word is taken in JSON.
                    let field = if name == "SupervisorEvent" && field == "reason" {
                        "why".to_owned()
                    } else {
                        field
                    };
                    assert!(row.contains(&format!("`{field}`")), "{reason}: {field}");
                }
                seen += 1;
            }
        }
        assert!(seen > 25, "{seen}");
    }
}
