//! The binding's text: what gofmt says of it, and what it holds for names, docs and types of any kind.
#![expect(
    clippy::disallowed_methods,
    reason = "gofmt is the judge of these tests"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use cell_runtime::schema::Records;
use proptest::prelude::*;
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

/// Name, arguments, value and error.
type Route<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, Option<&'a str>);

fn service(name: &str, routes: &[Route<'_>]) -> Value {
    let routes: Vec<Value> = routes
        .iter()
        .map(|(name, args, ok, err)| {
            let args: Vec<Value> = args.iter().map(|(name, ty)| field(name, ty)).collect();
            json!({ "n": name, "args": args, "ok": ok, "err": err })
        })
        .collect();
    json!({ "k": "service", "id": "x", "name": name, "docs": "", "at": "", "routes": routes })
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
                ("ax", "Box<()>"),
                ("ay", "Option<Box<x::Nothing>>"),
                ("az", "Map<(),[String;0]>"),
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
    let silent = snapshot(&[service("silent", &[])]);
    let bindings = files(&everything()).into_iter().chain(files(&silent));
    for file in bindings.chain(Go.shared(&place())) {
        let first = file.text.lines().next();
        assert_eq!(first, Some("// Code generated by cargo-cell; DO NOT EDIT."));
        assert_eq!(formatted(&file.text), file.text, "{}", file.path);
    }
}

fn button() -> Snapshot {
    snapshot(&[
        json!({
            "k": "struct", "id": "x::ButtonState", "name": "ButtonState", "params": 0, "shape": "named",
            "docs": "How a button looks.",
            "fields": [{ "n": "pressed", "ty": "bool", "docs": "Held down." }, field("hover_t", "f32"), field("label", "Option<String>")],
        }),
        enumeration(
            "Kind",
            0,
            &[
                variant("Round", "unit", &[]),
                variant("Square", "unit", &[]),
            ],
        ),
        enumeration(
            "Fault",
            0,
            &[
                variant("NotFound", "named", &[("id", "String")]),
                variant("Busy", "tuple", &[("0", "u32")]),
                variant("Empty", "unit", &[]),
            ],
        ),
        json!({
            "k": "service", "id": "x", "name": "button_service", "docs": "The buttons of a screen.", "at": "", "routes": [
                { "n": "get_state", "docs": "The state of one button.", "args": [field("id", "String")], "ok": "x::ButtonState", "err": "x::Fault" },
                { "n": "kinds", "args": [], "ok": "Map<u64,x::Kind>" },
                { "n": "press", "args": [field("id", "String"), field("states", "Vec<x::ButtonState>")], "ok": "()" },
            ],
        }),
    ])
}

/// `CELL_BLESS=1` writes what is generated now.
#[test]
fn a_usual_binding_reads_like_written_code() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bind/go/golden");
    for file in files(&button()) {
        let name = file.path.replace('/', "_") + ".txt";
        let path = golden.join(&name);
        if std::env::var_os("CELL_BLESS").is_some() {
            std::fs::write(&path, &file.text).expect("written");
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file.text == text,
            "{name} is not what is generated now; run this test with CELL_BLESS=1 and look at what changed:\n{}",
            file.text
        );
    }
}

#[test]
fn names_are_those_that_an_author_of_go_would_choose() {
    for (name, wanted) in [
        ("hover_t", "HoverT"),
        ("id", "ID"),
        ("OrderId", "OrderID"),
        ("http_url", "HTTPURL"),
        ("HTTPServer", "HTTPServer"),
        ("already_Mixed", "AlreadyMixed"),
        ("r2d2", "R2d2"),
        ("_1", "X1"),
        ("type", "Type"),
        ("NOT_FOUND", "NOTFOUND"),
    ] {
        assert_eq!(names::exported(name), wanted, "{name}");
    }
    for (name, wanted) in [
        ("id", "id"),
        ("user_id", "userID"),
        ("HTTPUrl", "httpURL"),
        ("type", "typeArg"),
        ("string", "stringArg"),
        ("ctx", "ctxArg"),
        ("cell", "cellArg"),
        ("read_state", "readStateArg"),
        ("reader", "reader"),
        ("_1", "arg1"),
    ] {
        assert_eq!(names::argument(name), wanted, "{name}");
    }
    for (cell, wanted) in [
        ("button_service", "button"),
        ("market_data", "marketdata"),
        ("MyCell", "mycell"),
        ("type_service", "typecell"),
        ("main", "maincell"),
        ("internal_service", "internalcell"),
        ("_service", "service"),
        ("_1", "cell1"),
    ] {
        assert_eq!(names::package(cell), wanted, "{cell}");
    }
}

fn refused(records: &[Value]) -> String {
    let outcome = Go.generate(&snapshot(records), &place());
    outcome
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

#[test]
fn what_becomes_one_name_is_refused_by_its_names_in_rust() {
    let fields = structure("Point", 0, &[("a_b", "u8"), ("aB", "u8")]);
    let route: Route<'_> = ("get", &[], "x::Point", None);
    assert_eq!(
        refused(&[fields, service("a", &[route])]),
        "the fields `a_b` and `aB` of `Point` are both `AB` in Go; rename one of them"
    );
    let shape = enumeration("Shape", 0, &[variant("Circle", "tuple", &[("0", "u8")])]);
    let circle = structure("ShapeCircle", 0, &[]);
    assert_eq!(
        refused(&[
            shape,
            circle,
            service("a", &[("get", &[], "(x::Shape,x::ShapeCircle)", None)])
        ]),
        "the variant `Shape::Circle` and the type `ShapeCircle` are both `ShapeCircle` in Go; rename one, or give a type another name with `#[protein(name = \"…\")]`"
    );
    assert_eq!(
        refused(&[service(
            "a",
            &[("get_it", &[], "()", None), ("getIt", &[], "()", None)]
        )]),
        "the routes `getIt` and `get_it` are both `GetIt` in Go; rename one of them"
    );
    assert_eq!(
        refused(&[service("cell_service", &[])]),
        "`cell_service` would be the Go package `cell`, which is what all bindings share; rename the cell"
    );
    let long = "(u8,u8,u8,u8,u8,u8,u8,u8,u8,u8,u8,u8,u8)";
    assert_eq!(
        refused(&[service("a", &[("get", &[("x", long)], "()", None)])]),
        "argument `x` of `get`: a tuple of 13 elements has no type in Go: at most 12; make it a struct"
    );
}

#[test]
fn own_names_give_way_to_the_schemas() {
    let names = ["Conn", "Connect", "Cell", "Fingerprint", "T", "Status"];
    let mut records: Vec<Value> = names
        .iter()
        .map(|name| structure(name, 1, &[("of", "$0")]))
        .collect();
    let all: Vec<String> = names.iter().map(|name| format!("x::{name}<u8>")).collect();
    let all = format!("({})", all.join(","));
    records.push(service(
        "a",
        &[
            ("close", &[], &all, None),
            ("status", &[], "u8", None),
            ("with_timeout", &[], "()", None),
        ],
    ));
    let text = &files(&snapshot(&records))[0].text;
    for part in [
        "type CellConn struct {",
        "func CellConnect(address string) (*CellConn, error) {",
        "const CellCell = \"a\"",
        "const CellFingerprint uint64 = ",
        "type Conn[TT0 any] struct {",
        "func (c *CellConn) CellClose() error {",
        "func (c *CellConn) CellWithTimeout(d time.Duration) *CellConn {",
        "func (c *CellConn) Status() (uint8, error) {",
        "func CallStatus() (uint8, error) {",
        "return CallStatusContext(context.Background())",
        "return shared.StatusContext(ctx)",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert_eq!(formatted(text), *text);
}

#[test]
fn what_a_stranger_documents_stays_a_comment() {
    let docs = "one\r\n*/ func evil() {} /*\rthree\n\n\tfour \u{202e}\u{2028} \"\\ `\n//go:build ignore\n+build x";
    let text = files(&snapshot(&[json!({
        "k": "service", "id": "b", "name": "b", "docs": docs, "routes": [{ "n": "r", "docs": docs, "args": [], "ok": "()" }],
    })]));
    let text = &text[0].text;
    let mut outside = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("// "));
    assert!(
        !outside.any(|line| line.contains("evil") || line.contains("build")),
        "{text}"
    );
    assert!(!text.contains(['\r', '\u{202e}', '\u{2028}']));
    assert_eq!(formatted(text), *text);
}

#[test]
fn the_lock_stands_alone() {
    let snapshot = button();
    let lock = Go.lock(&snapshot.name, snapshot.fingerprint);
    assert_eq!(
        files(&snapshot)
            .into_iter()
            .find(|file| file.path == "button/lock.go"),
        Some(lock)
    );
}

/// Lines that gofmt has opinions about.
fn line() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        Just(""),
        Just("- "),
        Just("* "),
        Just("1. "),
        Just("# "),
        Just("## "),
        Just("#"),
        Just("    "),
        Just("\t"),
        Just("  - "),
        Just("```"),
        Just("```rust"),
        Just("[x]: "),
        Just("[a b]: http://c"),
        Just("//go:build"),
        Just("+build"),
        Just(">"),
        Just("Deprecated: "),
    ];
    (start, "[ -~]{0,20}|[`' a.]{0,8}|é•“ *").prop_map(|(start, rest)| format!("{start}{rest}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn gofmt_finds_nothing_in_any_documentation(docs in prop::collection::vec(prop::collection::vec(line(), 0..8), 24)) {
        let docs: Vec<String> = docs.iter().map(|lines| lines.join("\n")).collect();
        let fields: Vec<Value> = docs[..8].iter().enumerate()
            .map(|(index, docs)| json!({ "n": format!("f{index}"), "ty": "u8", "docs": docs })).collect();
        let variants: Vec<Value> = docs[8..16].iter().enumerate()
            .map(|(index, docs)| json!({ "n": format!("V{index}"), "shape": if index % 2 == 0 { "unit" } else { "tuple" }, "docs": docs, "fields": if index % 2 == 0 { json!([]) } else { json!([field("0", "u8")]) } })).collect();
        let units: Vec<Value> = docs[..8].iter().enumerate()
            .map(|(index, docs)| json!({ "n": format!("V{index}"), "shape": "unit", "docs": docs, "fields": [] })).collect();
        let records = [
            json!({ "k": "struct", "id": "x::S", "name": "S", "params": 0, "shape": "named", "docs": docs[16], "fields": fields }),
            json!({ "k": "enum", "id": "x::E", "name": "E", "params": 0, "docs": docs[17], "variants": variants }),
            json!({ "k": "enum", "id": "x::U", "name": "U", "params": 0, "docs": docs[18], "variants": units }),
            json!({ "k": "service", "id": "x", "name": "x", "docs": docs[19], "routes": [
                { "n": "a", "docs": docs[20], "args": [], "ok": "x::S", "err": "x::E" }, { "n": "b", "docs": docs[21], "args": [], "ok": "x::U" },
            ] }),
        ];
        for file in files(&snapshot(&records)) {
            let formatted = formatted(&file.text);
            prop_assert!(formatted == file.text, "{}", difference(&formatted, &file.text));
        }
    }
}

/// Where two texts part.
fn difference(wanted: &str, found: &str) -> String {
    let same = wanted
        .lines()
        .zip(found.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let part = |text: &str| {
        let lines = text.lines().skip(same.saturating_sub(3)).take(8);
        lines.collect::<Vec<_>>().join("\n")
    };
    format!("gofmt writes\n{}\nfor\n{}", part(wanted), part(found))
}
