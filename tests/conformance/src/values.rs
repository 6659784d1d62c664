//! Values of every route's type, with their JSON and their archived bytes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use cell_sdk::protein::{Protein, encode};
use cell_sdk::schema::{Snapshot, dynamic, own_service};
use serde_json::Value;

use crate::{extremes, routes};

/// The schema of the conformance cell.
pub fn snapshot() -> Arc<Snapshot> {
    own_service("conformance::routes::conformance").expect("the cell's own schema is sound")
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The route that takes and gives it.
    pub route: String,
    /// What it is called; with the route it is unique.
    pub name: String,
    /// The value, as `cargo cell call` prints it.
    pub value: Value,
    /// Its archive.
    pub bytes: Vec<u8>,
    /// Whether `value` alone gives `bytes` again; a NaN's payload is not in its JSON.
    pub exact: bool,
}

/// Every value.
pub fn values() -> Vec<Entry> {
    let mut collector = Collector {
        snapshot: snapshot(),
        entries: Vec::new(),
        seen: BTreeSet::new(),
    };
    routes::collect(&mut collector);
    extremes::collect(&mut collector);
    collector.entries.sort_by_key(|entry| entry.route.clone());
    collector.entries
}

/// Takes values and makes entries of them.
pub(crate) struct Collector {
    snapshot: Arc<Snapshot>,
    entries: Vec<Entry>,
    seen: BTreeSet<(String, Vec<u8>)>,
}

impl Collector {
    /// Adds a value, unless the route has one of the same bytes already.
    pub(crate) fn add<T: Protein>(&mut self, route: &str, name: &str, value: &T) {
        let of = self.snapshot.route(route).expect("a route of this name");
        // Records name definitions by their full path, snapshots by their own name.
        let ty = T::TY
            .replace("conformance::types::", "")
            .replace("conformance::recursive::", "")
            .replace("conformance::names::", "");
        assert_eq!(of.res.to_string(), ty, "the type of `{route}`");
        let bytes = encode(value).expect("archives").to_vec();
        if !self.seen.insert((route.to_owned(), bytes.clone())) {
            return;
        }
        let value = dynamic::decode(&self.snapshot, &of.res, &bytes)
            .unwrap_or_else(|error| panic!("{route} {name}: {error}"));
        let again =
            dynamic::encode(&self.snapshot, &of.res, &value).expect("what is printed is read");
        self.entries.push(Entry {
            route: route.to_owned(),
            name: name.to_owned(),
            exact: again == bytes,
            value,
            bytes,
        });
    }
}

const ABOUT: &[&str] = &[
    "Values of the schema beside this file (conformance.json) with the bytes that Rust archives. Written by `cargo test -p conformance -- --ignored`.",
    "value: as `cargo cell call` prints it (docs/schema.md, JSON of values). Integers up to 2^53 are numbers and beyond that strings of digits, so a JavaScript JSON.parse loses nothing; floats are numbers, or the strings NaN, inf and -inf.",
    "bytes: the archive in hex. A request of one argument has the same bytes as an answer: decode as the route's answer, compare with value, encode as the route's request, compare with bytes.",
    "exact: false where value alone cannot give bytes, because a NaN's payload is not in its JSON; left out otherwise.",
];

/// The text of `values.json`: one value a line.
pub fn document() -> String {
    let about: Vec<String> = ABOUT
        .iter()
        .map(|line| format!("    {}", Value::from(*line)))
        .collect();
    let mut text = format!(
        "{{\n  \"about\": [\n{}\n  ],\n  \"fingerprint\": \"{}\",\n  \"values\": [\n",
        about.join(",\n"),
        snapshot().fingerprint
    );
    let entries = values();
    for (index, entry) in entries.iter().enumerate() {
        let hex = entry.bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let exact = if entry.exact {
            ""
        } else {
            ", \"exact\": false"
        };
        let comma = if index + 1 == entries.len() { "" } else { "," };
        let _ = writeln!(
            text,
            "    {{ \"route\": \"{}\", \"name\": {}, \"value\": {}{exact}, \"bytes\": \"{hex}\" }}{comma}",
            entry.route,
            Value::from(entry.name.as_str()),
            entry.value
        );
    }
    text.push_str("  ]\n}\n");
    text
}
