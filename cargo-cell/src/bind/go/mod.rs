//! The Go binding: a package for each cell, the package `cell` that all of them share, and beside it the module `cellquic`
//! for cells of other machines: Go builds it, with the library that it needs, for those alone who import it.
//!
//! The text is written so that gofmt finds nothing to change.

mod client;
mod codec;
mod codec_read;
mod codec_write;
mod names;
mod rep;
mod text;
mod types;

use cell_runtime::schema::{Error, Fingerprint, Snapshot};

use super::{File, Language, MARK, Place, go_module};
use codec::Codec;
use names::Names;
use rep::Lowering;
use text::Text;
use types::{Errors, Types};

/// The language Go.
#[derive(Debug, Clone, Copy)]
pub struct Go;

/// The folder that all bindings share.
const SHARED: &str = "cell";

/// What lies there.
const RUNTIME: &[(&str, &str)] = &[
    ("cell.go", include_str!("runtime/cell.go")),
    ("codec.go", include_str!("runtime/codec.go")),
    ("conn.go", include_str!("runtime/conn.go")),
    ("discovery.go", include_str!("runtime/discovery.go")),
    ("errors.go", include_str!("runtime/errors.go")),
    ("int128.go", include_str!("runtime/int128.go")),
    ("items.go", include_str!("runtime/items.go")),
    ("outbox.go", include_str!("runtime/outbox.go")),
    ("peer_linux.go", include_str!("runtime/peer_linux.go")),
    ("peer_other.go", include_str!("runtime/peer_other.go")),
    ("read.go", include_str!("runtime/read.go")),
    ("reader.go", include_str!("runtime/reader.go")),
    ("stream.go", include_str!("runtime/stream.go")),
    ("trace.go", include_str!("runtime/trace.go")),
    ("transport.go", include_str!("runtime/transport.go")),
    ("try_other.go", include_str!("runtime/try_other.go")),
    ("try_unix.go", include_str!("runtime/try_unix.go")),
    ("tuples.go", include_str!("runtime/tuples.go")),
    ("values.go", include_str!("runtime/values.go")),
    ("wire.go", include_str!("runtime/wire.go")),
    ("writer.go", include_str!("runtime/writer.go")),
];

/// The folder of the module that calls cells of other machines.
const REMOTE: &str = "cellquic";

/// What lies there. Its `go.mod` calls it by its folder's name.
const REMOTE_RUNTIME: &[(&str, &str)] = &[
    ("fault.go", include_str!("runtime/quic/fault.go")),
    ("go.mod", include_str!("runtime/quic/go.mod")),
    ("go.sum", include_str!("runtime/quic/go.sum")),
    ("keys.go", include_str!("runtime/quic/keys.go")),
    ("line.go", include_str!("runtime/quic/line.go")),
    ("link.go", include_str!("runtime/quic/link.go")),
    ("transport.go", include_str!("runtime/quic/transport.go")),
];

impl Language for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn extensions(&self) -> Vec<String> {
        ["go", "mod", "sum"].map(str::to_owned).to_vec()
    }

    fn needs_import_path(&self) -> bool {
        true
    }

    fn generate(&self, snapshot: &Snapshot, place: &Place) -> Result<Vec<File>, Error> {
        let names = Names::of(snapshot, format!("{}/{SHARED}", import_path(place)))?;
        if let Some(taken) = [SHARED, REMOTE]
            .iter()
            .find(|taken| names.package == **taken)
        {
            return Err(Error::new(format!(
                "`{}` would be the Go package `{taken}`, which is what all bindings share",
                snapshot.name
            ))
            .hint("rename the cell"));
        }
        let lowering = Lowering::of(snapshot);
        let errors = Errors::of(snapshot);
        let types = Types {
            names: &names,
            lowering: &lowering,
            errors: &errors,
        };
        let mut code = Text::default();
        client::head(&mut code, snapshot, &names);
        for def in &snapshot.types {
            types.definition(&mut code, def)?;
        }
        client::client(&mut code, snapshot, &names, &lowering)?;

        let mut codec = Codec::new(snapshot, &names, &lowering, &errors);
        for route in &snapshot.routes {
            codec.route(route)?;
        }
        let folder = &names.package;
        let mut head = Text::default();
        head.line(&generated());
        head.line("");
        let mut main = head.finish();
        let mut docs = Text::default();
        docs.line("");
        client::package_docs(&mut docs, snapshot, &names);
        main.push_str(&docs.finish());
        Ok(vec![
            File {
                path: format!("{folder}/{folder}.go"),
                text: with_imports(&main, &code.finish(), &names),
            },
            File {
                path: format!("{folder}/codec.go"),
                text: with_imports(
                    &format!("{}\n\npackage {folder}\n", generated()),
                    &codec.finish(),
                    &names,
                ),
            },
            self.lock(&snapshot.name, snapshot.fingerprint),
        ])
    }

    fn lock(&self, cell: &str, fingerprint: Fingerprint) -> File {
        let package = names::package(cell);
        let mut text = Text::default();
        text.line(&generated());
        text.line("");
        text.line(&format!("package {package}"));
        text.line("");
        text.line(&format!("// lock says what the schema of `{cell}` is now."));
        text.open("type lock interface {");
        text.line(&format!("{}()", client::proof(fingerprint)));
        text.close("}");
        File {
            path: format!("{package}/lock.go"),
            text: text.finish(),
        }
    }

    fn shared(&self, place: &Place) -> Vec<File> {
        let files = RUNTIME.iter().map(|(name, text)| File {
            path: format!("{SHARED}/{name}"),
            text: (*text).to_owned(),
        });
        let module = format!("module {}/{REMOTE}\n", import_path(place));
        let remote = REMOTE_RUNTIME.iter().map(|(name, text)| File {
            path: format!("{REMOTE}/{name}"),
            text: match *name {
                "go.mod" => text.replacen("module cellquic\n", &module, 1),
                _ => (*text).to_owned(),
            },
        });
        files.chain(remote).collect()
    }

    fn package(&self, place: &Place) -> Vec<File> {
        vec![File {
            path: "go.mod".to_owned(),
            text: format!("module {}\n\ngo 1.21\n", import_path(place)),
        }]
    }
}

/// How the folder is imported: as it is called, where nobody says.
fn import_path(place: &Place) -> &str {
    match &place.import_path {
        Some(path) => path,
        None => go_module::of_its_own(&place.name),
    }
}

/// The first line of every file, by which Go's tools know it too.
fn generated() -> String {
    format!("// Code {MARK}; DO NOT EDIT.")
}

/// A file: its head, the imports that its code needs, and the code.
fn with_imports(head: &str, code: &str, names: &Names) -> String {
    let uses = |package: &str| {
        let call = format!("{package}.");
        let mut lines = code.lines().map(|line| line.trim_start());
        lines.any(|line| {
            !line.starts_with("//")
                && line.match_indices(&call).any(|(at, _)| {
                    !line[..at]
                        .ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
                })
        })
    };
    let standard: Vec<&str> = ["context", "fmt", "iter", "time"]
        .into_iter()
        .filter(|name| uses(name))
        .collect();
    let mut text = Text::default();
    text.line("");
    if standard.is_empty() {
        text.line(&format!("import \"{}\"", names.runtime));
    } else {
        text.open("import (");
        for name in &standard {
            text.line(&format!("\"{name}\""));
        }
        if uses(SHARED) {
            text.line("");
            text.line(&format!("\"{}\"", names.runtime));
        }
        text.close(")");
    }
    text.line("");
    format!("{head}{}\n{code}", text.finish())
}

#[cfg(test)]
mod tests;
