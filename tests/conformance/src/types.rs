//! Structs, enums and generics that do not refer to themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cell_sdk::cell;

/// Every type without parts.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Numbers {
    pub flag: bool,
    pub u8: u8,
    pub u16: u16,
    pub u32: u32,
    pub u64: u64,
    pub u128: u128,
    pub i8: i8,
    pub i16: i16,
    pub i32: i32,
    pub i64: i64,
    pub i128: i128,
    pub f32: f32,
    pub f64: f64,
    pub char: char,
}

/// Gaps between the fields and behind the last.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Padded {
    pub a: u8,
    pub b: u64,
    pub c: u16,
    pub d: u32,
    pub e: u8,
}

/// Aligned to 16 bytes.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
pub struct Wide {
    pub flag: bool,
    pub wide: u128,
    pub small: i8,
    pub text: String,
}

/// No gaps: slices of it are copied whole.
#[derive(cell::Protein, Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// No fields and no braces.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
pub struct Unit;

/// No fields, with braces.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
pub struct Empty {}

/// One field without a name.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub String);

/// A newtype of a number.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Celsius(pub f64);

/// A newtype that may be `null`: an `Option` of it must not lose that.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
pub struct Maybe(pub Option<u16>);

/// Two fields without names.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair(pub u8, pub String);

/// Three fields without names, one of which takes no room.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
pub struct Triple(pub u16, pub (), pub Option<u64>);

/// Without data.
#[derive(cell::Protein, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Color {
    Red,
    /// The one in the middle.
    Green,
    Blue,
}

/// A single variant is still an enum.
#[derive(cell::Protein, Clone, Debug, PartialEq, Eq)]
pub enum Single {
    Only(u8),
}

/// Every shape of a variant; each has an alignment of its own.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub enum Message {
    Nothing,
    Braces {},
    Byte(u8),
    Text(String),
    Wide(u128),
    Two(u8, u64),
    /// With names.
    Named {
        x: u8,
        y: u64,
        text: String,
    },
    Maybe(Option<Option<u8>>),
    Unit(()),
    UnitStruct(Unit),
    Color(Color),
    Pair(Pair),
    Tuple((u8, u32)),
    List(Vec<u16>),
    Array([u8; 3]),
    Outcome(Result<u8, String>),
    Boxed(Box<Padded>),
    Map(BTreeMap<String, u8>),
}

/// A type parameter in every place.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Tagged<T> {
    pub tag: u8,
    pub value: T,
    pub last: bool,
}

/// A newtype with a parameter.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Wrapper<T>(pub T);

/// Two parameters.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub enum Either<A, B> {
    Left(A),
    Right(B),
    Both { left: A, right: B },
    Neither,
}

/// Parameters as a map's key and value.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Cache<K: Ord, V> {
    pub entries: BTreeMap<K, V>,
    pub recent: Vec<K>,
    pub seen: BTreeSet<K>,
    pub fallback: Option<V>,
}

/// Outcomes as values, not as what a handler returns.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Outcomes {
    pub plain: Result<u64, String>,
    pub unit: Result<(), Color>,
    pub nested: Result<Option<u8>, Result<u16, ()>>,
    pub many: Vec<Result<u8, Pair>>,
}

/// Options that must not lose what is inside of them.
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Options {
    pub plain: Option<u8>,
    pub wide: Option<u128>,
    pub text: Option<String>,
    pub twice: Option<Option<u8>>,
    pub thrice: Option<Option<Option<String>>>,
    pub unit: Option<()>,
    pub unit_struct: Option<Unit>,
    pub newtype: Option<Maybe>,
    pub boxed: Option<Box<Option<u8>>>,
    pub list: Option<Vec<u8>>,
    pub color: Option<Color>,
}

#[expect(
    clippy::doc_lazy_continuation,
    reason = "docs that generators must carry over"
)]
/// All containers together.
///
/// Docs must survive: */ and /* and """ and ''' and `code` and ``` and \ and \n and ${x} and {@link X} and <b> & é 🦀
/// * a list whose item
/// goes on
///
/// ends with a backslash \
#[derive(cell::Protein, Clone, Debug, PartialEq)]
pub struct Everything {
    /// A field's own docs. */ """
    pub numbers: Numbers,
    pub unit: Unit,
    pub pair: Pair,
    pub message: Message,
    pub map: BTreeMap<String, Vec<u8>>,
    pub by_key: BTreeMap<(u8, char), f64>,
    pub set: BTreeSet<i128>,
    pub time: Duration,
    pub array: [[u16; 2]; 3],
    pub outcome: Result<u128, String>,
    pub nested: Option<Option<()>>,
    pub one: (f32,),
    pub tagged: Tagged<Tagged<Color>>,
    pub boxed: Box<String>,
}
