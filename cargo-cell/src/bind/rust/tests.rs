//! The binding's text: what rustfmt says of it, and what it holds for names and docs of any kind.
#![expect(
    clippy::disallowed_methods,
    reason = "rustfmt is the judge of these tests"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use cell_runtime::schema::Records;
use proptest::prelude::*;

use super::*;

/// A section with these records, as the macros write them.
fn section(records: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(b"CELLREC1");
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record.as_bytes());
    }
    bytes
}

fn snapshot(records: &[String]) -> Snapshot {
    let records = Records::parse(&section(records)).expect("records");
    records.service(None).expect("a snapshot")
}

fn rust(snapshot: &Snapshot) -> String {
    let files = Rust
        .generate(snapshot, &Place::default())
        .expect("a binding");
    files.into_iter().next().expect("a file").text
}

/// What rustfmt makes of a text.
fn formatted(text: &str) -> String {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rustfmt");
    let mut stdin = rustfmt.stdin.take().expect("its input");
    stdin.write_all(text.as_bytes()).expect("its input");
    drop(stdin);
    let output = rustfmt.wait_with_output().expect("its output");
    assert!(
        output.status.success(),
        "rustfmt refuses: {}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn field(name: &str, ty: &str, docs: &str) -> serde_json::Value {
    serde_json::json!({ "n": name, "ty": ty, "docs": docs })
}

fn button() -> Snapshot {
    let state = serde_json::json!({
        "k": "struct", "id": "b::ButtonState", "name": "ButtonState", "params": 0, "shape": "named",
        "docs": "How a button looks.", "at": "src/main.rs:3",
        "fields": [field("pressed", "bool", "Held down."), field("hover_t", "f32", "")],
    });
    let service = serde_json::json!({
        "k": "service", "id": "b", "name": "button_service", "docs": "", "at": "src/main.rs:1",
        "routes": [
            { "n": "get_state", "docs": "The state of one button.", "args": [field("id", "String", "")],
              "ok": "b::ButtonState", "err": null },
            { "n": "press", "docs": "", "args": [], "ok": "()", "err": "String" },
        ],
    });
    snapshot(&[state.to_string(), service.to_string()])
}

#[test]
fn a_usual_binding_reads_like_written_code() {
    let text = rust(&button());
    assert_eq!(formatted(&text), text);
    for part in [
        "pub struct ButtonState {\n    /// Held down.\n    pub pressed: bool,\n    pub hover_t: f32,\n}\n",
        "/// The state of one button.\npub async fn get_state(id: String) -> Result<ButtonState, ::cell_sdk::Error> {\n",
        "pub async fn press() -> Result<(), ::cell_sdk::CallError<String>> {\n",
        "pub fn with_pressed(mut self, pressed: bool) -> Self {\n",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn what_a_stranger_documents_stays_a_comment() {
    let docs = "one\r\n*/ pub fn evil() {} /*\rthree\n\n\tfour \u{202e}\u{2028} \"\\ `";
    let service = serde_json::json!({
        "k": "service", "id": "b", "name": "b", "docs": docs, "routes": [
            { "n": "r", "docs": docs, "args": [], "ok": "()" },
        ],
    });
    let text = rust(&snapshot(&[service.to_string()]));
    let outside = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    assert!(!outside.clone().any(|line| line.contains("evil")), "{text}");
    assert!(!text.contains(['\r', '\u{202e}', '\u{2028}']));
    assert_eq!(formatted(&text), text);
}

#[test]
fn own_names_give_way_to_the_schemas() {
    let named = |name: &str| {
        serde_json::json!({
            "k": "struct", "id": format!("b::{name}"), "name": name, "shape": "named",
            "params": 1, "fields": [field("type", "$0", "")],
        })
        .to_string()
    };
    let route = |name: &str, ok: &str| serde_json::json!({ "n": name, "args": [field("match", "u8", "")], "ok": ok });
    let service = serde_json::json!({
        "k": "service", "id": "b", "name": "b", "routes": [
            route("connect", "b::Client<u8>"), route("client", "b::T0<u8>"), route("deadline", "b::T1<u8>"),
            route("await", "()"),
        ],
    });
    let text = rust(&snapshot(&[
        named("Client"),
        named("T0"),
        named("T1"),
        service.to_string(),
    ]));
    for part in [
        "pub struct Client_(",
        "fn client_()",
        "fn connect_(",
        "pub fn deadline_(",
        "r#await",
        "r#match",
        "Client<TT0>",
        "pub r#type: TT0",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert_eq!(formatted(&text), text);
}

#[test]
fn a_type_and_a_route_of_one_name_are_refused() {
    let unit = r#"{"k":"struct","id":"b::press","name":"press","shape":"unit"}"#.to_owned();
    let service = r#"{"k":"service","id":"b","name":"b","routes":[{"n":"press","ok":"b::press"}]}"#;
    let error = Rust
        .generate(&snapshot(&[unit, service.to_owned()]), &Place::default())
        .map(|_| ());
    let error = error.map_err(|error| error.to_string());
    assert_eq!(error, Err("`b` has a type and a route named `press`, which one Rust module cannot hold; rename the route, or the type with `#[protein(name = \"…\")]`".to_owned()));
}

/// Where two texts part.
fn difference(wanted: &str, found: &str) -> String {
    let same = wanted
        .lines()
        .zip(found.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let part = |text: &str| {
        text.lines()
            .skip(same)
            .take(4)
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!("rustfmt writes\n{}\nfor\n{}", part(wanted), part(found))
}

/// Types of many lengths: rustfmt's decisions are about widths.
fn ty() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("u8".to_owned()),
        Just("String".to_owned()),
        Just("Duration".to_owned()),
        Just("f64".to_owned()),
        Just("()".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("Vec<{a}>")),
            inner.clone().prop_map(|a| format!("Option<{a}>")),
            inner.clone().prop_map(|a| format!("Set<{a}>")),
            inner.clone().prop_map(|a| format!("({a},)")),
            inner.clone().prop_map(|a| format!("[{a};3]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("Map<{a},{b}>")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("Result<{a},{b}>")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a},{b})")),
        ]
    })
}

fn fields() -> impl Strategy<Value = Vec<(String, String, bool)>> {
    let field = ("[a-z]{1,24}", ty(), prop::bool::weighted(0.2));
    prop::collection::vec(field, 0..6).prop_map(|fields| {
        let numbered = fields.into_iter().enumerate();
        numbered
            .map(|(index, (name, ty, docs))| (format!("{name}{index}"), ty, docs))
            .collect()
    })
}

fn json(fields: &[(String, String, bool)], numbered: bool) -> Vec<serde_json::Value> {
    let fields = fields.iter().enumerate();
    fields
        .map(|(index, (name, ty, docs))| {
            let name = if numbered {
                index.to_string()
            } else {
                name.clone()
            };
            field(&name, ty, if *docs { "A word about it." } else { "" })
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rustfmt_changes_nothing(
        cell in "[a-z]{1,60}",
        structs in prop::collection::vec(fields(), 1..4),
        tuples in prop::collection::vec(fields(), 1..4),
        variants in prop::collection::vec((fields(), any::<bool>()), 1..6),
        routes in prop::collection::vec((fields(), ty(), prop::option::of(ty()), "[a-z]{1,40}"), 1..6),
    ) {
        let mut records = Vec::new();
        let mut uses = Vec::new();
        for (shape, all) in [("named", &structs), ("tuple", &tuples)] {
            for (index, fields) in all.iter().enumerate() {
                let name = format!("S{shape}{index}");
                records.push(serde_json::json!({
                    "k": "struct", "id": format!("x::{name}"), "name": name, "shape": shape,
                    "fields": json(fields, shape == "tuple"),
                }).to_string());
                uses.push(format!("x::{name}"));
            }
        }
        let variants: Vec<_> = variants.iter().enumerate().map(|(index, (fields, numbered))| {
            let shape = if *numbered { "tuple" } else { "named" };
            serde_json::json!({ "n": format!("V{index}"), "shape": shape, "fields": json(fields, *numbered) })
        }).collect();
        records.push(serde_json::json!({ "k": "enum", "id": "x::E", "name": "E", "variants": variants }).to_string());
        uses.push("x::E".to_owned());
        let mut routes: Vec<_> = routes.iter().enumerate().map(|(index, (args, ok, err, name))| {
            serde_json::json!({ "n": format!("{name}{index}"), "args": json(args, false), "ok": ok, "err": err })
        }).collect();
        routes.push(serde_json::json!({ "n": "all", "ok": format!("({},)", uses.join(",")).replace(",)", if uses.len() == 1 { ",)" } else { ")" }) }));
        records.push(serde_json::json!({ "k": "service", "id": "x", "name": cell, "routes": routes }).to_string());
        let text = rust(&snapshot(&records));
        let formatted = formatted(&text);
        prop_assert!(formatted == text, "{}", difference(&formatted, &text));
    }
}
