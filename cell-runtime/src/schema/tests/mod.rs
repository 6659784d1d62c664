//! Records → snapshots → JSON and back, against vectors, and against strangers.

mod changes;
mod hostile;
mod records;
mod vectors;

use serde_json::{Value, json};

use super::{Records, Snapshot};

/// A section with these records, as the macros write them.
fn section(records: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let record = record.to_string();
        bytes.extend_from_slice(b"CELLREC1");
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record.as_bytes());
    }
    bytes
}

fn snapshot(records: &[Value]) -> Result<Snapshot, String> {
    let records = Records::parse(&section(records)).map_err(|error| error.to_string())?;
    records.service(None).map_err(|error| error.to_string())
}

/// The snapshot of records that are known to be good.
fn good(records: &[Value]) -> Snapshot {
    snapshot(records).expect("a snapshot")
}

fn fields(fields: &[(&str, &str)]) -> Value {
    let fields = fields
        .iter()
        .map(|(name, ty)| json!({ "n": name, "ty": ty }));
    fields.collect()
}

/// `named("a::Point", …)`: the short name is the path's last part.
fn named(id: &str, parts: &[(&str, &str)]) -> Value {
    let name = id.rsplit("::").next();
    json!({ "k": "struct", "id": id, "name": name, "params": 0, "shape": "named", "fields": fields(parts) })
}

fn service(routes: &[Value]) -> Value {
    json!({ "k": "service", "id": "shop::shop", "name": "shop", "routes": routes })
}

fn route(name: &str, args: &[(&str, &str)], ok: &str) -> Value {
    json!({ "n": name, "args": fields(args), "ok": ok, "err": null })
}
