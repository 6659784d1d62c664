//! A line of cargo's JSON output → what it says.

use std::path::PathBuf;

use serde_json::Value;

use crate::event::{Diagnostic, Level};

/// What a line of `cargo build --message-format=json-…` says.
#[derive(Debug, Clone)]
pub enum Message {
    /// A binary is up to date.
    Binary(Binary),
    /// The compiler says something about a package.
    Diagnostic {
        /// Cargo's id of the package.
        package_id: String,
        /// The message.
        diagnostic: Diagnostic,
    },
    /// The build is over.
    Finished {
        /// Whether everything compiled.
        success: bool,
    },
}

/// A binary that is up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Cargo's id of the package.
    pub package_id: String,
    /// The target's name.
    pub target: String,
    /// The file.
    pub executable: PathBuf,
    /// Cargo did not have to run the compiler.
    pub fresh: bool,
}

/// Parses a line; nothing is returned for lines of no interest.
#[must_use]
pub fn parse(line: &str) -> Option<Message> {
    if !line.starts_with('{') {
        return None;
    }
    let value: Value = serde_json::from_str(line).ok()?;
    match value["reason"].as_str()? {
        "compiler-artifact" => Some(Message::Binary(Binary {
            package_id: value["package_id"].as_str()?.to_owned(),
            target: value["target"]["name"].as_str()?.to_owned(),
            executable: PathBuf::from(value["executable"].as_str()?),
            fresh: value["fresh"].as_bool().unwrap_or(false),
        })),
        "compiler-message" => Some(Message::Diagnostic {
            package_id: value["package_id"].as_str()?.to_owned(),
            diagnostic: diagnostic(&value)?,
        }),
        "build-finished" => Some(Message::Finished {
            success: value["success"].as_bool()?,
        }),
        _ => None,
    }
}

fn diagnostic(value: &Value) -> Option<Diagnostic> {
    let message = &value["message"];
    let text = message["message"].as_str()?;
    let level = match message["level"].as_str()? {
        "warning" => Level::Warning,
        level if level.starts_with("error") => Level::Error,
        _ => Level::Note,
    };
    // "2 warnings emitted" and "aborting due to 1 previous error" only repeat what stands above them.
    let is_summary = message["spans"].as_array().is_some_and(Vec::is_empty)
        && message["code"].is_null()
        && (text.starts_with("aborting due to")
            || text.ends_with(" emitted")
            || text.starts_with("For more information"));
    if is_summary || text.starts_with("Some errors have detailed explanations") {
        return None;
    }
    let primary = message["spans"]
        .as_array()?
        .iter()
        .find(|span| span["is_primary"].as_bool() == Some(true));
    Some(Diagnostic {
        level,
        package: package_name(value["package_id"].as_str()?).to_owned(),
        message: text.to_owned(),
        rendered: message["rendered"].as_str().unwrap_or(text).to_owned(),
        at: primary.and_then(|span| {
            Some(format!(
                "{}:{}",
                span["file_name"].as_str()?,
                span["line_start"].as_u64()?
            ))
        }),
    })
}

/// The name in a package id such as `path+file:///w/button#0.1.0` or `…/button#other-name@0.1.0`.
#[must_use]
pub fn package_name(id: &str) -> &str {
    let (url, fragment) = id.rsplit_once('#').unwrap_or(("", id));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None if fragment.starts_with(|c: char| c.is_ascii_digit()) => {
            url.rsplit('/').next().unwrap_or(url)
        }
        None => fragment,
    }
}

/// The cell whose binding a package misses, if that is what a message says.
#[must_use]
pub fn missing_binding(message: &str) -> Option<&str> {
    let name = if let Some((_, rest)) = message.split_once("no binding for cell `") {
        rest.split_once('`')?.0
    } else {
        let (_, path) = message.split_once("couldn't read `")?;
        let (path, _) = path.split_once('`')?;
        let (folder, file) = path.rsplit_once('/')?;
        if !folder.ends_with("cells") {
            return None;
        }
        file.strip_suffix(".rs")
            .or_else(|| file.strip_suffix(".lock"))?
    };
    let sound = !name.is_empty()
        && name.len() <= 128
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    sound.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_diagnostics_and_the_end_are_read() {
        let binary = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/button#0.1.0","target":{"name":"button","kind":["bin"]},"executable":"/w/target/debug/button","fresh":true}"#;
        let Some(Message::Binary(binary)) = parse(binary) else {
            panic!("it is a binary")
        };
        assert_eq!((binary.target.as_str(), binary.fresh), ("button", true));
        let error = r#"{"reason":"compiler-message","package_id":"path+file:///w/button#0.1.0","message":{"message":"expected `;`","level":"error","code":null,"spans":[{"is_primary":true,"file_name":"src/main.rs","line_start":7}],"rendered":"error: …"}}"#;
        let Some(Message::Diagnostic { diagnostic, .. }) = parse(error) else {
            panic!("it is a diagnostic")
        };
        assert_eq!(
            (diagnostic.package.as_str(), diagnostic.at.as_deref()),
            ("button", Some("src/main.rs:7"))
        );
        assert!(matches!(
            parse(r#"{"reason":"build-finished","success":false}"#),
            Some(Message::Finished { success: false })
        ));
    }

    #[test]
    fn everything_else_is_passed_over() {
        let library = r#"{"reason":"compiler-artifact","package_id":"x","target":{"name":"x"},"executable":null,"fresh":true}"#;
        let summary = r#"{"reason":"compiler-message","package_id":"x","message":{"message":"aborting due to 1 previous error","level":"error","code":null,"spans":[],"rendered":""}}"#;
        for line in ["", "hello", "{", "{}", "[1]", library, summary] {
            assert!(parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn names_are_found_in_package_ids() {
        let table = [
            ("path+file:///w/button#0.1.0", "button"),
            ("path+file:///w/folder#button@0.1.0", "button"),
            (
                "registry+https://github.com/rust-lang/crates.io-index#serde@1.0.0",
                "serde",
            ),
            ("odd", "odd"),
        ];
        for (id, name) in table {
            assert_eq!(package_name(id), name);
        }
    }

    #[test]
    fn missing_bindings_are_recognised() {
        let table = [
            (
                "no binding for cell `button_service`: cells/button_service.rs is missing; run `cargo cell build`",
                Some("button_service"),
            ),
            (
                "couldn't read `consumer/src/../cells/ledger.rs`: No such file or directory (os error 2)",
                Some("ledger"),
            ),
            (
                "couldn't read `consumer/src/data.txt`: No such file or directory (os error 2)",
                None,
            ),
            ("no binding for cell `../../etc/passwd`: …", None),
            ("mismatched types", None),
        ];
        for (message, name) in table {
            assert_eq!(missing_binding(message), name);
        }
    }
}
