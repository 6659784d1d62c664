//! `tests/conformance/schema.json`: what an implementation in another language must agree with.
#![expect(clippy::disallowed_methods, reason = "it reads the vectors")]

use serde_json::Map;

use super::*;
use crate::schema::{Fingerprint, Ty, canonical, canonical_route, dynamic};

const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/conformance/schema.json"
);

/// What it shows, its records, and values of its types.
type Case = (&'static str, Vec<Value>, Vec<(&'static str, Value)>);

/// The schemas of the vectors, with values of their types.
fn cases() -> Vec<Case> {
    let mut page = named(
        "m::Page",
        &[("items", "Vec<$0>"), ("next", "Option<Box<m::Page<$0>>>")],
    );
    page["params"] = json!(1);
    page["docs"] = json!("Some of many.");
    let tree = json!({ "k": "enum", "id": "m::Tree", "name": "Tree", "variants": [
        { "n": "Leaf", "shape": "unit" },
        { "n": "One", "shape": "tuple", "fields": fields(&[("0", "u8")]) },
        { "n": "Wide", "shape": "tuple", "fields": fields(&[("0", "u8"), ("1", "u64")]) },
        { "n": "Node", "shape": "named", "fields": fields(&[("text", "String"), ("children", "Vec<m::Tree>")]) },
    ] });
    let numbers = named(
        "m::Numbers",
        &[
            ("a", "bool"),
            ("b", "u8"),
            ("c", "u16"),
            ("d", "u32"),
            ("e", "u64"),
            ("f", "u128"),
            ("g", "i8"),
            ("h", "i16"),
            ("i", "i32"),
            ("j", "i64"),
            ("k", "i128"),
            ("l", "f32"),
            ("m", "f64"),
            ("n", "char"),
        ],
    );
    let values = json!({ "a": true, "b": 255, "c": 65535, "d": 4294967295u32, "e": "18446744073709551615",
        "f": "340282366920938463463374607431768211455", "g": -128, "h": -32768, "i": -2147483648, "j": "-9223372036854775808",
        "k": "-170141183460469231731687303715884105728", "l": 0.42, "m": -1.5, "n": "é" });
    vec![
        ("nothing", vec![service(&[])], vec![("()", json!(null))]),
        (
            "the button",
            vec![
                named("b::ButtonState", &[("pressed", "bool"), ("hover_t", "f32")]),
                service(&[route("get_state", &[("id", "String")], "b::ButtonState")]),
            ],
            vec![
                ("ButtonState", json!({ "pressed": true, "hover_t": 0.42 })),
                ("(String,)", json!([""])),
                ("(String,)", json!(["eight ch"])),
                ("(String,)", json!(["start_btn"])),
                ("(String,)", json!(["é".repeat(100)])),
            ],
        ),
        (
            "numbers",
            vec![numbers, service(&[route("get", &[], "m::Numbers")])],
            vec![("Numbers", values)],
        ),
        (
            "generics and recursion",
            vec![
                page,
                tree,
                service(&[
                    route(
                        "list",
                        &[("from", "u64"), ("limit", "u32")],
                        "m::Page<String>",
                    ),
                    json!({ "n": "grow", "args": fields(&[("tree", "m::Tree")]), "ok": "m::Tree", "err": "String" }),
                ]),
            ],
            vec![
                ("Tree", json!("Leaf")),
                ("Tree", json!({ "One": 7 })),
                ("Tree", json!({ "Wide": [7, 8] })),
                (
                    "Tree",
                    json!({ "Node": { "text": "a longer text", "children": ["Leaf", { "Node": { "text": "", "children": [] } }] } }),
                ),
                (
                    "Page<String>",
                    json!({ "items": ["a", "something long"], "next": { "items": [], "next": null } }),
                ),
            ],
        ),
        (
            "containers",
            vec![service(&[route(
                "all",
                &[],
                "(Map<String,Vec<u16>>,Map<u8,u64>,Set<i8>,Option<Option<u8>>,Result<u64,String>,[u16;3],Duration,Box<u8>)",
            )])],
            vec![
                ("Map<String,Vec<u16>>", json!({ "a": [1, 2], "b": [] })),
                ("Map<u8,u64>", json!([[1, 2], [3, 4]])),
                ("Set<i8>", json!([-1, 1])),
                ("Option<Option<u8>>", json!(null)),
                ("Option<Option<u8>>", json!({ "Some": null })),
                ("Option<Option<u8>>", json!({ "Some": 1 })),
                ("Result<u64,String>", json!({ "Ok": 1 })),
                ("Result<u64,String>", json!({ "Err": "not to be had" })),
                ("[u16;3]", json!([1, 2, 3])),
                ("Duration", json!({ "secs": 1, "nanos": 500000000 })),
                ("Box<u8>", json!(1)),
                ("Vec<()>", json!([null, null])),
            ],
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn vectors() -> Value {
    let vector = |(what, records, values): Case| {
        let snapshot = good(&records);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let routes = snapshot.routes.iter();
        let routes = routes.map(|route| {
            (
                route.name.clone(),
                Value::from(text(canonical_route(&snapshot, route))),
            )
        });
        let archives = values.iter().map(|(ty, json)| {
            let parsed: Ty = ty.parse().expect("a type");
            let archive = dynamic::encode(&snapshot, &parsed, json).expect("an archive");
            json!({ "ty": ty, "json": json, "archive": hex(&archive) })
        });
        json!({
            "what": what,
            "canonical": text(canonical(&snapshot)),
            "canonical_routes": routes.collect::<Map<_, _>>(),
            "snapshot": snapshot,
            "archives": archives.collect::<Value>(),
        })
    };
    cases().into_iter().map(vector).collect()
}

#[test]
fn the_vectors_hold() {
    let text = std::fs::read_to_string(PATH).expect("the vectors");
    let file: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(!file.is_empty());
    for vector in &file {
        let snapshot = Snapshot::from_json(&vector["snapshot"].to_string()).expect("a snapshot");
        let bytes = vector["canonical"].as_str().expect("text").as_bytes();
        assert_eq!(canonical(&snapshot), bytes, "{}", vector["what"]);
        assert_eq!(Fingerprint::of(bytes), snapshot.fingerprint);
        for route in &snapshot.routes {
            let bytes = vector["canonical_routes"][&route.name]
                .as_str()
                .expect("text")
                .as_bytes();
            assert_eq!(canonical_route(&snapshot, route), bytes, "{}", route.name);
            assert_eq!(Fingerprint::of(bytes), route.fingerprint);
        }
        for archive in vector["archives"].as_array().expect("archives") {
            let ty: Ty = archive["ty"]
                .as_str()
                .expect("a type")
                .parse()
                .expect("a type");
            let bytes = dynamic::encode(&snapshot, &ty, &archive["json"]).expect("an archive");
            assert_eq!(archive["archive"], hex(&bytes), "{ty}");
            assert_eq!(
                dynamic::decode(&snapshot, &ty, &bytes).as_ref(),
                Ok(&archive["json"])
            );
        }
    }
    assert_eq!(
        Value::Array(file),
        vectors(),
        "rewrite them: cargo test -p cell-runtime rewrite_the_vectors -- --ignored"
    );
}

#[test]
#[ignore = "it writes the vectors that the other test reads"]
fn rewrite_the_vectors() {
    let mut text = serde_json::to_string_pretty(&vectors()).expect("JSON");
    text.push('\n');
    std::fs::write(PATH, text).expect("the vectors");
}
