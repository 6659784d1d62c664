//! Archive → JSON. The bytes may come from anybody.

use serde_json::{Map, Value};

use super::{Place, may_be_null, number};
use crate::schema::layout::{Archived, Choice, Form, Layouts, Part};
use crate::schema::limits::{ARCHIVE_BYTES_MAX, VALUE_DEPTH_MAX, VALUES_MAX};
use crate::schema::{Error, Prim, Shape, Snapshot, Ty};

pub(super) fn decode(snapshot: &Snapshot, ty: &Ty, bytes: &[u8]) -> Result<Value, Error> {
    if bytes.len() > ARCHIVE_BYTES_MAX {
        return Err(Error::new(format!(
            "the archive has {} bytes, more than {ARCHIVE_BYTES_MAX}",
            bytes.len()
        )));
    }
    let mut decoder = Decoder {
        layouts: Layouts::new(snapshot),
        bytes,
        depth: 0,
        values: 0,
    };
    let archived = decoder.layouts.of(ty)?;
    let at = bytes
        .len()
        .checked_sub(archived.size as usize)
        .filter(|at| at % archived.align as usize == 0)
        .ok_or_else(|| Error::new(format!("{} bytes are no archive of `{ty}`", bytes.len())))?;
    decoder.value(Place::Root, ty, at)
}

struct Decoder<'a> {
    layouts: Layouts<'a>,
    bytes: &'a [u8],
    depth: usize,
    values: usize,
}

impl Decoder<'_> {
    fn value(&mut self, place: Place<'_>, ty: &Ty, at: usize) -> Result<Value, Error> {
        self.depth += 1;
        self.values += 1;
        if self.depth > VALUE_DEPTH_MAX {
            return Err(place.error(format_args!("nests deeper than {VALUE_DEPTH_MAX}")));
        }
        if self.values > VALUES_MAX {
            return Err(Error::new(format!(
                "the archive holds more than {VALUES_MAX} values"
            )));
        }
        let value = self.form(place, ty, at);
        self.depth -= 1;
        value
    }

    fn form(&mut self, place: Place<'_>, ty: &Ty, at: usize) -> Result<Value, Error> {
        let archived = self.layouts.of(ty)?;
        match &archived.form {
            Form::Prim(prim) => self.prim(place, *prim, at),
            Form::String => self.string(place, at),
            Form::Duration => {
                let secs = self.prim(place, Prim::U64, at)?;
                let nanos = self.word(at + 8)?;
                if nanos >= 1_000_000_000 {
                    return Err(place.error("a second has fewer nanoseconds"));
                }
                Ok(serde_json::json!({ "secs": secs, "nanos": nanos }))
            }
            Form::Vec(item) => self.vec(place, item, at),
            Form::Map(key, value, entry) => self.map(place, key, value, entry, at),
            Form::Box(inner) => {
                let archived = self.layouts.of(inner)?;
                let target = self.target(place, at, &archived, 1)?;
                self.value(place, inner, target)
            }
            Form::Array(item, len) => {
                let size = self.layouts.of(item)?.size;
                self.items(place, item, at, size, *len)
            }
            Form::Struct(shape, parts) => self.fields(place, *shape, parts, at),
            Form::Tuple(parts) if parts.is_empty() => Ok(Value::Null),
            Form::Tuple(parts) => self.elements(place, parts, at),
            Form::Enum(choices) => self.choice(place, ty, choices, at),
            Form::Option(part) => match self.byte(at)? {
                0 => Ok(Value::Null),
                1 => {
                    let value = self.value(place, &part.ty, at + part.offset as usize)?;
                    match may_be_null(&mut self.layouts, &part.ty, 0)? {
                        true => Ok(tagged("Some", value)),
                        false => Ok(value),
                    }
                }
                tag => Err(wrong_tag(place, ty, tag)),
            },
            Form::Result(ok, err) => {
                let (name, part) = match self.byte(at)? {
                    0 => ("Ok", ok),
                    1 => ("Err", err),
                    tag => return Err(wrong_tag(place, ty, tag)),
                };
                let place = Place::Field(&place, name);
                let value = self.value(place, &part.ty, at + part.offset as usize)?;
                Ok(tagged(name, value))
            }
        }
    }

    fn prim(&mut self, place: Place<'_>, prim: Prim, at: usize) -> Result<Value, Error> {
        let mut bits = [0; 16];
        let size = prim.size() as usize;
        bits[..size].copy_from_slice(self.slice(at, size)?);
        number::json(prim, u128::from_le_bytes(bits))
            .ok_or_else(|| place.error(format_args!("the archive holds no {}", prim.name())))
    }

    fn string(&mut self, place: Place<'_>, at: usize) -> Result<Value, Error> {
        let inline = self.slice(at, 8)?;
        let bytes = if inline[0] & 0xc0 == 0x80 {
            let len = self.word(at)?;
            let len = (len & 0x3f) | ((len & !0xff) >> 2);
            if len <= 8 {
                return Err(place.error("a short string lies outside of its place"));
            }
            let offset = self.word(at + 4)?.cast_signed();
            let start = self.start(place, at, offset, 1)?;
            self.slice(start, len as usize)?
        } else {
            let len = inline.iter().position(|byte| *byte == 0xff);
            &inline[..len.unwrap_or(8)]
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| place.error("the archive holds a string that is not UTF-8"))?;
        Ok(Value::from(text))
    }

    fn vec(&mut self, place: Place<'_>, item: &Ty, at: usize) -> Result<Value, Error> {
        let archived = self.layouts.of(item)?;
        let len = self.word(at + 4)?;
        let start = self.target(place, at, &archived, u64::from(len))?;
        self.items(place, item, start, archived.size, u64::from(len))
    }

    fn items(
        &mut self,
        place: Place<'_>,
        item: &Ty,
        start: usize,
        size: u32,
        len: u64,
    ) -> Result<Value, Error> {
        // Room is made as values arrive: a length alone, of items without bytes, must not fill the memory.
        let mut items = Vec::new();
        for index in 0..len as usize {
            let at = start + index * size as usize;
            items.push(self.value(Place::Index(&place, index), item, at)?);
        }
        Ok(Value::Array(items))
    }

    fn map(
        &mut self,
        place: Place<'_>,
        key: &Ty,
        value: &Ty,
        entry: &Ty,
        at: usize,
    ) -> Result<Value, Error> {
        if *key != Ty::String {
            return self.vec(place, entry, at);
        }
        let archived = self.layouts.of(entry)?;
        let Form::Tuple(parts) = &archived.form else {
            return Err(place.error("an entry is no pair"));
        };
        let [key_part, value_part] = parts.as_slice() else {
            return Err(place.error("an entry is no pair"));
        };
        let len = self.word(at + 4)?;
        let start = self.target(place, at, &archived, u64::from(len))?;
        let mut map = Map::new();
        for index in 0..len as usize {
            let at = start + index * archived.size as usize;
            let place = Place::Index(&place, index);
            let Value::String(key) = self.string(place, at + key_part.offset as usize)? else {
                return Err(place.error("a key is no string"));
            };
            let item = self.value(place, value, at + value_part.offset as usize)?;
            map.insert(key, item);
        }
        Ok(Value::Object(map))
    }

    fn choice(
        &mut self,
        place: Place<'_>,
        ty: &Ty,
        choices: &[Choice],
        at: usize,
    ) -> Result<Value, Error> {
        let tag = self.byte(at)?;
        let choice = choices
            .get(usize::from(tag))
            .ok_or_else(|| wrong_tag(place, ty, tag))?;
        if choice.shape == Shape::Unit {
            return Ok(Value::from(choice.name.as_str()));
        }
        let place = Place::Field(&place, &choice.name);
        let value = self.fields(place, choice.shape, &choice.parts, at)?;
        Ok(tagged(&choice.name, value))
    }

    fn fields(
        &mut self,
        place: Place<'_>,
        shape: Shape,
        parts: &[Part],
        at: usize,
    ) -> Result<Value, Error> {
        match (shape, parts) {
            (Shape::Unit, _) => Ok(Value::Null),
            (Shape::Tuple, [one]) => self.value(place, &one.ty, at + one.offset as usize),
            (Shape::Tuple, _) => self.elements(place, parts, at),
            (Shape::Named, _) => {
                let mut map = Map::new();
                for part in parts {
                    let place = Place::Field(&place, &part.name);
                    let value = self.value(place, &part.ty, at + part.offset as usize)?;
                    map.insert(part.name.clone(), value);
                }
                Ok(Value::Object(map))
            }
        }
    }

    fn elements(&mut self, place: Place<'_>, parts: &[Part], at: usize) -> Result<Value, Error> {
        let mut items = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let place = Place::Index(&place, index);
            items.push(self.value(place, &part.ty, at + part.offset as usize)?);
        }
        Ok(Value::Array(items))
    }

    /// Where `len` values begin that the offset at `at` points to: inside of the archive, aligned.
    fn target(
        &self,
        place: Place<'_>,
        at: usize,
        archived: &Archived,
        len: u64,
    ) -> Result<usize, Error> {
        let offset = self.word(at)?.cast_signed();
        let start = self.start(place, at, offset, archived.align)?;
        let size = u64::from(archived.size).saturating_mul(len);
        match size <= (self.bytes.len() - start) as u64 {
            true => Ok(start),
            false => Err(outside(place)),
        }
    }

    fn start(&self, place: Place<'_>, at: usize, offset: i32, align: u32) -> Result<usize, Error> {
        usize::try_from(at as i64 + i64::from(offset))
            .ok()
            .filter(|start| *start <= self.bytes.len() && start % align as usize == 0)
            .ok_or_else(|| outside(place))
    }

    fn slice(&self, at: usize, len: usize) -> Result<&[u8], Error> {
        at.checked_add(len)
            .and_then(|end| self.bytes.get(at..end))
            .ok_or_else(|| outside(Place::Root))
    }

    fn byte(&self, at: usize) -> Result<u8, Error> {
        Ok(self.slice(at, 1)?[0])
    }

    fn word(&self, at: usize) -> Result<u32, Error> {
        let mut word = [0; 4];
        word.copy_from_slice(self.slice(at, 4)?);
        Ok(u32::from_le_bytes(word))
    }
}

fn tagged(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn outside(place: Place<'_>) -> Error {
    place.error("the archive points outside of itself")
}

fn wrong_tag(place: Place<'_>, ty: &Ty, tag: u8) -> Error {
    place.error(format_args!(
        "the archive holds variant {tag} of {ty}, which there is not"
    ))
}
