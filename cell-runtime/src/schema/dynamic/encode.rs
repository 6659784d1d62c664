//! JSON → archive.

use serde_json::{Map, Value};

use super::number::{self, shown};
use super::writer::{Pending, Writer};
use super::{Place, may_be_null};
use crate::schema::layout::{Choice, Form, Layouts, Part};
use crate::schema::limits::{VALUE_DEPTH_MAX, VALUES_MAX};
use crate::schema::{Error, Prim, Route, Shape, Snapshot, Ty, suggest};

pub(super) fn encode(snapshot: &Snapshot, ty: &Ty, value: &Value) -> Result<Vec<u8>, Error> {
    let mut encoder = Encoder::new(snapshot);
    let root = encoder.value(Place::Root, ty, value)?;
    encoder.finish(ty, &root)
}

pub(super) fn request(
    snapshot: &Snapshot,
    route: &Route,
    values: &[Value],
) -> Result<Vec<u8>, Error> {
    if values.len() != route.args.len() {
        let args: Vec<String> = route
            .args
            .iter()
            .map(|arg| format!("{}: {}", arg.name, arg.ty))
            .collect();
        return Err(Error::new(format!(
            "`{}` takes {} arguments, and {} are given",
            route.name,
            route.args.len(),
            values.len()
        ))
        .hint(format!("it is {}({})", route.name, args.join(", "))));
    }
    let mut encoder = Encoder::new(snapshot);
    let archived = encoder.layouts.of(&route.req)?;
    let Form::Tuple(parts) = &archived.form else {
        return Err(Error::new(format!(
            "the request of `{}` is no tuple",
            route.name
        )));
    };
    let mut pending = Vec::with_capacity(parts.len());
    for ((part, arg), value) in parts.iter().zip(&route.args).zip(values) {
        let place = Place::Field(&Place::Root, &arg.name);
        pending.push((part.offset, encoder.value(place, &part.ty, value)?));
    }
    encoder.finish(&route.req, &Pending::Parts(pending))
}

struct Encoder<'a> {
    layouts: Layouts<'a>,
    writer: Writer,
    depth: usize,
    values: usize,
}

impl<'a> Encoder<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Encoder {
            layouts: Layouts::new(snapshot),
            writer: Writer::default(),
            depth: 0,
            values: 0,
        }
    }

    fn finish(mut self, ty: &Ty, root: &Pending) -> Result<Vec<u8>, Error> {
        let archived = self.layouts.of(ty)?;
        self.writer.align(archived.align);
        self.writer.place(archived.size, root)?;
        Ok(self.writer.finish())
    }

    /// Writes what a value points to; the value itself waits for its place.
    fn value(&mut self, place: Place<'_>, ty: &Ty, value: &Value) -> Result<Pending, Error> {
        self.depth += 1;
        self.values += 1;
        if self.depth > VALUE_DEPTH_MAX {
            return Err(place.error(format_args!("nests deeper than {VALUE_DEPTH_MAX}")));
        }
        if self.values > VALUES_MAX {
            return Err(Error::new(format!("holds more than {VALUES_MAX} values")));
        }
        let pending = self.form(place, ty, value);
        self.depth -= 1;
        pending
    }

    fn form(&mut self, place: Place<'_>, ty: &Ty, value: &Value) -> Result<Pending, Error> {
        let archived = self.layouts.of(ty)?;
        let found = || place.error(format_args!("expected {ty}, found {}", shown(value)));
        match &archived.form {
            Form::Prim(prim) => {
                let bits = number::bits(*prim, value).map_err(|wrong| place.error(wrong))?;
                Ok(Pending::prim(*prim, bits))
            }
            Form::String => self.string(value.as_str().ok_or_else(found)?),
            Form::Duration => self.duration(place, value),
            Form::Vec(item) => {
                let items = value.as_array().ok_or_else(found)?;
                self.vec(place, item, items)
            }
            Form::Map(key, of, entry) => match value {
                Value::Object(map) if *key == Ty::String => self.map(place, of, entry, map),
                Value::Array(pairs) => self.vec(place, entry, pairs),
                _ => Err(found()),
            },
            Form::Box(inner) => {
                let pending = self.value(place, inner, value)?;
                let inner = self.layouts.of(inner)?;
                self.writer.align(inner.align);
                Ok(Pending::Box(self.writer.place(inner.size, &pending)?))
            }
            Form::Array(item, len) => {
                let items = value.as_array().ok_or_else(found)?;
                self.array(place, item, *len, items)
            }
            Form::Struct(shape, parts) => {
                let parts = self.fields(place, ty, *shape, parts, value)?;
                Ok(Pending::Parts(parts))
            }
            Form::Tuple(parts) => {
                let shape = if parts.is_empty() {
                    Shape::Unit
                } else {
                    Shape::Tuple
                };
                let parts = self.elements(place, ty, shape, parts, value)?;
                Ok(Pending::Parts(parts))
            }
            Form::Enum(choices) => self.choice(place, ty, choices, value),
            Form::Option(part) => self.option(place, part, value),
            Form::Result(ok, err) => match single(value) {
                Some(("Ok", inner)) => self.tagged(Place::Field(&place, "Ok"), 0, ok, inner),
                Some(("Err", inner)) => self.tagged(Place::Field(&place, "Err"), 1, err, inner),
                _ => Err(found().hint("write {\"Ok\": …} or {\"Err\": …}")),
            },
        }
    }

    fn string(&mut self, text: &str) -> Result<Pending, Error> {
        if text.len() > 8 {
            let at = self.writer.append(text.as_bytes())?;
            return Ok(Pending::Long(at, text.len()));
        }
        let mut inline = [0xff; 8];
        inline[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Pending::Inline(inline))
    }

    fn duration(&mut self, place: Place<'_>, value: &Value) -> Result<Pending, Error> {
        let map = value.as_object().ok_or_else(|| {
            place
                .error(format_args!("expected Duration, found {}", shown(value)))
                .hint("write {\"secs\": …, \"nanos\": …}")
        })?;
        let parts = [("secs", Prim::U64, 0), ("nanos", Prim::U32, 8)];
        only(place, "Duration", map, parts.iter().map(|(name, ..)| *name))?;
        let mut pending = Vec::new();
        for (name, prim, offset) in parts {
            let place = Place::Field(&place, name);
            let value = map.get(name).ok_or_else(|| missing(place, prim.name()))?;
            let bits = number::bits(prim, value).map_err(|wrong| place.error(wrong))?;
            if name == "nanos" && bits >= 1_000_000_000 {
                return Err(place.error("a second has fewer nanoseconds"));
            }
            pending.push((offset, Pending::prim(prim, bits)));
        }
        Ok(Pending::Parts(pending))
    }

    fn vec(&mut self, place: Place<'_>, item: &Ty, items: &[Value]) -> Result<Pending, Error> {
        let mut pending = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            pending.push(self.value(Place::Index(&place, index), item, value)?);
        }
        self.slice(item, &pending)
    }

    fn map(
        &mut self,
        place: Place<'_>,
        of: &Ty,
        entry: &Ty,
        map: &Map<String, Value>,
    ) -> Result<Pending, Error> {
        let archived = self.layouts.of(entry)?;
        let Form::Tuple(parts) = &archived.form else {
            return Err(place.error("an entry is no pair"));
        };
        let [key_part, value_part] = parts.as_slice() else {
            return Err(place.error("an entry is no pair"));
        };
        let mut pending = Vec::with_capacity(map.len());
        for (key, value) in map {
            let key_pending = self.string(key)?;
            let value = self.value(Place::Field(&place, key), of, value)?;
            pending.push(Pending::Parts(vec![
                (key_part.offset, key_pending),
                (value_part.offset, value),
            ]));
        }
        self.slice(entry, &pending)
    }

    fn slice(&mut self, item: &Ty, pending: &[Pending]) -> Result<Pending, Error> {
        let archived = self.layouts.of(item)?;
        let at = self.writer.align(archived.align);
        for pending in pending {
            self.writer.place(archived.size, pending)?;
        }
        Ok(Pending::Vec(at, pending.len()))
    }

    fn array(
        &mut self,
        place: Place<'_>,
        item: &Ty,
        len: u64,
        items: &[Value],
    ) -> Result<Pending, Error> {
        if items.len() as u64 != len {
            return Err(place.error(format_args!(
                "expected {len} elements, found {}",
                items.len()
            )));
        }
        let size = self.layouts.of(item)?.size;
        let mut parts = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            let pending = self.value(Place::Index(&place, index), item, value)?;
            // The array's size is bounded, and so is this.
            parts.push((index as u32 * size, pending));
        }
        Ok(Pending::Parts(parts))
    }

    fn option(&mut self, place: Place<'_>, part: &Part, value: &Value) -> Result<Pending, Error> {
        if value.is_null() {
            return Ok(Pending::Tagged(0, Vec::new()));
        }
        if may_be_null(&mut self.layouts, &part.ty, 0)? {
            return match single(value) {
                Some(("Some", inner)) => self.tagged(place, 1, part, inner),
                _ => Err(place
                    .error(format_args!(
                        "expected Option<{}>, found {}",
                        part.ty,
                        shown(value)
                    ))
                    .hint("write null, or {\"Some\": …}")),
            };
        }
        self.tagged(place, 1, part, value)
    }

    fn tagged(
        &mut self,
        place: Place<'_>,
        tag: u8,
        part: &Part,
        value: &Value,
    ) -> Result<Pending, Error> {
        let pending = self.value(place, &part.ty, value)?;
        Ok(Pending::Tagged(tag, vec![(part.offset, pending)]))
    }

    fn choice(
        &mut self,
        place: Place<'_>,
        ty: &Ty,
        choices: &[Choice],
        value: &Value,
    ) -> Result<Pending, Error> {
        let null = Value::Null;
        let (name, inner) = match value {
            Value::String(name) => (name.as_str(), &null),
            _ => single(value).ok_or_else(|| {
                place
                    .error(format_args!("expected {ty}, found {}", shown(value)))
                    .hint("write \"Variant\", or {\"Variant\": …}")
            })?,
        };
        let Some(tag) = choices.iter().position(|choice| choice.name == name) else {
            let names = choices.iter().map(|choice| choice.name.as_str());
            return Err(place
                .error(format_args!(
                    "{ty} has no variant `{}`",
                    name.escape_debug()
                ))
                .hint(suggest::among(
                    name,
                    names,
                    "its variants are",
                    "it has none",
                )));
        };
        let choice = &choices[tag];
        let place = Place::Field(&place, name);
        let parts = self.fields(place, ty, choice.shape, &choice.parts, inner)?;
        // At most 256 variants pass the schema's checks.
        Ok(Pending::Tagged(tag as u8, parts))
    }

    fn fields(
        &mut self,
        place: Place<'_>,
        ty: &Ty,
        shape: Shape,
        parts: &[Part],
        value: &Value,
    ) -> Result<Vec<(u32, Pending)>, Error> {
        match (shape, parts) {
            (Shape::Named, _) => self.named(place, ty, parts, value),
            (Shape::Tuple, [one]) => {
                let pending = self.value(place, &one.ty, value)?;
                Ok(vec![(one.offset, pending)])
            }
            _ => self.elements(place, ty, shape, parts, value),
        }
    }

    fn named(
        &mut self,
        place: Place<'_>,
        ty: &Ty,
        parts: &[Part],
        value: &Value,
    ) -> Result<Vec<(u32, Pending)>, Error> {
        let map = value
            .as_object()
            .ok_or_else(|| place.error(format_args!("expected {ty}, found {}", shown(value))))?;
        only(
            place,
            &ty.to_string(),
            map,
            parts.iter().map(|part| part.name.as_str()),
        )?;
        let mut pending = Vec::with_capacity(parts.len());
        for part in parts {
            let place = Place::Field(&place, &part.name);
            let value = match map.get(&part.name) {
                Some(value) => value,
                // Nothing is a value of an option: it may be left out.
                None if matches!(part.ty, Ty::Option(_)) => &Value::Null,
                None => return Err(missing(place, &part.ty.to_string())),
            };
            pending.push((part.offset, self.value(place, &part.ty, value)?));
        }
        Ok(pending)
    }

    fn elements(
        &mut self,
        place: Place<'_>,
        ty: &Ty,
        shape: Shape,
        parts: &[Part],
        value: &Value,
    ) -> Result<Vec<(u32, Pending)>, Error> {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            Value::Null if shape == Shape::Unit => &[],
            _ => {
                let found = shown(value);
                return Err(place.error(format_args!("expected {ty}, found {found}")));
            }
        };
        if items.len() != parts.len() {
            let (wanted, found) = (parts.len(), items.len());
            return Err(place.error(format_args!("expected {wanted} elements, found {found}")));
        }
        let mut pending = Vec::with_capacity(parts.len());
        for (index, (part, value)) in parts.iter().zip(items).enumerate() {
            let place = Place::Index(&place, index);
            pending.push((part.offset, self.value(place, &part.ty, value)?));
        }
        Ok(pending)
    }
}

/// The only entry of an object.
fn single(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.iter()
        .next()
        .map(|(name, value)| (name.as_str(), value))
}

/// Refuses fields that a type does not have.
fn only<'a>(
    place: Place<'_>,
    ty: &str,
    map: &Map<String, Value>,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Error> {
    for field in map.keys() {
        if !names.clone().any(|name| name == field) {
            return Err(place
                .error(format_args!("{ty} has no field `{}`", field.escape_debug()))
                .hint(suggest::among(
                    field,
                    names,
                    "its fields are",
                    "it has none",
                )));
        }
    }
    Ok(())
}

fn missing(place: Place<'_>, ty: &str) -> Error {
    place.error(format_args!("is missing: expected {ty}"))
}
