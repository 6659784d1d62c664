//! Byte for byte against the real archives, and against bytes that somebody made up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protein::{self, Protein};
use crate::schema::Records;

mod shapes {
    #![expect(
        unreachable_pub,
        reason = "macros look at them from outside of the module"
    )]
    use super::*;
    use crate::cell;

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Numbers {
        pub a: u8,
        pub b: u128,
        pub c: i16,
        pub d: f64,
        pub e: i128,
        pub f: bool,
        pub g: f32,
        pub h: char,
        pub i: u64,
        pub j: i64,
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Unit;

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Wrapper(pub Option<u16>);

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct Page<A, B> {
        pub items: Vec<A>,
        pub next: Option<Box<Page<A, B>>>,
        pub extra: (u8, B),
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub enum Tree {
        Leaf,
        One(u8),
        Two(u8, u64),
        Named { text: String, more: Vec<Tree> },
        Both(Box<(Tree, Tree)>),
    }

    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    pub struct All {
        pub numbers: Numbers,
        pub text: String,
        pub texts: Vec<String>,
        pub tree: Tree,
        pub page: Page<String, u32>,
        pub map: BTreeMap<String, Vec<u16>>,
        pub pairs: BTreeMap<u32, Option<String>>,
        pub set: BTreeSet<i8>,
        pub nested: Option<Option<u8>>,
        pub wrapper: Option<Wrapper>,
        pub unit: Unit,
        pub units: Vec<()>,
        pub array: [u32; 3],
        pub strings: [String; 2],
        pub result: Result<String, u8>,
        pub time: Duration,
        pub one: (u64,),
    }
}
use shapes::{All, Numbers, Page, Tree, Unit, Wrapper};

/// The snapshot of a service that answers an `All`, from this process's own records.
fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(read);
    &SNAPSHOT
}

fn read() -> Snapshot {
    let mut section = crate::schema::records::own().to_vec();
    let ty = <All as Protein>::TY;
    let service = json!({
        "k": "service", "id": "probe", "name": "probe", "routes": [
            { "n": "all", "args": [{ "n": "id", "ty": "String" }, { "n": "count", "ty": "u32" }], "ok": ty },
        ],
    })
    .to_string();
    section.extend_from_slice(b"CELLREC1");
    section.extend_from_slice(&(service.len() as u32).to_le_bytes());
    section.extend_from_slice(service.as_bytes());
    let records = Records::parse(&section).expect("records");
    records.service(Some("probe")).expect("a snapshot")
}

fn all() -> Ty {
    Ty::Named("All".to_owned(), Vec::new())
}

fn numbers() -> impl Strategy<Value = Numbers> {
    (
        (
            any::<u8>(),
            any::<u128>(),
            any::<i16>(),
            -1e300..1e300,
            any::<i128>(),
        ),
        (
            any::<bool>(),
            -1e30f32..1e30,
            any::<char>(),
            any::<u64>(),
            any::<i64>(),
        ),
    )
        .prop_map(|((a, b, c, d, e), (f, g, h, i, j))| Numbers {
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
            j,
        })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Leaf),
        any::<u8>().prop_map(Tree::One),
        (any::<u8>(), any::<u64>()).prop_map(|(a, b)| Tree::Two(a, b)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (".{0,12}", vec(inner.clone(), 0..4))
                .prop_map(|(text, more)| Tree::Named { text, more }),
            (inner.clone(), inner).prop_map(|(a, b)| Tree::Both(Box::new((a, b)))),
        ]
    })
}

fn page() -> impl Strategy<Value = Page<String, u32>> {
    let items = || (vec(".{0,12}", 0..4), any::<(u8, u32)>());
    let last = items().prop_map(|(items, extra)| Page {
        items,
        next: None,
        extra,
    });
    last.prop_recursive(3, 3, 1, move |inner| {
        (items(), inner).prop_map(|((items, extra), next)| Page {
            items,
            next: Some(Box::new(next)),
            extra,
        })
    })
}

fn values() -> impl Strategy<Value = All> {
    (
        (numbers(), ".{0,12}", vec(".{0,12}", 0..4), tree(), page()),
        (
            btree_map(".{0,12}", vec(any::<u16>(), 0..4), 0..4),
            btree_map(any::<u32>(), prop::option::of(".{0,12}"), 0..4),
            btree_set(any::<i8>(), 0..4),
        ),
        (
            any::<Option<Option<u8>>>(),
            any::<Option<Option<u16>>>(),
            vec(Just(()), 0..4),
        ),
        (
            any::<[u32; 3]>(),
            [".{0,12}", ".{0,12}"],
            prop::result::maybe_ok(".{0,12}", any::<u8>()),
        ),
        (any::<u64>(), 0..1_000_000_000u32, any::<u64>()),
    )
        .prop_map(|(a, b, c, d, e)| All {
            numbers: a.0,
            text: a.1,
            texts: a.2,
            tree: a.3,
            page: a.4,
            map: b.0,
            pairs: b.1,
            set: b.2,
            nested: c.0,
            wrapper: c.1.map(Wrapper),
            unit: Unit,
            units: c.2,
            array: d.0,
            strings: d.1,
            result: d.2,
            time: Duration::new(e.0, e.1),
            one: (e.2,),
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn archives_and_json_are_one_to_one(value in values()) {
        let snapshot = snapshot();
        let archive = protein::encode(&value).expect("an archive");
        let json = decode(snapshot, &all(), &archive).expect("JSON");
        let again = encode(snapshot, &all(), &json).expect("an archive again");
        prop_assert_eq!(&again[..], &archive[..]);
    }

    #[test]
    fn damaged_archives_are_values_or_errors(
        value in values(),
        cut in any::<prop::sample::Index>(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let snapshot = snapshot();
        let archive = protein::encode(&value).expect("an archive");
        let _ = decode(snapshot, &all(), &archive[..cut.index(archive.len())]);
        let mut damaged = archive.to_vec();
        for (at, byte) in flips {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        // What comes out of damaged bytes is a value of the type all the same.
        if let Ok(json) = decode(snapshot, &all(), &damaged) {
            prop_assert!(encode(snapshot, &all(), &json).is_ok());
        }
    }
}

#[test]
fn layouts_are_the_compilers() {
    fn check<T: Protein>(layouts: &mut Layouts<'_>, ty: &str) {
        let ty = ty.parse().expect("a type");
        let archived = layouts.of(&ty).expect("a layout");
        let sizes = (archived.size as usize, archived.align as usize);
        let wanted = (size_of::<T::Archived>(), align_of::<T::Archived>());
        assert_eq!(sizes, wanted, "{ty}");
    }
    let snapshot = snapshot();
    let mut layouts = Layouts::new(snapshot);
    let layouts = &mut layouts;
    check::<All>(layouts, "All");
    check::<Numbers>(layouts, "Numbers");
    check::<Unit>(layouts, "Unit");
    check::<Wrapper>(layouts, "Wrapper");
    check::<Page<u8, u128>>(layouts, "Page<u8,u128>");
    check::<Tree>(layouts, "Tree");
    check::<Option<u128>>(layouts, "Option<u128>");
    check::<Result<(u8, u64), ()>>(layouts, "Result<(u8,u64),()>");
    check::<[(u8, u16); 5]>(layouts, "[(u8,u16);5]");
    check::<Duration>(layouts, "Duration");
    check::<BTreeMap<u8, u128>>(layouts, "Map<u8,u128>");
}

#[test]
fn json_reads_as_people_write_it() {
    let snapshot = snapshot();
    let round = |ty: &str, value: Value| {
        let ty: Ty = ty.parse().expect("a type");
        let archive = encode(snapshot, &ty, &value).expect("an archive");
        decode(snapshot, &ty, &archive).expect("JSON")
    };
    assert_eq!(
        round("u64", json!("18446744073709551615")),
        json!("18446744073709551615")
    );
    assert_eq!(round("i64", json!("-3")), json!(-3));
    assert_eq!(
        round("u64", json!(9007199254740992u64)),
        json!(9007199254740992u64)
    );
    assert_eq!(
        round("u64", json!(9007199254740993u64)),
        json!("9007199254740993")
    );
    assert_eq!(
        round("i128", json!("-170141183460469231731687303715884105728")),
        json!("-170141183460469231731687303715884105728")
    );
    assert_eq!(round("f32", json!(0.42)), json!(0.42));
    assert_eq!(round("f64", json!("NaN")), json!("NaN"));
    assert_eq!(round("f32", json!("-inf")), json!("-inf"));
    assert_eq!(round("f64", json!(2)), json!(2.0));
    assert_eq!(round("char", json!("é")), json!("é"));
    assert_eq!(round("Tree", json!("Leaf")), json!("Leaf"));
    assert_eq!(round("Tree", json!({ "Leaf": null })), json!("Leaf"));
    assert_eq!(round("Tree", json!({ "One": 1 })), json!({ "One": 1 }));
    assert_eq!(
        round("Tree", json!({ "Two": [1, 2] })),
        json!({ "Two": [1, 2] })
    );
    assert_eq!(round("Option<u8>", json!(1)), json!(1));
    assert_eq!(
        round("Option<Option<u8>>", json!({ "Some": null })),
        json!({ "Some": null })
    );
    assert_eq!(
        round("Option<Wrapper>", json!({ "Some": 7 })),
        json!({ "Some": 7 })
    );
    assert_eq!(
        round("Result<u8,String>", json!({ "Err": "no" })),
        json!({ "Err": "no" })
    );
    assert_eq!(
        round("Map<String,u8>", json!({ "a": 1 })),
        json!({ "a": 1 })
    );
    assert_eq!(
        round("Map<String,u8>", json!([["a", 1]])),
        json!({ "a": 1 })
    );
    assert_eq!(round("Map<u8,u8>", json!([[2, 1]])), json!([[2, 1]]));
    assert_eq!(
        round("Duration", json!({ "secs": 1, "nanos": 5 })),
        json!({ "secs": 1, "nanos": 5 })
    );
    assert_eq!(round("()", json!(null)), json!(null));
}

#[test]
fn errors_name_the_place_and_help() {
    let snapshot = snapshot();
    let error = |ty: &str, value: Value| {
        let ty: Ty = ty.parse().expect("a type");
        encode(snapshot, &ty, &value).map_or_else(|error| error.to_string(), |_| "none".to_owned())
    };
    let numbers = || json!({ "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": true, "g": 1, "h": "x", "i": 1, "j": 1 });
    let mut wrong = numbers();
    wrong["d"] = json!("much");
    assert_eq!(
        error("Vec<Numbers>", json!([numbers(), wrong])),
        "[1].d: expected f64, found the string \"much\""
    );
    let mut wrong = numbers();
    wrong["aa"] = json!(1);
    assert_eq!(
        error("Numbers", wrong),
        "Numbers has no field `aa`; did you mean `a`?"
    );
    let mut wrong = numbers();
    wrong.as_object_mut().expect("an object").remove("f");
    assert_eq!(
        error("(Numbers,)", json!([wrong])),
        "[0].f: is missing: expected bool"
    );
    assert_eq!(error("u8", json!(256)), "256 is out of the range of u8");
    assert_eq!(error("u8", json!(-1)), "-1 is out of the range of u8");
    assert_eq!(error("u8", json!(1.5)), "expected u8, found the number 1.5");
    assert_eq!(
        error("f32", json!(1e300)),
        "1e+300 is out of the range of f32"
    );
    assert_eq!(
        error("Tree", json!("Leef")),
        "Tree has no variant `Leef`; did you mean `Leaf`?"
    );
    assert_eq!(
        error(
            "Tree",
            json!({ "Named": { "text": "", "more": [{ "One": "x" }] } })
        ),
        "Named.more[0].One: expected u8, found the string \"x\""
    );
    assert_eq!(error("[u8;2]", json!([1])), "expected 2 elements, found 1");
}

#[test]
fn a_request_is_its_arguments() {
    let snapshot = snapshot();
    let route = snapshot.route("all").expect("the route");
    let archive =
        encode_request(snapshot, route, &[json!("a button"), json!(3)]).expect("an archive");
    assert_eq!(
        archive,
        &protein::encode(&("a button".to_owned(), 3u32)).expect("an archive")[..]
    );
    let error = encode_request(snapshot, route, &[json!("a"), json!("b")])
        .map_err(|error| error.to_string());
    assert_eq!(
        error,
        Err("count: expected u32, found the string \"b\"".to_owned())
    );
    let error = encode_request(snapshot, route, &[]).map_err(|error| error.to_string());
    assert_eq!(
        error,
        Err(
            "`all` takes 2 arguments, and 0 are given; it is all(id: String, count: u32)"
                .to_owned()
        )
    );
    let error = snapshot.route("al").map_err(|error| error.to_string());
    assert_eq!(
        error,
        Err("`probe` has no route `al`; did you mean `all`?".to_owned())
    );
}

#[test]
fn depth_is_bounded_both_ways() {
    let snapshot = snapshot();
    let ty: Ty = "Tree".parse().expect("a type");
    let mut json = json!("Leaf");
    for _ in 0..200 {
        json = json!({ "Named": { "text": "", "more": [json] } });
    }
    assert!(encode(snapshot, &ty, &json).is_err());
    let mut tree = Tree::Leaf;
    for _ in 0..200 {
        tree = Tree::Named {
            text: String::new(),
            more: vec![tree],
        };
    }
    let archive = protein::encode(&tree).expect("an archive");
    let error = decode(snapshot, &ty, &archive).map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.ends_with("nests deeper than 128")));
}

#[test]
fn lengths_alone_fill_no_memory() {
    let snapshot = snapshot();
    let ty: Ty = "Vec<()>".parse().expect("a type");
    let mut archive = vec![0; 8];
    archive[4..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(decode(snapshot, &ty, &archive).is_err());
}
