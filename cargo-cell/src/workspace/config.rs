//! `Cell.toml`, or `[package.metadata.cell]`: how a cell runs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::remote::{self, Remote};
use super::restart::{self, Restart};
use super::rights::Rights;
use super::sandbox::SandboxMode;
use super::{limits, rights};
use crate::error::{Error, Result};

/// How a cell runs; the default needs no file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The sandbox of this cell, unless the command line says otherwise: `auto`, `bwrap` or `none`.
    pub sandbox: Option<SandboxMode>,
    /// Whether two generations may live side by side during a swap. A cell that owns a database file says `false`.
    pub overlap: bool,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// How long an old generation may finish its calls.
    pub drain: Duration,
    /// How long a process that has finished its calls, or was asked to end, may take to exit before it is killed.
    pub grace: Duration,
    /// How long a new generation may take until it says ready.
    pub ready: Duration,
    /// Cells that it calls by names that only it knows at run time.
    pub calls: Vec<String>,
    /// What it may use up and reach.
    pub rights: Rights,
    /// What is done when it ends by itself.
    pub restart: Restart,
    /// How it is open to the network; it is not unless this says so.
    pub remote: Option<Remote>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            sandbox: None,
            overlap: true,
            env: BTreeMap::new(),
            drain: Duration::from_secs(10),
            grace: Duration::from_secs(1),
            ready: Duration::from_secs(10),
            calls: Vec::new(),
            rights: Rights::default(),
            restart: Restart::default(),
            remote: None,
        }
    }
}

/// Bindings that a package declares, in a `[[bindings]]` of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The languages.
    pub langs: Vec<String>,
    /// The folder, relative to the package's.
    pub out: String,
    /// The cells.
    pub cells: Vec<String>,
}

const KEYS: [&str; 12] = [
    "cell", "restart", "sandbox", "overlap", "env", "drain", "grace", "ready", "calls", "bindings",
    "limits", "remote",
];
/// A cell may not hold up a swap for longer than anybody would wait for one.
const LONGEST: Duration = Duration::from_secs(3600);

/// Parses the text of a `Cell.toml` as far as TOML goes.
pub fn value(text: &str, place: &str) -> Result<Value> {
    toml::from_str(text)
        .map_err(|cause| Error::user(format!("`{place}` is not valid TOML")).because(cause))
}

/// Parses settings; nothing is returned when the package opts out.
pub fn parse(value: &Value, place: &str) -> Result<Option<Config>> {
    let table = match value {
        Value::Bool(true) => return Ok(Some(Config::default())),
        Value::Bool(false) => return Ok(None),
        Value::Object(table) => table,
        _ => {
            return Err(Error::user(format!(
                "`{place}` must be a table, or `cell = false`"
            )));
        }
    };
    let mut config = Config::default();
    for (key, value) in table {
        let wrong = |wanted: &str| Error::user(format!("`{key}` in `{place}` must be {wanted}"));
        match key.as_str() {
            "cell" => match value.as_bool() {
                Some(false) => return Ok(None),
                Some(true) => {}
                None => return Err(wrong("true or false")),
            },
            "overlap" => config.overlap = value.as_bool().ok_or_else(|| wrong("true or false"))?,
            "sandbox" => {
                config.sandbox = rights::parse_sandbox(value, &mut config.rights, place)?;
            }
            "restart" => config.restart = restart::parse(value, place)?,
            "remote" => config.remote = Some(remote::parse(value, place)?),
            "limits" => config.rights.limits = limits::parse(value, place)?,
            "drain" => config.drain = time(value, &wrong)?,
            "grace" => config.grace = time(value, &wrong)?,
            "ready" => config.ready = time(value, &wrong)?,
            "calls" => {
                let names = value
                    .as_array()
                    .ok_or_else(|| wrong("a list of cell names"))?;
                for name in names {
                    config.calls.push(
                        name.as_str()
                            .ok_or_else(|| wrong("a list of cell names"))?
                            .to_owned(),
                    );
                }
            }
            // A package that is no cell may have them as well: see `bindings`.
            "bindings" => {}
            "env" => {
                let variables = value
                    .as_object()
                    .ok_or_else(|| wrong("a table of strings"))?;
                for (name, value) in variables {
                    let text = value.as_str().ok_or_else(|| wrong("a table of strings"))?;
                    if name.is_empty()
                        || name.contains(['=', '\0'])
                        || text.contains('\0')
                        || name.starts_with("CELL_")
                    {
                        return Err(Error::user(format!(
                            "`env.{name}` in `{place}` cannot be set"
                        )));
                    }
                    config.env.insert(name.clone(), text.to_owned());
                }
            }
            unknown => return Err(unknown_key("", unknown, &KEYS, place)),
        }
    }
    Ok(Some(config))
}

/// The bindings that a package declares, cell or not.
pub fn bindings(value: &Value, place: &str) -> Result<Vec<Declared>> {
    let Some(list) = value.get("bindings") else {
        return Ok(Vec::new());
    };
    let wrong = |what: &str| {
        Error::user(format!("{what} in `{place}`")).hint(
            "for example: [[bindings]] lang = \"go\", out = \"../clients/go\", cells = [\"button_service\"]",
        )
    };
    let list = list
        .as_array()
        .ok_or_else(|| wrong("`bindings` must be a list of tables"))?;
    list.iter()
        .map(|entry| {
            let entry = entry
                .as_object()
                .ok_or_else(|| wrong("`bindings` must be a list of tables"))?;
            const ENTRY_KEYS: [&str; 3] = ["lang", "out", "cells"];
            if let Some(key) = entry.keys().find(|key| !ENTRY_KEYS.contains(&key.as_str())) {
                return Err(wrong(&format!("unknown key `{key}` of `bindings`")));
            }
            let langs = entry.get("lang").and_then(one_or_several);
            let cells = entry.get("cells").and_then(one_or_several);
            let out = entry.get("out").and_then(Value::as_str);
            // An absolute path would be another one for everybody else.
            let out = out.filter(|out| !out.is_empty() && !out.starts_with('/'));
            Ok(Declared {
                langs: langs.ok_or_else(|| wrong("`lang` of `bindings` must name languages"))?,
                out: out
                    .ok_or_else(|| wrong("`out` of `bindings` must be a relative path"))?
                    .to_owned(),
                cells: cells.ok_or_else(|| wrong("`cells` of `bindings` must name cells"))?,
            })
        })
        .collect()
}

/// `"a"` or `["a", "b"]`, with at least one.
fn one_or_several(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

/// A key that is none of these; `table` is empty for the file itself.
pub(super) fn unknown_key(table: &str, key: &str, known: &[&str], place: &str) -> Error {
    let dot = if table.is_empty() { "" } else { "." };
    let error = Error::user(format!("unknown key `{table}{dot}{key}` in `{place}`"));
    error.hint(match similar(key, known) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("known keys: {}", known.join(", ")),
    })
}

/// The candidate that was probably meant.
#[must_use]
pub fn similar<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate))
        .filter(|(closeness, _)| *closeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// A time, or an error that says what one looks like.
pub(super) fn time(value: &Value, wrong: &dyn Fn(&str) -> Error) -> Result<Duration> {
    duration(value).ok_or_else(|| wrong("a time such as \"5s\" or \"500ms\", at most an hour"))
}

fn duration(value: &Value) -> Option<Duration> {
    let text = value.as_str()?.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let duration = match unit.trim() {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (duration <= LONGEST).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_toml(text: &str, place: &str) -> Result<Option<Config>> {
        parse(&value(text, place)?, place)
    }

    #[test]
    fn bindings_are_declared() {
        let text = "[[bindings]]\nlang = 'go'\nout = '../clients'\ncells = 'a'\n[[bindings]]\nlang = ['ts', 'python']\nout = 'x'\ncells = ['a', 'b']\n";
        let parsed = value(text, "Cell.toml").and_then(|value| bindings(&value, "Cell.toml"));
        let declared = |langs: &[&str], out: &str, cells: &[&str]| Declared {
            langs: langs.iter().map(ToString::to_string).collect(),
            out: out.to_owned(),
            cells: cells.iter().map(ToString::to_string).collect(),
        };
        let expected = vec![
            declared(&["go"], "../clients", &["a"]),
            declared(&["ts", "python"], "x", &["a", "b"]),
        ];
        assert_eq!(parsed, Ok(expected));
        assert_eq!(parse_toml(text, "Cell.toml"), Ok(Some(Config::default())));
        for (text, part) in [
            ("bindings = 1", "list of tables"),
            ("bindings = [1]", "list of tables"),
            ("[[bindings]]\nlang = 'go'\nout = 'x'", "`cells`"),
            ("[[bindings]]\nout = 'x'\ncells = 'a'", "`lang`"),
            (
                "[[bindings]]\nlang = 'go'\nout = '/x'\ncells = 'a'",
                "`out`",
            ),
            ("[[bindings]]\nlang = []\nout = 'x'\ncells = 'a'", "`lang`"),
            ("[[bindings]]\nlanguage = 'go'", "`language`"),
        ] {
            let parsed = value(text, "Cell.toml").and_then(|value| bindings(&value, "Cell.toml"));
            let error = parsed.expect_err(text);
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_full_file_parses() {
        let text = "sandbox = 'bwrap'\noverlap = false\ndrain = '500ms'\ngrace = '3s'\nready = '1m'\ncalls = ['ledger']\n[env]\nA = 'b'\n";
        let config = parse_toml(text, "Cell.toml")
            .expect("it is valid")
            .expect("it is a cell");
        let expected = Config {
            sandbox: Some(SandboxMode::Bwrap),
            overlap: false,
            env: [("A".to_owned(), "b".to_owned())].into(),
            drain: Duration::from_millis(500),
            grace: Duration::from_secs(3),
            ready: Duration::from_secs(60),
            calls: vec!["ledger".to_owned()],
            rights: Rights::default(),
            restart: Restart::default(),
            remote: None,
        };
        assert_eq!(config, expected);
        assert_eq!(parse_toml("", "Cell.toml"), Ok(Some(Config::default())));
        assert_eq!(parse_toml("cell = false", "Cell.toml"), Ok(None));
    }

    #[test]
    fn mistakes_are_named_with_a_suggestion() {
        let table = [
            (
                "overlpa = true",
                "unknown key `overlpa`",
                "did you mean `overlap`?",
            ),
            (
                "zzz = 1",
                "unknown key `zzz`",
                &format!("known keys: {}", KEYS.join(", ")),
            ),
            (
                "sandbox = 'bwarp'",
                "unknown sandbox `bwarp`",
                "did you mean `bwrap`?",
            ),
            (
                "overlap = 'no'",
                "`overlap` in `Cell.toml` must be true or false",
                "",
            ),
            (
                "drain = '5 parsecs'",
                "`drain` in `Cell.toml` must be a time",
                "",
            ),
            (
                "drain = '99999999999999999999s'",
                "`drain` in `Cell.toml` must be a time",
                "",
            ),
            (
                "calls = 'ledger'",
                "`calls` in `Cell.toml` must be a list",
                "",
            ),
            (
                "env = { CELL_RUN = 'x' }",
                "`env.CELL_RUN` in `Cell.toml` cannot be set",
                "",
            ),
            ("overlap = ", "`Cell.toml` is not valid TOML", ""),
        ];
        for (text, message, hint) in table {
            let error = parse_toml(text, "Cell.toml").expect_err(text);
            assert!(error.message.starts_with(message), "{text}: {error}");
            assert_eq!(
                error.hints.first().map_or("", String::as_str),
                hint,
                "{text}"
            );
        }
    }
}
