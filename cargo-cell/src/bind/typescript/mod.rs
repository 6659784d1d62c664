//! The TypeScript binding: `<cell>/index.ts` with the types, functions and a client, and `cell/` with what all clients of a
//! folder share, for Node and without dependencies.
//!
//! The text is written so that Prettier finds nothing to change; see `text` for what it is told to leave alone.

mod client;
mod codec;
mod names;
mod package;
mod routes;
mod schema;
mod text;
mod types;

use cell_runtime::schema::{Error, Fingerprint, Snapshot};

use super::{File, Language, Place, short_name};
use codec::Codecs;
use names::Names;
use schema::Schema;

/// The language TypeScript.
#[derive(Debug, Clone, Copy)]
pub struct TypeScript;

/// The folder of what all clients share.
const SHARED: &str = "cell";

impl Language for TypeScript {
    fn name(&self) -> &'static str {
        "typescript"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["ts"]
    }

    fn generate(&self, snapshot: &Snapshot, _place: &Place) -> Result<Vec<File>, Error> {
        let names = Names::of(snapshot)?;
        let schema = Schema::new(snapshot, &names);
        let mut codecs = Codecs::new(snapshot, &schema);
        let types = types::types(snapshot, &schema)?;
        let index = client::index(snapshot, &schema)?;
        let routes = routes::routes(snapshot, &mut codecs)?;
        let codec = codecs.finish(&snapshot.name)?;
        let folder = folder(&snapshot.name)?;
        let file = |name: &str, text: String| File {
            path: format!("{folder}/{name}.ts"),
            text,
        };
        Ok(vec![
            file("codec", codec),
            file("index", index),
            self.lock(&snapshot.name, snapshot.fingerprint),
            file("routes", routes),
            file("types", types),
        ])
    }

    fn lock(&self, cell: &str, fingerprint: Fingerprint) -> File {
        File {
            path: format!("{}/lock.ts", short_name(cell)),
            text: client::lock(cell, fingerprint),
        }
    }

    fn shared(&self, _place: &Place) -> Vec<File> {
        let files = RUNTIME.iter();
        let files = files.map(|(name, text)| File {
            path: format!("{SHARED}/{name}"),
            text: (*text).to_owned(),
        });
        files.collect()
    }

    fn package(&self, place: &Place) -> Vec<File> {
        package::files(place)
    }
}

fn folder(cell: &str) -> Result<&str, Error> {
    match short_name(cell) {
        SHARED => Err(Error::new(format!(
            "the binding of `{cell}` would lie in `{SHARED}`, which is the folder of what all bindings share"
        ))
        .hint("rename the service")),
        folder => Ok(folder),
    }
}

macro_rules! runtime {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("runtime/", $name)))),*]
    };
}

/// The files that all clients share, as they are.
const RUNTIME: &[(&str, &str)] = runtime![
    "channel.ts",
    "connection.ts",
    "discovery.ts",
    "errors.ts",
    "exchange.ts",
    "flow.ts",
    "frame.ts",
    "handshake.ts",
    "index.ts",
    "limits.ts",
    "order.ts",
    "reader.ts",
    "state.ts",
    "trace.ts",
    "types.ts",
    "until.ts",
    "waiting.ts",
    "writer.ts",
];

#[cfg(test)]
mod tests;
