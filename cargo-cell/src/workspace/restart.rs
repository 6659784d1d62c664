//! `[restart]` of a `Cell.toml`: what is done about a cell that ends by itself.

use std::time::Duration;

use serde_json::Value;

use super::config::{similar, time, unknown_key};
use crate::error::{Error, Result};

/// Which ends are followed by a start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// Those with an error; a cell that ended as it should is started by its next caller.
    #[default]
    OnFailure,
    /// All.
    Always,
    /// None: it stays down until somebody acts.
    Never,
}

/// What is done about a cell that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// Which ends are followed by a start.
    pub policy: Policy,
    /// After so many ends in a row it stays down: a crash loop.
    pub max: u32,
    /// The wait before the first start; it doubles with each end in a row.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// Whoever served for so long did not end in a row.
    pub stable: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Restart {
            policy: Policy::OnFailure,
            max: 6,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(5),
            stable: Duration::from_secs(10),
        }
    }
}

const KEYS: [&str; 5] = ["policy", "max", "first", "longest", "stable"];
const POLICIES: [&str; 3] = ["on-failure", "always", "never"];
const MAX: u64 = 1_000_000;

/// Parses the table.
pub fn parse(value: &Value, place: &str) -> Result<Restart> {
    let table = value
        .as_object()
        .ok_or_else(|| Error::user(format!("`restart` in `{place}` must be a table")))?;
    let mut restart = Restart::default();
    for (key, value) in table {
        let wrong =
            |wanted: &str| Error::user(format!("`restart.{key}` in `{place}` must be {wanted}"));
        match key.as_str() {
            "policy" => restart.policy = policy(value, place)?,
            "max" => {
                let max = value.as_u64().filter(|max| (1..=MAX).contains(max));
                let max = max.ok_or_else(|| wrong("a number, at least 1"))?;
                restart.max = u32::try_from(max).unwrap_or(u32::MAX);
            }
            "first" => restart.first = time(value, &wrong)?,
            "longest" => restart.longest = time(value, &wrong)?,
            "stable" => restart.stable = time(value, &wrong)?,
            unknown => return Err(unknown_key("restart", unknown, &KEYS, place)),
        }
    }
    // Without a wait a cell that ends at once would keep a core busy.
    if restart.first < Duration::from_millis(10) {
        return Err(Error::user(format!(
            "`restart.first` in `{place}` must be at least 10ms"
        )));
    }
    Ok(restart)
}

fn policy(value: &Value, place: &str) -> Result<Policy> {
    match value.as_str() {
        Some("on-failure") => Ok(Policy::OnFailure),
        Some("always") => Ok(Policy::Always),
        Some("never") => Ok(Policy::Never),
        other => {
            let list = POLICIES.join(", ");
            let error = Error::user(format!(
                "`restart.policy` in `{place}` must be one of {list}"
            ));
            Err(match other.and_then(|name| similar(name, &POLICIES)) {
                Some(close) => error.hint(format!("did you mean `{close}`?")),
                None => error,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_has_limits() {
        let all = json!({ "policy": "always", "max": 3, "first": "20ms", "longest": "1m", "stable": "30s" });
        let expected = Restart {
            policy: Policy::Always,
            max: 3,
            first: Duration::from_millis(20),
            longest: Duration::from_secs(60),
            stable: Duration::from_secs(30),
        };
        assert_eq!(parse(&all, "Cell.toml"), Ok(expected));
        assert_eq!(parse(&json!({}), "Cell.toml"), Ok(Restart::default()));
        for (value, part) in [
            (json!({ "policy": "allways" }), "did you mean `always`?"),
            (json!({ "policy": 1 }), "one of on-failure, always, never"),
            (json!({ "max": 0 }), "at least 1"),
            (json!({ "first": "0ms" }), "at least 10ms"),
            (json!({ "longest": "2 weeks" }), "a time such as"),
            (json!({ "maks": 1 }), "did you mean `max`?"),
            (json!(true), "must be a table"),
        ] {
            let error = parse(&value, "Cell.toml").expect_err("refused");
            let text = format!("{error} {:?}", error.hints);
            assert!(text.contains(part), "{value}: {text}");
        }
    }
}
