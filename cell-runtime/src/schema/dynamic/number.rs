//! Numbers between JSON and archives: nothing is rounded silently.

use serde_json::{Number, Value};

use crate::schema::Prim;

/// Up to here every language's JSON keeps an integer exact.
const EXACT_MAX: u128 = 1 << 53;

/// The archived bits of a JSON value as a type without parts, or what is wrong with it.
pub(super) fn bits(prim: Prim, value: &Value) -> Result<u128, String> {
    let found = || Err(format!("expected {}, found {}", prim.name(), shown(value)));
    match prim {
        Prim::Bool => match value {
            Value::Bool(flag) => Ok(u128::from(*flag)),
            _ => found(),
        },
        Prim::Char => match value
            .as_str()
            .map(|text| (text.chars().next(), text.chars().nth(1)))
        {
            Some((Some(c), None)) => Ok(u128::from(u32::from(c))),
            _ => found(),
        },
        Prim::F32 => match float(value) {
            // A number that is finite as written must not become infinite.
            Some(number) if number.is_finite() && !(number as f32).is_finite() => {
                out_of_range(prim, value)
            }
            Some(number) => Ok(u128::from((number as f32).to_bits())),
            None => found(),
        },
        Prim::F64 => match float(value) {
            Some(number) => Ok(u128::from(number.to_bits())),
            None => found(),
        },
        Prim::U8 | Prim::U16 | Prim::U32 | Prim::U64 | Prim::U128 => match unsigned(value) {
            Integer::Is(number) if number <= u128::MAX >> (128 - 8 * prim.size()) => Ok(number),
            Integer::Is(_) | Integer::Beyond => out_of_range(prim, value),
            Integer::Not => found(),
        },
        Prim::I8 | Prim::I16 | Prim::I32 | Prim::I64 | Prim::I128 => match signed(value) {
            Integer::Is(number) => {
                let unused = 128 - 8 * prim.size();
                match (number << unused) >> unused == number {
                    true => Ok(number.cast_unsigned()),
                    false => out_of_range(prim, value),
                }
            }
            Integer::Beyond => out_of_range(prim, value),
            Integer::Not => found(),
        },
    }
}

/// The JSON of archived bits, or `None` where no value has them.
pub(super) fn json(prim: Prim, bits: u128) -> Option<Value> {
    Some(match prim {
        Prim::Bool => match bits {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return None,
        },
        Prim::Char => Value::String(char::from_u32(bits as u32)?.to_string()),
        Prim::F32 => {
            let number = f32::from_bits(bits as u32);
            // By its shortest text: 0.42, not 0.41999998688697815.
            float_json(number.to_string().parse().ok()?)
        }
        Prim::F64 => float_json(f64::from_bits(bits as u64)),
        Prim::U8 | Prim::U16 | Prim::U32 | Prim::U64 | Prim::U128 => match bits <= EXACT_MAX {
            true => Value::from(bits as u64),
            false => Value::String(bits.to_string()),
        },
        Prim::I8 | Prim::I16 | Prim::I32 | Prim::I64 | Prim::I128 => {
            let unused = 128 - 8 * prim.size();
            let number = (bits.cast_signed() << unused) >> unused;
            match number.unsigned_abs() <= EXACT_MAX {
                true => Value::from(number as i64),
                false => Value::String(number.to_string()),
            }
        }
    })
}

fn float_json(number: f64) -> Value {
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => Value::from("NaN"),
        None if number > 0.0 => Value::from("inf"),
        None => Value::from("-inf"),
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

enum Integer<T> {
    Is(T),
    Beyond,
    Not,
}

fn unsigned(value: &Value) -> Integer<u128> {
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Integer::Is(u128::from(number)),
            (None, Some(_)) => Integer::Beyond,
            (None, None) => Integer::Not,
        },
        Value::String(text) if is_digits(text.strip_prefix('-').unwrap_or(text)) => {
            text.parse().map_or(Integer::Beyond, Integer::Is)
        }
        _ => Integer::Not,
    }
}

fn signed(value: &Value) -> Integer<i128> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Integer::Is(i128::from(number)),
            (None, Some(number)) => Integer::Is(i128::from(number)),
            (None, None) => Integer::Not,
        },
        Value::String(text) if is_digits(text.strip_prefix('-').unwrap_or(text)) => {
            text.parse().map_or(Integer::Beyond, Integer::Is)
        }
        _ => Integer::Not,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn out_of_range(prim: Prim, value: &Value) -> Result<u128, String> {
    Err(format!("{value} is out of the range of {}", prim.name()))
}

/// What a JSON value is, for messages: short ones as they are.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => format!("{value}"),
        Value::Number(_) => format!("the number {value}"),
        Value::String(text) if text.len() <= 32 => format!("the string {value}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
