//! Random values: as JSON by a way of their own, so that the codec of snapshots cannot agree with itself alone.

use cell_sdk::schema::{Field, Kind, Prim, Shape, Ty, TypeDef};
use serde_json::{Map, Value as Json, json as literal};

use super::{Model, Rng};

/// A value, in the form of its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number, `bool` or `char` by its bits.
    Prim(u128),
    /// A text.
    String(String),
    /// Seconds and nanoseconds.
    Duration(u64, u32),
    /// The parts of a vector, an array, a set, a tuple or a struct.
    Parts(Vec<Value>),
    /// A map's entries in the order of their keys.
    Entries(Vec<(Value, Value)>),
    /// The number of a variant, also of `Option` and `Result`, and its parts.
    Variant(usize, Vec<Value>),
}

/// A random value. Only what is finite or an ordinary NaN is drawn: JSON has no payloads.
pub fn value(model: &Model, ty: &Ty, depth: usize, rng: &mut Rng) -> Value {
    let inner = depth.saturating_sub(1);
    let len = |rng: &mut Rng| if depth == 0 { 0 } else { rng.below(4) };
    let many = |tys: Vec<Ty>, rng: &mut Rng| -> Vec<Value> {
        tys.iter().map(|ty| value(model, ty, inner, rng)).collect()
    };
    match ty {
        Ty::Prim(prim) => Value::Prim(bits(*prim, rng)),
        Ty::String => Value::String(text(rng)),
        Ty::Duration => Value::Duration(
            rng.number() >> rng.below(64),
            rng.below(1_000_000_000) as u32,
        ),
        Ty::Vec(item) => Value::Parts(
            (0..len(rng))
                .map(|_| value(model, item, inner, rng))
                .collect(),
        ),
        Ty::Array(item, len) => {
            Value::Parts((0..*len).map(|_| value(model, item, inner, rng)).collect())
        }
        Ty::Box(of) => value(model, of, depth, rng),
        Ty::Option(of) => match depth > 0 && rng.chance(60) {
            true => Value::Variant(1, vec![value(model, of, inner, rng)]),
            false => Value::Variant(0, Vec::new()),
        },
        Ty::Result(ok, err) => {
            let tag = rng.below(2);
            Value::Variant(
                tag,
                vec![value(model, if tag == 0 { ok } else { err }, inner, rng)],
            )
        }
        Ty::Set(key) => {
            let mut keys: Vec<Value> = (0..len(rng))
                .map(|_| value(model, key, inner, rng))
                .collect();
            keys.sort_by_key(|value| order(key, value));
            keys.dedup();
            Value::Parts(keys)
        }
        Ty::Map(key, of) => {
            let mut keys: Vec<Value> = (0..len(rng))
                .map(|_| value(model, key, inner, rng))
                .collect();
            keys.sort_by_key(|value| order(key, value));
            keys.dedup();
            Value::Entries(
                keys.into_iter()
                    .map(|key| (key, value(model, of, inner, rng)))
                    .collect(),
            )
        }
        Ty::Tuple(tys) => Value::Parts(many(tys.clone(), rng)),
        Ty::Param(_) => Value::Parts(Vec::new()),
        Ty::Named(name, args) => {
            let def = definition(model, name);
            if def.kind == Kind::Struct {
                return Value::Parts(many(filled(&def.fields, args), rng));
            }
            // The first variant has no fields: there the recursion ends.
            let tag = if depth == 0 {
                0
            } else {
                rng.below(def.variants.len())
            };
            Value::Variant(tag, many(filled(&def.variants[tag].fields, args), rng))
        }
    }
}

pub(super) fn definition<'a>(model: &'a Model, name: &str) -> &'a TypeDef {
    model
        .types
        .iter()
        .find(|def| def.name == name)
        .expect("a definition of the model")
}

/// The fields' types with the parameters filled in.
pub(super) fn filled(fields: &[Field], args: &[Ty]) -> Vec<Ty> {
    fields.iter().map(|field| fill(&field.ty, args)).collect()
}

fn fill(ty: &Ty, args: &[Ty]) -> Ty {
    let one = |ty: &Ty| Box::new(fill(ty, args));
    match ty {
        Ty::Prim(_) | Ty::String | Ty::Duration => ty.clone(),
        Ty::Param(index) => args[*index].clone(),
        Ty::Vec(a) => Ty::Vec(one(a)),
        Ty::Array(a, len) => Ty::Array(one(a), *len),
        Ty::Option(a) => Ty::Option(one(a)),
        Ty::Box(a) => Ty::Box(one(a)),
        Ty::Set(a) => Ty::Set(one(a)),
        Ty::Map(a, b) => Ty::Map(one(a), one(b)),
        Ty::Result(a, b) => Ty::Result(one(a), one(b)),
        Ty::Tuple(tys) => Ty::Tuple(tys.iter().map(|ty| fill(ty, args)).collect()),
        Ty::Named(name, tys) => {
            Ty::Named(name.clone(), tys.iter().map(|ty| fill(ty, args)).collect())
        }
    }
}

/// What Rust orders a key by.
fn order(ty: &Ty, key: &Value) -> Vec<(i128, u128, String)> {
    match (ty, key) {
        (Ty::Prim(prim), Value::Prim(bits)) => vec![(
            signed(*prim, *bits).unwrap_or(0),
            if signed(*prim, *bits).is_some() {
                0
            } else {
                *bits
            },
            String::new(),
        )],
        (_, Value::String(text)) => vec![(0, 0, text.clone())],
        (Ty::Tuple(tys), Value::Parts(parts)) => tys
            .iter()
            .zip(parts)
            .flat_map(|(ty, part)| order(ty, part))
            .collect(),
        _ => Vec::new(),
    }
}

/// The value of a signed integer's bits.
pub(super) fn signed(prim: Prim, bits: u128) -> Option<i128> {
    Some(match prim {
        Prim::I8 => i128::from(bits as u8 as i8),
        Prim::I16 => i128::from(bits as u16 as i16),
        Prim::I32 => i128::from(bits as u32 as i32),
        Prim::I64 => i128::from(bits as u64 as i64),
        Prim::I128 => bits as i128,
        _ => return None,
    })
}

fn bits(prim: Prim, rng: &mut Rng) -> u128 {
    let wide = u128::from(rng.number()) << 64 | u128::from(rng.number());
    // Small numbers and large ones, and the edges in between.
    let wide = wide >> rng.below(128);
    match prim {
        Prim::Bool => wide & 1,
        Prim::U8 | Prim::I8 => wide & 0xff,
        Prim::U16 | Prim::I16 => wide & 0xffff,
        Prim::U32 | Prim::I32 => wide & 0xffff_ffff,
        Prim::U64 | Prim::I64 => wide & u128::from(u64::MAX),
        Prim::U128 | Prim::I128 => wide,
        Prim::F32 => match f32::from_bits(wide as u32) {
            number if number.is_nan() => 0x7fc0_0000,
            number => number.to_bits().into(),
        },
        Prim::F64 => match f64::from_bits(rng.number()) {
            number if number.is_nan() => 0x7ff8_0000_0000_0000,
            number => number.to_bits().into(),
        },
        Prim::Char => u128::from(u32::from(character(rng))),
    }
}

fn character(rng: &mut Rng) -> char {
    let end = *rng.pick(&[0x80, 0x800, 0x1_0000, 0x11_0000]);
    char::from_u32(rng.below(end) as u32).unwrap_or('a')
}

fn text(rng: &mut Rng) -> String {
    let len = *rng.pick(&[0, 1, 3, 7, 8, 9, 12, 40, 70]);
    let ascii = rng.chance(60);
    (0..len)
        .map(|_| {
            if ascii {
                char::from(b' ' + rng.below(95) as u8)
            } else {
                character(rng)
            }
        })
        .collect()
}

/// The JSON of a value, as `cargo cell call` prints it.
pub fn json(model: &Model, ty: &Ty, value: &Value) -> Json {
    match (ty, value) {
        (Ty::Prim(prim), Value::Prim(bits)) => prim_json(*prim, *bits),
        (_, Value::String(text)) => literal!(text),
        (_, Value::Duration(secs, nanos)) => {
            literal!({ "secs": prim_json(Prim::U64, u128::from(*secs)), "nanos": nanos })
        }
        (Ty::Vec(item) | Ty::Array(item, _) | Ty::Set(item), Value::Parts(parts)) => {
            parts.iter().map(|part| json(model, item, part)).collect()
        }
        (Ty::Box(of), value) => json(model, of, value),
        (Ty::Map(key, of), Value::Entries(entries)) if **key == Ty::String => {
            let entry = |(key, value): &(Value, Value)| match key {
                Value::String(key) => (key.clone(), json(model, of, value)),
                _ => unreachable!("the key is a text"),
            };
            Json::Object(entries.iter().map(entry).collect())
        }
        (Ty::Map(key, of), Value::Entries(entries)) => entries
            .iter()
            .map(|entry| literal!([json(model, key, &entry.0), json(model, of, &entry.1)]))
            .collect(),
        (Ty::Tuple(tys), Value::Parts(_)) if tys.is_empty() => Json::Null,
        (Ty::Tuple(tys), Value::Parts(parts)) => tys
            .iter()
            .zip(parts)
            .map(|(ty, part)| json(model, ty, part))
            .collect(),
        (Ty::Option(of), Value::Variant(tag, parts)) => match (tag, parts.first()) {
            (1, Some(part)) if may_be_null(model, of) => tagged("Some", json(model, of, part)),
            (1, Some(part)) => json(model, of, part),
            _ => Json::Null,
        },
        (Ty::Result(ok, err), Value::Variant(tag, parts)) => match tag {
            0 => tagged("Ok", json(model, ok, &parts[0])),
            _ => tagged("Err", json(model, err, &parts[0])),
        },
        (Ty::Named(name, args), Value::Parts(parts)) => {
            let def = definition(model, name);
            fields_json(model, def.shape, &def.fields, args, parts)
        }
        (Ty::Named(name, args), Value::Variant(tag, parts)) => {
            let variant = &definition(model, name).variants[*tag];
            match variant.shape {
                Shape::Unit => literal!(variant.name),
                _ => tagged(
                    &variant.name,
                    fields_json(model, variant.shape, &variant.fields, args, parts),
                ),
            }
        }
        _ => unreachable!("{value:?} is no {ty}"),
    }
}

fn tagged(name: &str, value: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn fields_json(
    model: &Model,
    shape: Shape,
    fields: &[Field],
    args: &[Ty],
    parts: &[Value],
) -> Json {
    let values = filled(fields, args)
        .into_iter()
        .zip(parts)
        .map(|(ty, part)| json(model, &ty, part));
    match (shape, fields.len()) {
        (Shape::Unit, _) => Json::Null,
        (Shape::Named, _) => Json::Object(
            fields
                .iter()
                .map(|field| field.name.clone())
                .zip(values)
                .collect(),
        ),
        (Shape::Tuple, 1) => values.into_iter().next().unwrap_or_default(),
        (Shape::Tuple, _) => values.collect(),
    }
}

fn may_be_null(model: &Model, ty: &Ty) -> bool {
    match ty {
        Ty::Option(_) => true,
        Ty::Tuple(tys) => tys.is_empty(),
        Ty::Box(of) => may_be_null(model, of),
        Ty::Named(name, args) => {
            let def = definition(model, name);
            def.kind == Kind::Struct
                && match (def.shape, filled(&def.fields, args).as_slice()) {
                    (Shape::Unit, _) => true,
                    (Shape::Tuple, [one]) => may_be_null(model, one),
                    _ => false,
                }
        }
        _ => false,
    }
}

fn prim_json(prim: Prim, bits: u128) -> Json {
    const EXACT_MAX: u128 = 1 << 53;
    let float = |number: f64| match number {
        number if number.is_nan() => literal!("NaN"),
        number if number.is_infinite() => literal!(if number > 0.0 { "inf" } else { "-inf" }),
        number => literal!(number),
    };
    match (prim, signed(prim, bits)) {
        (Prim::Bool, _) => literal!(bits == 1),
        (Prim::Char, _) => literal!(char::from_u32(bits as u32)),
        (Prim::F32, _) => float(
            f32::from_bits(bits as u32)
                .to_string()
                .parse()
                .expect("a number's text"),
        ),
        (Prim::F64, _) => float(f64::from_bits(bits as u64)),
        (_, Some(number)) if number.unsigned_abs() <= EXACT_MAX => literal!(number as i64),
        (_, Some(number)) => literal!(number.to_string()),
        (_, None) if bits <= EXACT_MAX => literal!(bits as u64),
        (_, None) => literal!(bits.to_string()),
    }
}
