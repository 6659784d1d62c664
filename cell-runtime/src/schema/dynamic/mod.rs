//! JSON ⇄ archive, with nothing but a snapshot: what `cargo cell call` speaks.
//!
//! `docs/schema.md` lists how each type is written in JSON. Archives are byte for byte those of the generated types;
//! archives that come in are believed in nothing: offsets, lengths, tags, depth and the number of values are bounded.

mod decode;
mod encode;
mod number;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;

use serde_json::Value;

use super::layout::{Form, Layouts};
use super::{Error, Route, Shape, Snapshot, Ty};

/// The archive of a JSON value as a type of the schema.
pub fn encode(snapshot: &Snapshot, ty: &Ty, value: &Value) -> Result<Vec<u8>, Error> {
    encode::encode(snapshot, ty, value)
}

/// The JSON of an archive of a type of the schema.
pub fn decode(snapshot: &Snapshot, ty: &Ty, bytes: &[u8]) -> Result<Value, Error> {
    decode::decode(snapshot, ty, bytes)
}

/// The archive of a request: one JSON value for each argument, in order. Errors name the argument.
pub fn encode_request(
    snapshot: &Snapshot,
    route: &Route,
    values: &[Value],
) -> Result<Vec<u8>, Error> {
    encode::request(snapshot, route, values)
}

/// Where in a value something is: `orders[3].price`.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root => Ok(()),
            Place::Field(Place::Root, name) => f.write_str(name),
            Place::Field(outer, name) => write!(f, "{outer}.{name}"),
            Place::Index(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

impl Place<'_> {
    fn error(&self, message: impl fmt::Display) -> Error {
        match self {
            Place::Root => Error::new(message.to_string()),
            _ => Error::new(format!("{self}: {message}")),
        }
    }
}

/// Whether a type may be written as `null`: then `Some` of it is written as `{"Some": …}`, so that nothing is lost.
fn may_be_null(layouts: &mut Layouts<'_>, ty: &Ty, depth: usize) -> Result<bool, Error> {
    if depth >= super::limits::VALUE_DEPTH_MAX {
        // A box in a newtype in a box …: such a type has no finite value.
        return Ok(false);
    }
    let archived = layouts.of(ty)?;
    Ok(match &archived.form {
        Form::Option(_) | Form::Struct(Shape::Unit, _) => true,
        Form::Tuple(parts) => parts.is_empty(),
        Form::Struct(Shape::Tuple, parts) => match parts.as_slice() {
            [one] => may_be_null(layouts, &one.ty, depth + 1)?,
            _ => false,
        },
        Form::Box(inner) => may_be_null(layouts, inner, depth + 1)?,
        _ => false,
    })
}
