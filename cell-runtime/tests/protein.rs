//! Message types: what the derive makes of every kind of definition, and that its bytes are exactly rkyv's.

// The name under which users, and so the macros, know this crate.
extern crate cell_runtime as cell_sdk;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use cell_sdk::cell::{self, Protein};
use cell_sdk::protein::{access, decode, encode};
use rkyv::util::AlignedVec;

/// A name for a map that hides it from a look at the tokens.
type Prices = BTreeMap<String, Vec<u64>>;

#[derive(cell::Protein, Clone, Debug, PartialEq)]
struct Everything {
    flag: bool,
    small: u8,
    wide: u128,
    signed: i128,
    ratio: f64,
    letter: char,
    name: String,
    list: Vec<Option<String>>,
    array: [u16; 3],
    boxed: Box<Inner>,
    pair: (u8, String, u64),
    outcome: Result<u32, String>,
    prices: Prices,
    nested: Vec<BTreeMap<u8, BTreeSet<String>>>,
    took: Duration,
    r#type: u8,
    unit: (),
}

#[derive(cell::Protein, Clone, Debug, PartialEq)]
struct Inner(u8, u64);

#[derive(cell::Protein, Clone, Debug, PartialEq)]
struct Unit;

#[derive(cell::Protein, Clone, Debug, PartialEq)]
enum Shape {
    Empty,
    Circle { r: u8, area: u64 },
    Line(String, Box<Shape>),
    Many(Vec<Shape>),
}

#[derive(cell::Protein, Clone, Debug, PartialEq)]
struct Page<T> {
    items: Vec<T>,
    next: Option<Box<Page<T>>>,
}

#[derive(cell::Protein, Clone, Debug, PartialEq)]
enum Either<A, B: Clone>
where
    A: Clone,
{
    Left(A),
    Right { value: Option<B> },
    Both(Box<Either<B, A>>, (A, B)),
}

fn everything() -> Everything {
    Everything {
        flag: true,
        small: 7,
        wide: 1 << 100,
        signed: -5,
        ratio: 0.5,
        letter: 'ü',
        name: "a name longer than eight bytes".into(),
        list: vec![
            None,
            Some("short".into()),
            Some("not quite so short".into()),
        ],
        array: [1, 2, 3],
        boxed: Box::new(Inner(1, 2)),
        pair: (1, "pair".into(), 3),
        outcome: Err("no".into()),
        prices: BTreeMap::from([("a".into(), vec![1, 2]), ("b".into(), vec![])]),
        nested: vec![BTreeMap::from([(
            1,
            BTreeSet::from(["x".into(), "y".into()]),
        )])],
        took: Duration::new(1, 2),
        r#type: 9,
        unit: (),
    }
}

fn round_trip<T: Protein + PartialEq + std::fmt::Debug>(value: &T) -> AlignedVec<16> {
    let bytes = encode(value).expect("archives");
    assert_eq!(&decode::<T>(&bytes).expect("is valid"), value);
    bytes
}

#[test]
fn every_kind_of_field_survives() {
    round_trip(&everything());
    round_trip(&Unit);
    round_trip(&HashMap::from([(1u8, String::from("one"))]));
    round_trip(&Shape::Many(vec![
        Shape::Empty,
        Shape::Circle { r: 1, area: 2 },
        Shape::Line("a line of some length".into(), Box::new(Shape::Empty)),
    ]));
    round_trip(&Page {
        items: vec![everything()],
        next: Some(Box::new(Page {
            items: vec![],
            next: None,
        })),
    });
    round_trip(&Either::<u8, String>::Both(
        Box::new(Either::Left("x".into())),
        (1, "y".into()),
    ));
    round_trip(&Either::<u8, String>::Right {
        value: Some("z".into()),
    });
}

/// The same definitions through rkyv's own derives, maps written as what they are on the wire.
#[expect(unreachable_pub, reason = "rkyv derives public types")]
mod reference {
    use rkyv::{Archive, Serialize};

    #[derive(Archive, Serialize)]
    pub struct Entry<K, V> {
        pub key: K,
        pub value: V,
    }

    #[derive(Archive, Serialize)]
    pub struct Everything {
        pub flag: bool,
        pub small: u8,
        pub wide: u128,
        pub signed: i128,
        pub ratio: f64,
        pub letter: char,
        pub name: String,
        pub list: Vec<Option<String>>,
        pub array: [u16; 3],
        pub boxed: Box<Inner>,
        pub pair: (u8, String, u64),
        pub outcome: Result<u32, String>,
        pub prices: Vec<Entry<String, Vec<u64>>>,
        pub nested: Vec<Vec<Entry<u8, Vec<String>>>>,
        pub took: std::time::Duration,
        pub r#type: u8,
        pub unit: (),
    }

    #[derive(Archive, Serialize)]
    pub struct Inner(pub u8, pub u64);

    #[derive(Archive, Serialize)]
    #[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
    #[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext)))]
    pub enum Shape {
        Empty,
        Circle { r: u8, area: u64 },
        Line(String, #[rkyv(omit_bounds)] Box<Shape>),
        Many(#[rkyv(omit_bounds)] Vec<Shape>),
    }
}

#[test]
fn bytes_are_rkyvs() {
    let value = everything();
    let entry = |(key, value)| reference::Entry { key, value };
    let expected = reference::Everything {
        flag: value.flag,
        small: value.small,
        wide: value.wide,
        signed: value.signed,
        ratio: value.ratio,
        letter: value.letter,
        name: value.name.clone(),
        list: value.list.clone(),
        array: value.array,
        boxed: Box::new(reference::Inner(1, 2)),
        pair: value.pair.clone(),
        outcome: value.outcome.clone(),
        prices: value.prices.clone().into_iter().map(entry).collect(),
        nested: value
            .nested
            .clone()
            .into_iter()
            .map(|map| {
                map.into_iter()
                    .map(|(key, value)| reference::Entry {
                        key,
                        value: value.into_iter().collect(),
                    })
                    .collect()
            })
            .collect(),
        took: value.took,
        r#type: value.r#type,
        unit: (),
    };
    let expected = rkyv::to_bytes::<rkyv::rancor::Error>(&expected).expect("archives");
    assert_eq!(round_trip(&value).as_slice(), expected.as_slice());
    // The rkyv traits that the derive adds write the same.
    assert_eq!(
        rkyv::to_bytes::<rkyv::rancor::Error>(&value)
            .expect("archives")
            .as_slice(),
        expected.as_slice()
    );
    let back: Everything = rkyv::from_bytes::<_, rkyv::rancor::Error>(&expected).expect("is valid");
    assert_eq!(back, value);

    let line = "a line of some length";
    let shape = Shape::Many(vec![
        Shape::Circle { r: 1, area: 2 },
        Shape::Empty,
        Shape::Line(line.into(), Box::new(Shape::Empty)),
    ]);
    let expected = reference::Shape::Many(vec![
        reference::Shape::Circle { r: 1, area: 2 },
        reference::Shape::Empty,
        reference::Shape::Line(line.into(), Box::new(reference::Shape::Empty)),
    ]);
    let expected = rkyv::to_bytes::<rkyv::rancor::Error>(&expected).expect("archives");
    assert_eq!(round_trip(&shape).as_slice(), expected.as_slice());
}

#[test]
fn plain_structs_are_copied_whole() {
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    struct Dense {
        x: u32,
        y: f32,
    }
    #[derive(cell::Protein, Clone, Debug, PartialEq)]
    struct Padded {
        x: u8,
        y: u32,
    }
    const {
        assert!(
            <Dense as Protein>::COPY && !<Padded as Protein>::COPY && <[Dense; 2] as Protein>::COPY
        )
    };
    round_trip(&vec![Dense { x: 1, y: 2.0 }; 100]);
    round_trip(&vec![Padded { x: 1, y: 2 }; 100]);
}

#[test]
fn names_are_the_compilers() {
    assert_eq!(
        <Page<Either<u8, Prices>> as Protein>::TY,
        "protein::Page<protein::Either<u8,Map<String,Vec<u64>>>>"
    );
    assert_eq!(<(u8,) as Protein>::TY, "(u8,)");
    assert_eq!(
        <([u8; 12], Result<(), char>) as Protein>::TY,
        "([u8;12],Result<(),char>)"
    );
}

#[test]
fn a_view_reads_in_place() {
    let bytes = encode(&everything()).expect("archives");
    let view = access::<Everything>(&bytes).expect("is valid");
    assert_eq!(view.name.as_str(), "a name longer than eight bytes");
    assert_eq!(view.prices[0].value[1].to_native(), 2);
}

#[test]
fn hostile_bytes_are_refused() {
    let bytes = encode(&Shape::Circle { r: 1, area: 2 }).expect("archives");
    let mut wrong = bytes.clone();
    wrong.as_mut_slice()[0] = 200;
    let error = decode::<Shape>(&wrong)
        .expect_err("no such variant")
        .to_string();
    assert!(error.contains("Shape"), "{error}");
    for len in 0..bytes.len() {
        assert!(
            decode::<Shape>(&bytes[..len]).is_err(),
            "{len} bytes are not enough"
        );
    }
}

#[test]
fn a_deep_archive_is_refused_and_a_shallow_one_is_not() {
    let nest = |depth: usize| {
        (0..depth).fold(Shape::Empty, |shape, _| {
            Shape::Line(String::new(), Box::new(shape))
        })
    };
    round_trip(&nest(100));
    let deep = encode(&nest(200)).expect("archives");
    decode::<Shape>(&deep).expect_err("too deep");
}

#[test]
fn sets_and_maps_of_what_has_no_bytes_hold_one_however_many_are_announced() {
    let mut bytes = AlignedVec::<16>::new();
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(decode::<Vec<()>>(&bytes).unwrap().len(), 65_536);
    assert_eq!(decode::<HashSet<()>>(&bytes).unwrap(), HashSet::from([()]));
    let map = decode::<BTreeMap<(), ()>>(&bytes).unwrap();
    assert_eq!(map, BTreeMap::from([((), ())]));
    bytes[7] = 1;
    let error = decode::<Vec<()>>(&bytes).unwrap_err().to_string();
    assert!(error.contains("16842752 items without bytes"), "{error}");
    let none = encode(&HashSet::<()>::new()).unwrap();
    assert!(decode::<HashSet<()>>(&none).unwrap().is_empty());
}
