//! The binding's text: what gofmt says of it, and what it holds for names, docs and types of any kind.
#![expect(
    clippy::disallowed_methods,
    reason = "gofmt is the judge of these tests"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use cell_runtime::schema::Records;
use serde_json::{Value, json};

use super::*;

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

fn snapshot(records: &[Value]) -> Snapshot {
    let records = Records::parse(&section(records)).expect("records");
    records.service(None).expect("a snapshot")
}

fn place() -> Place {
    Place {
        name: "cells".to_owned(),
        import_path: Some("example.com/app/cells".to_owned()),
    }
}

fn files(snapshot: &Snapshot) -> Vec<File> {
    Go.generate(snapshot, &place()).expect("a binding")
}

fn field(name: &str, ty: &str) -> Value {
    json!({ "n": name, "ty": ty, "docs": "" })
}

fn structure(name: &str, params: usize, fields: &[(&str, &str)]) -> Value {
    let fields: Vec<Value> = fields.iter().map(|(name, ty)| field(name, ty)).collect();
    json!({ "k": "struct", "id": format!("x::{name}"), "name": name, "params": params, "shape": "named", "fields": fields })
}

fn variant(name: &str, shape: &str, fields: &[(&str, &str)]) -> Value {
    let fields: Vec<Value> = fields.iter().map(|(name, ty)| field(name, ty)).collect();
    json!({ "n": name, "shape": shape, "fields": fields })
}

fn enumeration(name: &str, params: usize, variants: &[Value]) -> Value {
    json!({ "k": "enum", "id": format!("x::{name}"), "name": name, "params": params, "variants": variants })
}

fn service(name: &str, routes: &[(&str, &[(&str, &str)], &str, Option<&str>)]) -> Value {
    let routes: Vec<Value> = routes
        .iter()
        .map(|(name, args, ok, err)| {
            let args: Vec<Value> = args.iter().map(|(name, ty)| field(name, ty)).collect();
            json!({ "n": name, "args": args, "ok": ok, "err": err })
        })
        .collect();
    json!({ "k": "service", "id": "x", "name": name, "docs": "", "at": "", "routes": routes })
}

/// Writes what is generated where `CELL_GO_OUT` says, to look at it.
#[test]
#[ignore = "writes the sample for a person to read"]
fn sample() {
    let out = std::env::var("CELL_GO_OUT").expect("CELL_GO_OUT");
    let source = std::env::var("CELL_GO_FROM");
    let snapshot = match source {
        Ok(path) => {
            Snapshot::from_json(&std::fs::read_to_string(path).expect("read")).expect("a snapshot")
        }
        Err(_) => everything(),
    };
    let mut all = files(&snapshot);
    all.extend(Go.shared(&place()));
    for file in all {
        let path = std::path::Path::new(&out).join(&file.path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, file.text).expect("written");
    }
}

/// A schema with something of everything.
fn everything() -> Snapshot {
    snapshot(&[
        json!({
            "k": "struct", "id": "x::ButtonState", "name": "ButtonState", "params": 0, "shape": "named",
            "docs": "How a button looks.\n\n# Notes\n- one\n- two\n```\nlet x = 1;\n```\nend", "fields": [
                { "n": "pressed", "ty": "bool", "docs": "Held down." }, field("hover_t", "f32"), field("id", "u64"),
                { "n": "last", "ty": "Option<Duration>", "docs": "When." },
            ],
        }),
        enumeration(
            "Color",
            0,
            &[
                variant("Red", "unit", &[]),
                variant("DarkGreen", "unit", &[]),
            ],
        ),
        enumeration(
            "Shape",
            0,
            &[
                variant("Circle", "named", &[("radius", "f64")]),
                variant("Text", "tuple", &[("0", "String")]),
                variant("Pair", "tuple", &[("0", "u8"), ("1", "Box<x::Shape>")]),
                variant("Empty", "unit", &[]),
            ],
        ),
        enumeration("Only", 0, &[variant("One", "tuple", &[("0", "u8")])]),
        structure(
            "Page",
            1,
            &[
                ("items", "Vec<$0>"),
                ("next", "Option<String>"),
                ("first", "Option<Box<$0>>"),
                ("other", "Option<$0>"),
            ],
        ),
        enumeration(
            "Tree",
            1,
            &[
                variant("Leaf", "tuple", &[("0", "$0")]),
                variant(
                    "Node",
                    "named",
                    &[("left", "Box<x::Tree<$0>>"), ("right", "Box<x::Tree<$0>>")],
                ),
            ],
        ),
        structure(
            "Node",
            0,
            &[
                ("value", "i32"),
                ("next", "Option<Box<x::Node>>"),
                ("children", "Vec<x::Node>"),
            ],
        ),
        structure("Endless", 0, &[("inner", "Box<x::Endless2>")]),
        structure("Endless2", 0, &[("inner", "Box<x::Endless>")]),
        json!({ "k": "struct", "id": "x::Meters", "name": "Meters", "params": 0, "shape": "tuple", "fields": [field("0", "f64")] }),
        json!({ "k": "struct", "id": "x::Nothing", "name": "Nothing", "params": 0, "shape": "unit" }),
        structure(
            "All",
            0,
            &[
                ("a", "u8"),
                ("b", "u16"),
                ("c", "u32"),
                ("d", "u64"),
                ("e", "u128"),
                ("f", "i8"),
                ("g", "i16"),
                ("h", "i32"),
                ("i", "i64"),
                ("j", "i128"),
                ("k", "f32"),
                ("l", "f64"),
                ("m", "char"),
                ("n", "String"),
                ("o", "Duration"),
                ("p", "Vec<u8>"),
                ("q", "[u16;3]"),
                ("r", "Option<Option<u8>>"),
                ("s", "Map<String,u32>"),
                ("t", "Map<f64,x::Shape>"),
                ("u", "Set<char>"),
                ("v", "Set<(u8,String)>"),
                ("w", "Result<String,x::Color>"),
                ("x", "()"),
                ("y", "(u8,)"),
                ("z", "(u8,String,x::Shape)"),
                ("aa", "x::Nothing"),
                ("ab", "Vec<()>"),
                ("ac", "[();5]"),
                ("ad", "Option<x::Shape>"),
                ("ae", "Option<Box<x::Shape>>"),
                ("af", "Box<x::Meters>"),
                ("ag", "Map<u8,(u8,u8)>"),
                ("ah", "Set<u32>"),
                ("ai", "Vec<String>"),
                ("aj", "[String;2]"),
                ("ak", "Result<(),()>"),
                ("al", "x::Only"),
                ("am", "Map<i128,String>"),
                ("an", "Option<x::Color>"),
                ("ao", "Vec<x::Color>"),
                ("ap", "Vec<x::Shape>"),
                ("aq", "[x::Shape;2]"),
                ("ar", "Set<bool>"),
                ("at", "Option<Vec<u8>>"),
                ("au", "Box<Box<String>>"),
                ("av", "Option<Box<Box<String>>>"),
                ("aw", "Map<u32,x::Page<u8>>"),
            ],
        ),
        structure("Problem", 0, &[("code", "u32"), ("why", "String")]),
        structure("Named", 0, &[("error", "String")]),
        enumeration(
            "MatrixError",
            0,
            &[
                variant("NotFound", "named", &[("id", "String")]),
                variant("Refused", "tuple", &[("0", "u32")]),
                variant("Empty", "unit", &[]),
            ],
        ),
        enumeration(
            "Fault",
            0,
            &[variant("Bad", "unit", &[]), variant("Worse", "unit", &[])],
        ),
        enumeration(
            "Wrong",
            1,
            &[
                variant("Value", "tuple", &[("0", "$0")]),
                variant("No", "unit", &[]),
            ],
        ),
        service(
            "button_service",
            &[
                ("get_state", &[("id", "String")], "x::ButtonState", None),
                ("press", &[], "()", None),
                ("color", &[], "x::Color", None),
                ("echo_all", &[("value", "x::All")], "x::All", None),
                (
                    "echo_page",
                    &[("type", "x::Page<x::Shape>"), ("ctx", "x::Page<u32>")],
                    "x::Page<x::Shape>",
                    Some("String"),
                ),
                ("echo_page2", &[], "x::Page<u32>", None),
                (
                    "echo_tree",
                    &[("value", "x::Tree<u32>")],
                    "x::Tree<u32>",
                    Some("x::MatrixError"),
                ),
                (
                    "echo_node",
                    &[("value", "x::Node")],
                    "x::Node",
                    Some("x::Problem"),
                ),
                (
                    "echo_endless",
                    &[("value", "x::Endless")],
                    "x::Endless",
                    Some("x::Fault"),
                ),
                (
                    "wrong",
                    &[("value", "x::Wrong<String>")],
                    "()",
                    Some("x::Wrong<String>"),
                ),
                (
                    "wronger",
                    &[("nothing", "()")],
                    "Vec<Vec<u8>>",
                    Some("x::Named"),
                ),
                ("unit_err", &[("a_b", "u8"), ("aB", "u8")], "u8", Some("()")),
            ],
        ),
    ])
}

/// What gofmt makes of a text.
fn formatted(text: &str) -> String {
    let mut gofmt = Command::new("gofmt")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gofmt, which comes with Go");
    let mut stdin = gofmt.stdin.take().expect("its input");
    stdin.write_all(text.as_bytes()).expect("its input");
    drop(stdin);
    let output = gofmt.wait_with_output().expect("its output");
    assert!(
        output.status.success(),
        "gofmt refuses: {}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn gofmt_finds_nothing_to_change() {
    let all = files(&everything()).into_iter().chain(Go.shared(&place()));
    for file in all {
        let first = file.text.lines().next();
        assert_eq!(first, Some("// Code generated by cargo-cell; DO NOT EDIT."));
        assert_eq!(formatted(&file.text), file.text, "{}", file.path);
    }
}
