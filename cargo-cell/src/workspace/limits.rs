//! `[limits]` of a `Cell.toml`: what a cell may use up.

use serde_json::Value;

use super::config::unknown_key;
use crate::error::{Error, Result};

/// What a cell may use up; what is not set is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory that a process of the cell may write to.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Open files of a process.
    pub files: Option<u64>,
    /// Thousandths of a core.
    pub cpu: Option<u32>,
}

const KEYS: [&str; 4] = ["memory", "processes", "files", "cpu"];

/// Parses the table.
pub fn parse(value: &Value, place: &str) -> Result<Limits> {
    let table = value
        .as_object()
        .ok_or_else(|| Error::user(format!("`limits` in `{place}` must be a table")))?;
    let mut limits = Limits::default();
    for (key, value) in table {
        let wrong =
            |wanted: &str| Error::user(format!("`limits.{key}` in `{place}` must be {wanted}"));
        let count = |least: u64| {
            let found = value.as_u64().filter(|count| *count >= least);
            found.ok_or_else(|| wrong(&format!("a number, at least {least}")))
        };
        match key.as_str() {
            "memory" => {
                let wanted = "a size such as \"512MiB\" or \"2GiB\", at least 16MiB";
                limits.memory = Some(bytes(value).ok_or_else(|| wrong(wanted))?);
            }
            // A runtime has a thread a core, and the cell's own.
            "processes" => limits.processes = Some(count(16)?),
            // The runtime itself holds about ten.
            "files" => limits.files = Some(count(32)?),
            "cpu" => {
                let cores = value
                    .as_f64()
                    .filter(|cores| (0.01..=1024.0).contains(cores));
                let wanted = "a number of cores such as 1.5, at least 0.01";
                limits.cpu = Some((cores.ok_or_else(|| wrong(wanted))? * 1000.0).round() as u32);
            }
            unknown => return Err(unknown_key("limits", unknown, &KEYS, place)),
        }
    }
    Ok(limits)
}

fn bytes(value: &Value) -> Option<u64> {
    let text = value.as_str()?.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let factor = match unit.trim() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(factor)?;
    // With less no process starts.
    (bytes >= 16 << 20).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_have_units_and_floors() {
        let all = json!({ "memory": "512MiB", "processes": 64, "files": 256, "cpu": 1.5 });
        let limits = Limits {
            memory: Some(512 << 20),
            processes: Some(64),
            files: Some(256),
            cpu: Some(1500),
        };
        assert_eq!(parse(&all, "Cell.toml").ok(), Some(limits));
        for (value, part) in [
            (json!({ "memory": "512" }), "a size such as"),
            (json!({ "memory": "1KiB" }), "at least 16MiB"),
            (json!({ "memory": "99999999999999GiB" }), "a size such as"),
            (json!({ "processes": 1 }), "at least 16"),
            (json!({ "files": -1 }), "at least 32"),
            (json!({ "cpu": 0 }), "a number of cores"),
            (json!({ "file": 64 }), "`limits.file`"),
            (json!(7), "must be a table"),
        ] {
            let error = parse(&value, "Cell.toml").expect_err("refused").to_string();
            assert!(error.contains(part), "{value}: {error}");
        }
    }
}
