//! `values.json` and `conformance.json` are what the runtime archives now, and the codec of snapshots agrees.
#![expect(
    clippy::disallowed_methods,
    reason = "it reads and writes the committed files"
)]

use std::collections::BTreeSet;

use cell_sdk::schema::{Snapshot, dynamic};
use conformance::{Entry, document, snapshot, values};
use serde_json::Value;

const VALUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/values.json");
const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance.json");

#[test]
#[ignore = "writes the committed files"]
fn write() {
    std::fs::write(SNAPSHOT, snapshot().to_json()).expect("writes");
    std::fs::write(VALUES, document()).expect("writes");
}

#[test]
fn the_committed_files_are_what_is_archived_now() {
    let read = |path| std::fs::read_to_string(path).expect("is committed");
    let stale = "is stale; run `cargo test -p conformance -- --ignored` and look at what changed";
    assert!(
        read(SNAPSHOT) == snapshot().to_json(),
        "conformance.json {stale}"
    );
    // The bytes of an archive are what peers of other versions read: a difference is a new archive format.
    assert!(read(VALUES) == document(), "values.json {stale}");
}

#[test]
fn there_are_enough_values_of_every_route() {
    let entries = values();
    // The 256 variants of one enum are not what is meant by many.
    let count = entries
        .iter()
        .filter(|entry| entry.route != "echo_most")
        .count();
    assert!(count >= 500, "{count} values");
    let routes: BTreeSet<&str> = entries.iter().map(|entry| entry.route.as_str()).collect();
    let all: BTreeSet<String> = snapshot()
        .routes
        .iter()
        .map(|route| route.name.clone())
        .collect();
    assert!(all.iter().all(|route| routes.contains(route.as_str())) && routes.len() == all.len());
    let names: BTreeSet<(&str, &str)> = entries
        .iter()
        .map(|entry| (entry.route.as_str(), entry.name.as_str()))
        .collect();
    assert_eq!(names.len(), entries.len(), "names are unique");
}

#[test]
fn the_codec_of_snapshots_agrees_both_ways() {
    let text = std::fs::read_to_string(SNAPSHOT).expect("is committed");
    let snapshot = Snapshot::from_json(&text).expect("is sound");
    let document: Value =
        serde_json::from_str(&std::fs::read_to_string(VALUES).expect("is committed"))
            .expect("is JSON");
    let mut inexact = 0;
    for entry in document["values"].as_array().expect("a list") {
        let (route, name) = (entry["route"].as_str().expect("text"), &entry["name"]);
        let route = snapshot.route(route).expect("a route");
        let bytes = unhex(entry["bytes"].as_str().expect("text"));
        assert_eq!(
            dynamic::decode(&snapshot, &route.res, &bytes).as_ref(),
            Ok(&entry["value"]),
            "{} {name}",
            route.name
        );
        if entry["exact"] == false {
            inexact += 1;
            continue;
        }
        let again = dynamic::encode_request(&snapshot, route, &[entry["value"].clone()]);
        assert_eq!(again, Ok(bytes), "{} {name}", route.name);
    }
    assert!(
        (1..=20).contains(&inexact),
        "only payloads of NaNs are not in their JSON: {inexact}"
    );
}

/// The JSON is made by the codec of snapshots: these are written by hand, so that it cannot agree with itself alone.
#[test]
fn values_are_what_they_are_called() {
    let entries = values();
    let find = |route: &str, bytes: &str| -> Entry {
        let found = entries
            .iter()
            .find(|entry| entry.route == route && entry.bytes == unhex(bytes));
        found
            .unwrap_or_else(|| panic!("{route} has no value {bytes}"))
            .clone()
    };
    for (route, bytes, value) in [
        ("echo_bool", "01", serde_json::json!(true)),
        ("echo_u16", "0201", serde_json::json!(258)),
        ("echo_i8", "80", serde_json::json!(-128)),
        (
            "echo_u64",
            "ffffffffffffffff",
            serde_json::json!("18446744073709551615"),
        ),
        (
            "echo_u64",
            "0000000000002000",
            serde_json::json!(9_007_199_254_740_992_u64),
        ),
        ("echo_f32", "3d0ad73e", serde_json::json!(0.42)),
        ("echo_char", "80f90100", serde_json::json!("🦀")),
        (
            "echo_string",
            "3132333435363738",
            serde_json::json!("12345678"),
        ),
        (
            "echo_string",
            "31323334353637383900000089000000f4ffffff",
            serde_json::json!("123456789"),
        ),
        (
            "echo_option_option",
            "010000",
            serde_json::json!({ "Some": null }),
        ),
        ("echo_unit", "", Value::Null),
        ("echo_color", "01", serde_json::json!("Green")),
        ("echo_single", "00ff", serde_json::json!({ "Only": 255 })),
    ] {
        assert_eq!(find(route, bytes).value, value, "{route} {bytes}");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|digit| (digit as char).to_digit(16).expect("hex") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
