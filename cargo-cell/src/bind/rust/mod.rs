//! The Rust binding, `cells/<cell>.rs`: complete types and a client, which `cell::client!` includes.
//!
//! The text is written so that rustfmt finds nothing to change. Items that no layout of lines makes fit (a type
//! expression longer than a line) carry `#[rustfmt::skip]`.

mod client;
mod names;
mod text;
mod types;

use cell_runtime::schema::{Error, Fingerprint, Snapshot};

use super::{File, Language, MARK, Place};
use names::Names;
use text::Text;

/// The language Rust.
#[derive(Debug, Clone, Copy)]
pub struct Rust;

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn extensions(&self) -> Vec<String> {
        vec!["rs".to_owned(), "lock".to_owned()]
    }

    fn generate(&self, snapshot: &Snapshot, _place: &Place) -> Result<Vec<File>, Error> {
        let names = Names::of(snapshot)?;
        let mut text = Text::default();
        text.line(&format!(
            "// @{MARK} from the schema of `{}`, fingerprint {}; do not edit.",
            snapshot.name, snapshot.fingerprint
        ));
        client::head(&mut text, snapshot, &names);
        for def in &snapshot.types {
            types::definition(&mut text, def, &names);
        }
        client::client(&mut text, snapshot, &names);
        Ok(vec![
            File {
                path: format!("{}.rs", snapshot.name),
                text: text.finish(),
            },
            self.lock(&snapshot.name, snapshot.fingerprint),
        ])
    }

    fn lock(&self, cell: &str, fingerprint: Fingerprint) -> File {
        File {
            path: format!("{cell}.lock"),
            text: format!("{fingerprint}\n"),
        }
    }
}

#[cfg(test)]
mod tests;
