//! Values at the edges of every type: what is empty, smallest, largest, one too long to lie inline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A type that knows its edges. `depth` bounds types that refer to themselves.
pub(crate) trait Edges: Sized {
    fn edges(depth: u32) -> Vec<Self>;
}

/// The edge number `index`, counted round.
pub(crate) fn pick<T: Edges>(depth: u32, index: usize) -> T {
    let mut edges = T::edges(depth.saturating_sub(1));
    let at = index % edges.len();
    edges.swap_remove(at)
}

macro_rules! prims {
    ($($ty:ty: [$($edge:expr),* $(,)?]),* $(,)?) => {
        $(impl Edges for $ty {
            fn edges(_: u32) -> Vec<Self> {
                vec![$($edge),*]
            }
        })*
    };
}

prims! {
    bool: [false, true],
    u8: [0, 1, 127, 128, 254, u8::MAX],
    u16: [0, 1, 255, 256, 0x0102, u16::MAX],
    u32: [0, 1, 0xffff, 0x1_0000, 0x0102_0304, i32::MAX as u32, 1 << 31, u32::MAX],
    u64: [
        0, 1, u32::MAX as u64, 1 << 32, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, 0x0102_0304_0506_0708, i64::MAX as u64, 1 << 63, u64::MAX,
    ],
    u128: [
        0, 1, 1 << 53, (1 << 53) + 1, u64::MAX as u128, 1 << 64, 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10, i128::MAX as u128, 1 << 127,
        u128::MAX,
    ],
    i8: [0, 1, -1, i8::MIN, i8::MAX],
    i16: [0, 1, -1, -129, 0x0102, i16::MIN, i16::MAX],
    i32: [0, 1, -1, -32769, 0x0102_0304, i32::MIN, i32::MAX],
    i64: [0, 1, -1, 1 << 53, -(1 << 53), (1 << 53) + 1, -(1 << 53) - 1, i64::MIN, i64::MAX],
    i128: [
        0, 1, -1, -(1 << 53) - 1, i64::MIN as i128, i64::MIN as i128 - 1, u64::MAX as i128, 1 << 64, -(1 << 64), i128::MIN, i128::MAX,
    ],
    f32: [
        0.0, -0.0, 1.0, -1.5, 0.1, 0.42, 16_777_216.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::from_bits(0x807f_ffff), f32::EPSILON,
        f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7fc0_0000),
    ],
    f64: [
        0.0, -0.0, 1.0, -1.5, 0.1, 1e21, 1e-7, 123_456_789.123, 9_007_199_254_740_993.0, f64::MIN_POSITIVE, f64::from_bits(1),
        f64::from_bits(0x800f_ffff_ffff_ffff), f64::EPSILON, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY,
        f64::from_bits(0x7ff8_0000_0000_0000),
    ],
    char: [
        'a', '\0', '\u{7f}', '\u{80}', 'é', '\u{7ff}', '\u{800}', '\u{d7ff}', '\u{e000}', '\u{fffd}', '\u{ffff}', '\u{10000}', '🦀',
        char::MAX,
    ],
    (): [()],
    Duration: [
        Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(1500), Duration::new(1, 999_999_999), Duration::new(1 << 33, 5),
        Duration::new((1 << 53) + 1, 0), Duration::MAX,
    ],
}

impl Edges for String {
    /// Seven, eight and nine bytes: the first two lie inline. From 64 bytes on the length is split around its mark.
    fn edges(_: u32) -> Vec<Self> {
        let mut edges: Vec<String> = [
            "",
            "a",
            "1234567",
            "12345678",
            "123456789",
            "é",
            "éééé",
            "éééé1",
            "🦀🦀",
            "🦀🦀a",
            "\0",
            "\0\0\0\0\0\0\0\0\0",
            "a\u{301}\u{202e}\u{feff}b",
            "quote \" backslash \\ line \n tab \t nul \0",
            "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10ffff}",
        ]
        .map(str::to_owned)
        .to_vec();
        edges.extend([63, 64, 65, 255, 256].map(|len| "x".repeat(len)));
        edges
    }
}

impl<T: Edges> Edges for Option<T> {
    fn edges(depth: u32) -> Vec<Self> {
        let mut edges = vec![None];
        if depth > 0 {
            edges.extend(T::edges(depth - 1).into_iter().map(Some));
        }
        edges
    }
}

impl<T: Edges> Edges for Box<T> {
    fn edges(depth: u32) -> Vec<Self> {
        T::edges(depth.saturating_sub(1))
            .into_iter()
            .map(Box::new)
            .collect()
    }
}

impl<T: Edges, E: Edges> Edges for Result<T, E> {
    fn edges(depth: u32) -> Vec<Self> {
        let depth = depth.saturating_sub(1);
        let errors = E::edges(depth).into_iter().map(Err);
        T::edges(depth).into_iter().map(Ok).chain(errors).collect()
    }
}

impl<T: Edges> Edges for Vec<T> {
    fn edges(depth: u32) -> Vec<Self> {
        if depth == 0 {
            return vec![Vec::new()];
        }
        let all = T::edges(depth - 1);
        let two = T::edges(depth - 1).into_iter().rev().take(2).collect();
        vec![Vec::new(), vec![pick(depth, 0)], two, all]
    }
}

impl<T: Edges, const N: usize> Edges for [T; N] {
    fn edges(depth: u32) -> Vec<Self> {
        let rounds = if N == 0 { 1 } else { 3 };
        (0..rounds)
            .map(|round| std::array::from_fn(|index| pick(depth, round + index)))
            .collect()
    }
}

impl<K: Edges + Ord, V: Edges> Edges for BTreeMap<K, V> {
    fn edges(depth: u32) -> Vec<Self> {
        if depth == 0 {
            return vec![BTreeMap::new()];
        }
        let all = K::edges(depth - 1).into_iter().enumerate();
        let all = all.map(|(index, key)| (key, pick(depth, index))).collect();
        vec![
            BTreeMap::new(),
            BTreeMap::from([(pick(depth, 1), pick(depth, 1))]),
            all,
        ]
    }
}

impl<T: Edges + Ord> Edges for BTreeSet<T> {
    fn edges(depth: u32) -> Vec<Self> {
        if depth == 0 {
            return vec![BTreeSet::new()];
        }
        let all = T::edges(depth - 1).into_iter().collect();
        vec![BTreeSet::new(), BTreeSet::from([pick(depth, 1)]), all]
    }
}

macro_rules! tuples {
    ($(($($part:ident $offset:tt),+)),+ $(,)?) => {
        $(impl<$($part: Edges),+> Edges for ($($part,)+) {
            fn edges(depth: u32) -> Vec<Self> {
                (0..4).map(|round| ($(pick::<$part>(depth, round + $offset),)+)).collect()
            }
        })+
    };
}

tuples! {
    (A 0),
    (A 0, B 1),
    (A 0, B 1, C 2),
    (A 0, B 1, C 2, D 3),
    (A 0, B 1, C 2, D 3, E 4),
}

/// Edges of structs: value `n` has edge `n + i` of its field `i`.
macro_rules! structs {
    ($($(#[$rounds:literal])? $name:ident $(<$($param:ident $(: $bound:ident)?),+>)? { $($field:ident),* $(,)? }),* $(,)?) => {
        $(impl$(<$($param: crate::edges::Edges $(+ $bound)?),+>)? crate::edges::Edges for $name$(<$($param),+>)? {
            fn edges(depth: u32) -> Vec<Self> {
                #[allow(unused_mut, unused_variables, reason = "not every struct has fields")]
                let rounds = 4 $(* 0 + $rounds)?;
                (0..rounds).map(|round| {
                    let mut index: usize = round;
                    let mut next = || { index += 1; index };
                    let _ = (&mut next, depth);
                    $name { $($field: crate::edges::pick(depth, next())),* }
                }).collect()
            }
        })*
    };
}
pub(crate) use structs;
