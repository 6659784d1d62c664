//! From the section to a snapshot.

use super::*;

#[test]
fn padding_and_repetitions_are_passed_over() {
    let records = [
        named("a::P", &[("x", "u8")]),
        service(&[route("get", &[], "a::P")]),
    ];
    let mut bytes = vec![0; 7];
    for record in records.iter().chain(&records) {
        bytes.extend(section(std::slice::from_ref(record)));
        bytes.extend([0; 13]);
    }
    let read = Records::parse(&bytes).and_then(|records| records.service(None));
    assert_eq!(read, Ok(good(&records)));
}

#[test]
fn records_of_a_newer_version_are_passed_over() {
    let records = [json!({ "k": "stream", "more": [1] }), service(&[])];
    assert!(snapshot(&records).is_ok());
}

#[test]
fn calls_are_listed_once() {
    let call = |cell: &str| json!({ "k": "calls", "cell": cell, "binding": "0x000000000000002a" });
    let records = Records::parse(&section(&[call("b"), call("a"), call("b")])).expect("records");
    let cells: Vec<_> = records
        .calls()
        .iter()
        .map(|call| call.cell.as_str())
        .collect();
    assert_eq!(cells, ["a", "b"]);
    assert!(Records::parse(&section(&[call("../a")])).is_err());
}

#[test]
fn a_damaged_section_is_an_error() {
    let bytes = section(&[service(&[])]);
    for cut in 1..bytes.len() {
        assert!(Records::parse(&bytes[..cut]).is_err(), "{cut}");
    }
    assert_eq!(Records::parse(&[]), Ok(Records::default()));
    let mut long = b"CELLREC1".to_vec();
    long.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(Records::parse(&long).is_err());
}

#[test]
fn neither_order_nor_docs_nor_positions_change_a_fingerprint() {
    let point = named("a::Point", &[("x", "u8")]);
    let routes = [
        route("get", &[], "a::Point"),
        route("put", &[("p", "a::Point")], "()"),
    ];
    let one = good(&[point.clone(), service(&routes)]);
    let mut documented = point;
    documented["docs"] = json!("A point.");
    documented["at"] = json!("src/lib.rs:7");
    documented["fields"][0]["docs"] = json!("Across.");
    let mut turned = service(&[routes[1].clone(), routes[0].clone()]);
    turned["docs"] = json!("A shop.");
    let two = good(&[turned, documented]);
    assert_eq!(one.fingerprint, two.fingerprint);
    let fingerprints = |s: &Snapshot| s.routes.iter().map(|r| r.fingerprint).collect::<Vec<_>>();
    assert_eq!(fingerprints(&one), fingerprints(&two));
    // Where a type lives is not what it is.
    let moved = good(&[
        named("z::Point", &[("x", "u8")]),
        service(&[
            route("get", &[], "z::Point"),
            route("put", &[("p", "z::Point")], "()"),
        ]),
    ]);
    assert_eq!(one.fingerprint, moved.fingerprint);
}

#[test]
fn everything_else_changes_it_and_only_the_routes_that_it_touches() {
    let with = |point: Value, routes: &[Value]| good(&[point, service(routes)]);
    let routes = [
        route("far", &[], "u8"),
        route("get", &[("id", "u8")], "a::Point"),
    ];
    let point = || named("a::Point", &[("x", "u8"), ("y", "u8")]);
    let old = with(point(), &routes);
    let mutations = [
        named("a::Point", &[("x", "u8")]),
        named("a::Point", &[("y", "u8"), ("x", "u8")]),
        named("a::Point", &[("x", "u8"), ("y", "u16")]),
        named("a::Point", &[("x", "u8"), ("z", "u8")]),
        named("a::Point", &[("x", "u8"), ("y", "u8"), ("z", "u8")]),
    ];
    for mutation in mutations {
        let new = with(mutation, &routes);
        assert_ne!(old.fingerprint, new.fingerprint);
        assert_eq!(old.routes[0].fingerprint, new.routes[0].fingerprint);
        assert_ne!(old.routes[1].fingerprint, new.routes[1].fingerprint);
    }
    for get in [
        route("get", &[("id", "u16")], "a::Point"),
        route("get", &[("name", "u8")], "a::Point"),
        route("get", &[], "a::Point"),
        route("get", &[("id", "u8")], "Option<a::Point>"),
        json!({ "n": "get", "args": fields(&[("id", "u8")]), "ok": "a::Point", "err": "u8" }),
    ] {
        let new = with(point(), &[routes[0].clone(), get]);
        assert_ne!(old.fingerprint, new.fingerprint);
        assert_eq!(old.routes[0].fingerprint, new.routes[0].fingerprint);
        assert_ne!(old.routes[1].fingerprint, new.routes[1].fingerprint);
    }
}

#[test]
fn mutual_recursion_and_generics_resolve() {
    let a = named("m::A", &[("b", "Option<Box<m::B>>")]);
    let b = named("m::B", &[("a", "Vec<m::A>"), ("page", "m::Page<m::A>")]);
    let mut page = named(
        "m::Page",
        &[("items", "Vec<$0>"), ("next", "Option<Box<m::Page<$0>>>")],
    );
    page["params"] = json!(1);
    let snapshot = good(&[a, b, page, service(&[route("get", &[], "m::A")])]);
    let names: Vec<_> = snapshot.types.iter().map(|def| def.name.as_str()).collect();
    assert_eq!(names, ["A", "B", "Page"]);
    let layouts: Vec<_> = snapshot
        .layouts
        .iter()
        .map(|layout| layout.ty.to_string())
        .collect();
    assert_eq!(layouts, ["A", "B", "Page<A>"]);
}

#[test]
fn two_types_of_one_name_are_named_with_the_way_out() {
    let two = |y: &str| {
        snapshot(&[
            named("a::P", &[("x", "u8")]),
            named("b::P", &[(y, "u8")]),
            service(&[route("get", &[("p", "a::P")], "b::P")]),
        ])
    };
    assert_eq!(
        two("y").map(|_| ()),
        Err("service `shop` reaches two types named `P`: `a::P` and `b::P`; give one of them another name for the wire: `#[protein(name = \"OtherP\")]`".to_owned())
    );
    // The same shape twice is one type: a crate's own, and the one in a binding.
    assert_eq!(two("x").map(|snapshot| snapshot.types.len()), Ok(1));
}

#[test]
fn what_cannot_be_resolved_says_who_needs_it() {
    let missing = snapshot(&[
        named("a::P", &[("x", "b::Q")]),
        service(&[route("get", &[], "a::P")]),
    ]);
    assert_eq!(
        missing.map(|_| ()),
        Err("service `shop`: `P.x` needs the type `b::Q`, which has no schema record; derive `cell::Protein` for it and rebuild".to_owned())
    );
    let endless = snapshot(&[
        named("a::P", &[("x", "Option<a::P>")]),
        service(&[route("get", &[], "a::P")]),
    ]);
    assert!(endless.is_err_and(|error| error.contains("holds itself and so has no size")));
    let mut twice = service(&[]);
    twice["id"] = json!("other");
    assert!(
        snapshot(&[service(&[]), twice])
            .is_err_and(|error| error.contains("`other`, `shop::shop`"))
    );
    assert!(snapshot(&[]).is_err_and(|error| error.contains("serves nothing")));
}
