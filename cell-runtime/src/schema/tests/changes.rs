//! What a reviewer would say.

use super::*;
use crate::schema::{Impact, diff, impact};

fn said(old: &[Value], new: &[Value]) -> Vec<String> {
    let changes = diff(&good(old), &good(new));
    changes.iter().map(ToString::to_string).collect()
}

fn point(parts: &[(&str, &str)]) -> [Value; 2] {
    [
        named("a::Point", parts),
        service(&[route("get", &[("id", "u8")], "a::Point")]),
    ]
}

#[test]
fn fields() {
    let old = point(&[("x", "u8"), ("y", "u8")]);
    type Parts<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Parts<'_>, &[&str]); 6] = [
        (&[("x", "u8"), ("y", "u8")], &[]),
        (
            &[("x", "u8"), ("y", "f64")],
            &["`Point.y` is now f64, was u8 (breaking on the wire)"],
        ),
        (
            &[("x", "u8"), ("z", "u8")],
            &["`Point.y` is now named `z` (source only)"],
        ),
        (
            &[("x", "u8")],
            &["`Point.y` is gone (breaking on the wire)"],
        ),
        (
            &[("x", "u8"), ("y", "u8"), ("z", "u8")],
            &["`Point.z` is new: u8 (breaking on the wire)"],
        ),
        (
            &[("y", "u8"), ("x", "u8")],
            &[
                "`Point.x` is field 1, was 0 (breaking on the wire)",
                "`Point.y` is field 0, was 1 (breaking on the wire)",
            ],
        ),
    ];
    for (parts, wanted) in cases {
        assert_eq!(said(&old, &point(parts)), wanted);
    }
}

#[test]
fn containers_of_the_same_bytes_break_the_source_only() {
    let old = point(&[("x", "Vec<u8>"), ("y", "Map<u8,String>")]);
    let new = point(&[("x", "Set<u8>"), ("y", "Vec<(u8,String)>")]);
    assert_eq!(
        said(&old, &new),
        [
            "`Point.x` is now Set<u8>, was Vec<u8> (source only)",
            "`Point.y` is now Vec<(u8,String)>, was Map<u8,String> (source only)",
        ]
    );
}

#[test]
fn routes_and_renamed_types() {
    let old = [
        named("a::Point", &[("x", "u8")]),
        service(&[
            route("get", &[], "a::Point"),
            route("put", &[("p", "a::Point")], "()"),
        ]),
    ];
    let new = [
        named("a::Spot", &[("x", "u8")]),
        service(&[
            route("get", &[], "a::Spot"),
            route("set", &[("p", "a::Spot")], "()"),
        ]),
    ];
    assert_eq!(
        said(&old, &new),
        [
            "`put` is gone (breaking on the wire)",
            "`set` is new (none)",
            "`Point` is now named `Spot` (source only)"
        ]
    );
    let changes = diff(&good(&old), &good(&new));
    assert_eq!(impact(&changes), Impact::BreakingOnTheWire);
    assert_eq!(impact(&[]), Impact::None);
}

#[test]
fn variants() {
    let side = |names: &[&str]| {
        let variants: Vec<_> = names
            .iter()
            .map(|name| json!({ "n": name, "shape": "unit" }))
            .collect();
        [
            json!({ "k": "enum", "id": "a::S", "name": "S", "variants": variants }),
            service(&[route("get", &[], "a::S")]),
        ]
    };
    assert_eq!(
        said(&side(&["A", "B"]), &side(&["A", "C"])),
        ["`S::B` is now named `C` (source only)"]
    );
    assert_eq!(
        said(&side(&["A"]), &side(&["A", "B"])),
        ["`S::B` is new (breaking on the wire)"]
    );
    assert_eq!(
        said(&side(&["A", "B"]), &side(&["A"])),
        ["`S::B` is gone (breaking on the wire)"]
    );
}

#[test]
fn a_difference_is_said_exactly_when_the_fingerprint_changes() {
    let all = [
        point(&[("x", "u8")]),
        point(&[("x", "i8")]),
        point(&[("y", "u8")]),
        point(&[("x", "u8"), ("y", "u8")]),
        [
            named("a::Point", &[("x", "u8")]),
            service(&[route("get", &[("name", "u8")], "a::Point")]),
        ],
        [
            named("a::Point", &[("x", "u8")]),
            service(&[route("get", &[("id", "u8")], "Box<a::Point>")]),
        ],
        [
            named("a::Dot", &[("x", "u8")]),
            service(&[route("get", &[("id", "u8")], "a::Dot")]),
        ],
    ];
    for old in &all {
        for new in &all {
            let (old, new) = (good(old), good(new));
            assert_eq!(
                diff(&old, &new).is_empty(),
                old.fingerprint == new.fingerprint
            );
        }
    }
}
