//! The edges of the cell's own types.

use crate::edges::{Edges, pick, structs};
use crate::messages::*;

structs! {
    Numbers { flag, u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64, char },
    Padded { a, b, c, d, e },
    Wide { flag, wide, small, text },
    Point { x, y },
    Empty {},
    Tagged<T: Edges> { tag, value, last },
    Cache<K: Ord, V: Edges> { entries, recent, seen, fallback },
    Outcomes { plain, unit, nested, many },
    Options { plain, wide, text, twice, thrice, unit, unit_struct, newtype, boxed, list, color },
    Everything {
        numbers, unit, pair, message, map, by_key, set, time, array, outcome, nested, one, tagged, boxed,
    },
    Keywords {
        r#type, class, def, func, import, package, lambda, interface, r#match, from, r#async, r#await, r#yield, none, nil,
        null, undefined, var, default, len, string, self_, constructor, __proto__, to_string, error, kind, range, r#return, int,
        global, with_,
    },
    Error { message, code },
    Object { error },
    Tree { value, children },
    Chain { head, tail },
    Left { rights },
    Page<T: Edges> { items, next },
}

/// Edges of newtypes: those of what is inside.
macro_rules! newtypes {
    ($($name:ident $(<$param:ident>)?),* $(,)?) => {
        $(impl$(<$param: Edges>)? Edges for $name$(<$param>)? {
            fn edges(depth: u32) -> Vec<Self> {
                Edges::edges(depth.saturating_sub(1)).into_iter().map($name).collect()
            }
        })*
    };
}

newtypes! { Name, Celsius, Maybe, Wrapper<T> }

/// Edges that are listed.
macro_rules! listed {
    ($($name:ident $(<$($param:ident),+>)? |$depth:ident| [$($edge:expr),* $(,)?]),* $(,)?) => {
        $(impl$(<$($param: Edges),+>)? Edges for $name$(<$($param),+>)? {
            fn edges($depth: u32) -> Vec<Self> {
                vec![$($edge),*]
            }
        })*
    };
}

listed! {
    Unit |_depth| [Unit],
    Pair |depth| [Pair(pick(depth, 0), pick(depth, 0)), Pair(pick(depth, 5), pick(depth, 4)), Pair(pick(depth, 1), pick(depth, 3))],
    Triple |depth| [Triple(0, (), None), Triple(pick(depth, 4), (), pick(depth, 8)), Triple(1, (), Some(0))],
    Color |_depth| [Color::Red, Color::Green, Color::Blue],
    Single |depth| [Single::Only(pick(depth, 0)), Single::Only(pick(depth, 5))],
    Symbol |_depth| [Symbol::Symbol, Symbol::Number, Symbol::Array, Symbol::Promise],
    Either<A, B> |depth| [
        Either::Left(pick(depth, 1)),
        Either::Right(pick(depth, 4)),
        Either::Both { left: pick(depth, 2), right: pick(depth, 3) },
        Either::Neither,
        Either::Both { left: pick(depth, 5), right: pick(depth, 7) },
    ],
    Words |depth| [
        Words::Type, Words::Class, Words::None, Words::True, Words::Error, Words::String, Words::Default(7),
        Words::Kind { kind: 1, tag: 2, r#type: 3, value: 4 },
        Words::Object { constructor: pick(depth, 4) },
    ],
    Message |depth| [
        Message::Nothing,
        Message::Braces {},
        Message::Byte(pick(depth, 5)),
        Message::Text(pick(depth, 3)),
        Message::Text(pick(depth, 4)),
        Message::Wide(pick(depth, 6)),
        Message::Two(pick(depth, 1), pick(depth, 7)),
        Message::Named { x: pick(depth, 4), y: pick(depth, 10), text: pick(depth, 13) },
        Message::Maybe(None),
        Message::Maybe(Some(None)),
        Message::Maybe(Some(Some(9))),
        Message::Unit(()),
        Message::UnitStruct(Unit),
        Message::Color(Color::Blue),
        Message::Pair(pick(depth, 1)),
        Message::Tuple((1, 2)),
        Message::List(Vec::new()),
        Message::List(vec![1, 2, 0xffff]),
        Message::Array([1, 2, 3]),
        Message::Outcome(Ok(1)),
        Message::Outcome(Err("a longer error".into())),
        Message::Boxed(Box::new(pick(depth, 2))),
        Message::Map(pick(depth, 1)),
    ],
    Json |depth| [
        Json::Null,
        Json::Bool(true),
        Json::Number(pick(depth, 5)),
        Json::Text(pick(depth, 4)),
        Json::List(if depth == 0 { Vec::new() } else { Json::edges(depth - 1) }),
        Json::Object(if depth == 0 { std::collections::BTreeMap::new() } else { pick(depth, 2) }),
    ],
    Expr |depth| [
        Expr::Const(pick(depth, 9)),
        Expr::Neg(Box::new(Expr::Const(-1))),
        Expr::Add(Box::new(Expr::Const(1)), Box::new(Expr::Neg(Box::new(Expr::Const(2))))),
        Expr::Call { name: pick(depth, 4), args: if depth == 0 { Vec::new() } else { Expr::edges(depth - 1) } },
    ],
    Right |depth| [
        Right::Nothing,
        Right::Left(Box::new(Left { rights: if depth == 0 { Vec::new() } else { Right::edges(depth - 1) } })),
        Right::Both { one: 1, other: None },
        Right::Both { one: 2, other: Some(Box::new(Left { rights: vec![Right::Nothing] })) },
    ],
    Swing<A, B> |depth| [
        Swing::Rest,
        Swing::Over(pick(depth, 2), Box::new(Swing::Rest)),
        Swing::Over(pick(depth, 1), Box::new(Swing::Over(pick(depth, 4), Box::new(Swing::Over(pick(depth, 5), Box::new(Swing::Rest)))))),
    ],
}

impl Edges for Most {
    fn edges(_: u32) -> Vec<Self> {
        Most::ALL.to_vec()
    }
}
