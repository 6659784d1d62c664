//! Snapshots that a stranger wrote.

use proptest::prelude::*;

use super::*;

fn shop() -> Snapshot {
    let side = json!({ "k": "enum", "id": "a::Side", "name": "Side", "variants": [
        { "n": "Buy", "shape": "unit" }, { "n": "Sell", "shape": "tuple", "fields": fields(&[("0", "u8")]) },
    ] });
    good(&[
        named("a::Order", &[("side", "a::Side"), ("price", "u64")]),
        side,
        service(&[route(
            "place",
            &[("order", "a::Order")],
            "Result<u64,String>",
        )]),
    ])
}

#[test]
fn a_snapshot_reads_back() {
    let snapshot = shop();
    assert_eq!(
        Snapshot::from_json(&snapshot.to_json()),
        Ok(snapshot.clone())
    );
    assert_eq!(snapshot.to_lock(), format!("{}\n", snapshot.fingerprint));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let json: Value = serde_json::from_str(&shop().to_json()).expect("JSON");
    let edits: [(&str, Value); 12] = [
        ("/format", json!(2)),
        ("/archive", json!("cell-archive-2")),
        ("/fingerprint", json!("0x000000000000002a")),
        ("/name", json!("shop\"); fn evil() {}")),
        ("/types/0/name", json!("Order { } pub struct X")),
        ("/types/0/name", json!("String")),
        ("/types/0/fields/0/name", json!("self")),
        ("/types/0/fields/0/ty", json!("Side<u8>")),
        ("/types/0/fields/1/ty", json!("$0")),
        ("/routes/0/fingerprint", json!("0x000000000000002a")),
        ("/routes/0/req", json!("(u8,)")),
        ("/layouts/0/size", json!(1)),
    ];
    for (at, value) in edits {
        let mut edited = json.clone();
        *edited.pointer_mut(at).expect("a place") = value;
        assert!(Snapshot::from_json(&edited.to_string()).is_err(), "{at}");
    }
}

#[test]
fn ever_larger_types_end_in_an_error() {
    // In width, and in depth alone.
    for next in ["Option<Box<a::G<($0,$0)>>>", "Vec<a::G<Vec<$0>>>"] {
        let mut grows = named("a::G", &[("next", next)]);
        grows["params"] = json!(1);
        let error = snapshot(&[grows, service(&[route("get", &[], "a::G<u8>")])]).map(|_| ());
        assert!(
            error.is_err_and(|error| error.contains("ever larger arguments")),
            "{next}"
        );
    }
    let huge = snapshot(&[service(&[route(
        "get",
        &[],
        "[[[[u8;65536];65536];65536];65536]",
    )])]);
    assert!(huge.is_err_and(|error| error.contains("takes more than")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_json_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let json = shop().to_json();
        let mut damaged = json.clone().into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let _ = Snapshot::from_json(&String::from_utf8_lossy(&damaged));
        let _ = Snapshot::from_json(&json[..cut.index(json.len())]);
    }

    #[test]
    fn any_section_is_records_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = Records::parse(&bytes);
        let mut marked = b"CELLREC1".to_vec();
        marked.extend(bytes);
        let _ = Records::parse(&marked);
    }
}
