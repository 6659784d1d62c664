//! The Python binding: a package for each cell, and the package `_cell` that all of them share. For Python 3.10 and newer,
//! with the standard library alone; cells of other machines are called through aioquic, where a program has it.
//!
//! The text is written so that `ruff format` finds nothing to change; see `text` for how.

mod client;
mod codec;
mod items;
mod labels;
mod names;
mod read;
mod rep;
mod text;
mod types;
mod write;

use cell_runtime::schema::{Error, Fingerprint, Snapshot};

use super::{File, Language, MARK, Place, short_name};
use codec::Codec;
use names::Names;
use rep::Lowering;
use text::Text;

/// The language Python.
#[derive(Debug, Clone, Copy)]
pub struct Python;

/// The folder that all bindings share.
const SHARED: &str = "_cell";

macro_rules! runtime {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("runtime/", $name)))),*]
    };
}

/// What lies there, as it is.
const RUNTIME: &[(&str, &str)] = runtime![
    "__init__.py",
    "aio.py",
    "bridge.py",
    "clients.py",
    "discovery.py",
    "errors.py",
    "flow.py",
    "frames.py",
    "limits.py",
    "protocol.py",
    "quic.py",
    "reader.py",
    "remote.py",
    "retry.py",
    "route.py",
    "streams.py",
    "sync.py",
    "trace.py",
    "values.py",
    "wire.py",
    "writer.py",
];

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["py"]
    }

    fn generate(&self, snapshot: &Snapshot, _place: &Place) -> Result<Vec<File>, Error> {
        let folder = folder(&snapshot.name);
        let names = Names::of(snapshot)?;
        let lowering = Lowering::of(snapshot)?;
        let mut codec = Codec::new(snapshot, &names, &lowering);
        for route in &snapshot.routes {
            codec.route(route)?;
        }
        let file = |name: &str, text: String| File {
            path: format!("{folder}/{name}"),
            text,
        };
        Ok(vec![
            file("__init__.py", client::init(snapshot, &names)),
            self.lock(&snapshot.name, snapshot.fingerprint),
            file("_schema.py", client::schema(snapshot)),
            file("aio.py", client::aio(snapshot, &names)),
            file("client.py", client::client(snapshot, &names, &lowering)?),
            file("codec.py", codec.finish()?),
            file("messages.py", types::messages(snapshot, &names, &lowering)?),
            file("py.typed", String::new()),
        ])
    }

    fn lock(&self, cell: &str, fingerprint: Fingerprint) -> File {
        File {
            path: format!("{}/_lock.py", folder(cell)),
            text: client::lock(cell, fingerprint),
        }
    }

    fn shared(&self, _place: &Place) -> Vec<File> {
        let files = RUNTIME.iter().map(|(name, text)| (*name, *text));
        let files = files.chain([("py.typed", "")]);
        let files = files.map(|(name, text)| File {
            path: format!("{SHARED}/{name}"),
            text: text.to_owned(),
        });
        files.collect()
    }

    fn package(&self, place: &Place) -> Vec<File> {
        let name = match place.name.is_empty() {
            true => "cells",
            false => &place.name,
        };
        vec![
            File {
                path: "__init__.py".to_owned(),
                text: String::new(),
            },
            File {
                path: "pyproject.toml".to_owned(),
                text: client::pyproject(name),
            },
        ]
    }
}

/// The package of a cell: its short name, where Python can import that.
fn folder(cell: &str) -> String {
    let name = short_name(cell);
    match names::is_keyword(name) {
        true => format!("{name}_"),
        false => name.to_owned(),
    }
}

/// The first line of every file.
fn head(text: &mut Text) {
    text.line(&format!("# @{MARK}; do not edit."));
}

#[cfg(test)]
mod tests;
