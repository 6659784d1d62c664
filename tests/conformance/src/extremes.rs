//! Values that no edge of a type gives: long, deep, and not a number.

use std::collections::{BTreeMap, BTreeSet};

use crate::messages::*;
use crate::values::Collector;

/// Adds them.
pub(crate) fn collect(to: &mut Collector) {
    not_a_number(to);
    long(to);
    deep(to);
}

/// Quiet and signalling, both signs, with payloads: they must come out as they went in.
fn not_a_number(to: &mut Collector) {
    for bits in [
        0xffc0_0000,
        0x7fc0_0001,
        0x7fff_ffff,
        0x7f80_0001,
        0xffa5_a5a5,
    ] {
        to.add(
            "echo_f32",
            &format!("NaN {bits:#010x}"),
            &f32::from_bits(bits),
        );
    }
    let wide = [
        0xfff8_0000_0000_0000,
        0x7ff8_0000_0000_0001,
        0x7fff_ffff_ffff_ffff,
        0x7ff0_0000_0000_0001,
        0xfff4_a5a5_a5a5_a5a5,
    ];
    for bits in wide {
        to.add(
            "echo_f64",
            &format!("NaN {bits:#018x}"),
            &f64::from_bits(bits),
        );
    }
    let many = wide.map(f64::from_bits).to_vec();
    to.add("echo_vec_f64", "NaNs with payloads", &many);
    let point = Point {
        x: f32::from_bits(0x7fc0_0001),
        y: f32::from_bits(0xffc0_0000),
    };
    to.add("echo_point", "NaNs with payloads", &point);
    to.add(
        "echo_celsius",
        "NaN with a payload",
        &Celsius(f64::from_bits(wide[1])),
    );
}

fn long(to: &mut Collector) {
    to.add(
        "echo_vec_u8",
        "4096 bytes",
        &(0..4096_u32).map(|n| n as u8).collect::<Vec<u8>>(),
    );
    to.add(
        "echo_vec_u16",
        "1000 numbers",
        &(0..1000_u16).collect::<Vec<_>>(),
    );
    to.add(
        "echo_vec_u64",
        "500 numbers",
        &(0..500_u64).map(|n| n << 40).collect::<Vec<_>>(),
    );
    to.add(
        "echo_vec_bool",
        "300 flags",
        &(0..300).map(|n| n % 3 == 0).collect::<Vec<_>>(),
    );
    to.add("echo_vec_unit", "1000 units", &vec![(); 1000]);
    to.add("echo_vec_unit_struct", "70 units", &vec![Unit; 70]);
    let texts: Vec<String> = (0..200).map(|n| "ab".repeat(n % 12)).collect();
    to.add("echo_vec_string", "200 strings", &texts);
    for len in [127, 128, 300, 4095, 4096, 16383, 16384, 70000] {
        to.add("echo_string", &format!("{len} bytes"), &"y".repeat(len));
    }
    to.add("echo_string", "2000 crabs", &"🦀".repeat(2000));
    let map: BTreeMap<String, u32> = (0..300).map(|n| (format!("key {n}"), n)).collect();
    to.add("echo_map_string", "300 entries", &map);
    // By bytes, and so by code points: UTF-16 would sort the second behind the third.
    let names = ["\u{7a}", "\u{ffff}", "\u{10000}", "Z", "é", "", "\0", "zz"];
    let map: BTreeMap<String, u32> = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
    to.add("echo_map_string", "an order by bytes", &map);
    let set: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    to.add("echo_set_string", "an order by bytes", &set);
    // What JavaScript's objects would reorder, or take for something else.
    let names = [
        "10",
        "9",
        "1",
        "-1",
        "__proto__",
        "constructor",
        "toString",
        "01",
    ];
    let map: BTreeMap<String, u32> = names.iter().map(|name| ((*name).to_owned(), 2)).collect();
    to.add("echo_map_string", "names of objects", &map);
    to.add(
        "echo_set_u8",
        "all bytes",
        &(0..=u8::MAX).collect::<BTreeSet<_>>(),
    );
    let map: BTreeMap<u64, String> = (0..64).map(|n| (1 << n, n.to_string())).collect();
    to.add("echo_map_u64", "powers of two", &map);
    to.add(
        "echo_vec_padded",
        "100 structs",
        &vec![
            Padded {
                a: 1,
                b: 2,
                c: 3,
                d: 4,
                e: 5
            };
            100
        ],
    );
    to.add(
        "echo_vec_point",
        "100 structs",
        &vec![Point { x: 0.5, y: -0.0 }; 100],
    );
    to.add(
        "echo_vec_vec",
        "a triangle",
        &(0..40_u8)
            .map(|n| vec![n; usize::from(n)])
            .collect::<Vec<_>>(),
    );
}

/// As deep as the limit of 128 lets it be: a value, what is in it, and what is in that each count.
fn deep(to: &mut Collector) {
    for links in [2, 10, 41] {
        let chain = (0..links).fold(
            Chain {
                head: 0,
                tail: None,
            },
            |chain, head| Chain {
                head,
                tail: Some(Box::new(chain)),
            },
        );
        to.add("echo_chain", &format!("{links} links"), &chain);
    }
    for levels in [3, 20, 60] {
        let tree = (0..levels).fold(
            Tree {
                value: 0,
                children: Vec::new(),
            },
            |tree, value| Tree {
                value,
                children: vec![tree],
            },
        );
        to.add("echo_tree", &format!("{levels} levels"), &tree);
    }
    let wide = Tree {
        value: 1,
        children: (0..50)
            .map(|value| Tree {
                value,
                children: Vec::new(),
            })
            .collect(),
    };
    to.add("echo_tree", "50 children", &wide);
    let json = (0..50).fold(Json::Null, |json, n| match n % 2 {
        0 => Json::List(vec![json]),
        _ => Json::Object(BTreeMap::from([("inner".to_owned(), json)])),
    });
    to.add("echo_json", "50 levels", &json);
    let expr = (0..60).fold(Expr::Const(1), |expr, _| Expr::Neg(Box::new(expr)));
    to.add("echo_expr", "60 negations", &expr);
    let balanced = (0..6).fold(Expr::Const(1), |expr, _| {
        Expr::Add(Box::new(expr.clone()), Box::new(expr))
    });
    to.add("echo_expr", "a balanced tree", &balanced);
    let left = (0..25).fold(Left { rights: Vec::new() }, |left, _| Left {
        rights: vec![Right::Nothing, Right::Left(Box::new(left))],
    });
    to.add("echo_left", "25 levels", &left);
    let page = (0..30).fold(
        Page {
            items: Vec::new(),
            next: None,
        },
        |page, n: u8| Page {
            items: vec![n; 3],
            next: Some(Box::new(page)),
        },
    );
    to.add("echo_page", "30 pages", &page);
}
