//! Archive → value.

use cell_runtime::schema::{Error, Kind, Shape, Ty, TypeDef, Variant};

use super::super::names::{property, variant_property};
use super::super::schema::{
    Answer, is_byte, is_generic_u8, is_newtype, is_plain_enum, is_tuple, mutable_items,
};
use super::super::text::{Expr, Text, quoted};
use super::{At, Codecs, Job, Part, method, nothing};

impl Codecs<'_> {
    /// An expression that reads a value.
    pub(in super::super) fn read(&mut self, ty: &Ty, at: At<'_>) -> Result<Expr, Error> {
        if let Some(inner) = self.schema.alias(ty) {
            return self.read(&inner, at);
        }
        if self.is_void(ty)? {
            return self.void(ty);
        }
        let place = at.text();
        let call = |name: &str| Expr::Call(format!("reader.{name}"), vec![place.clone()]);
        Ok(match ty {
            Ty::Prim(prim) => call(method(*prim)),
            Ty::String => call("string"),
            Ty::Duration => call("duration"),
            Ty::Vec(item) if is_byte(item) => call("bytes"),
            Ty::Array(item, len) if is_byte(item) => {
                Expr::Call("reader.byteArray".to_owned(), vec![place, len.to_string()])
            }
            Ty::Array(item, len) if self.is_unrolled(item, *len) => {
                self.unrolled(item, *len, at)?
            }
            Ty::Tuple(_) => Expr::Array(self.read_parts(ty, at)?),
            Ty::Option(_) => self.option(ty, at)?,
            Ty::Result(..) => self.result(ty, at)?,
            Ty::Named(..) if is_generic_u8(ty) => call("u8"),
            _ => self.read_call(ty, at),
        })
    }

    /// An expression that reads the value of a whole archive: a call, where there is something to read.
    pub(in super::super) fn read_root(&mut self, ty: &Ty) -> Result<Expr, Error> {
        if let Some(inner) = self.schema.alias(ty) {
            return self.read_root(&inner);
        }
        let at = At("at", 0);
        match self.read(ty, at)? {
            Expr::If(..) | Expr::Object(_) | Expr::Array(_) if !self.is_void(ty)? => {
                Ok(self.read_call(ty, at))
            }
            expr => Ok(expr),
        }
    }

    fn read_call(&mut self, ty: &Ty, at: At<'_>) -> Expr {
        let name = self.function(Job::Read, ty);
        Expr::Call(name, vec!["reader".to_owned(), at.text()])
    }

    /// A value as the branch of a condition, in which another condition would be hard to read.
    fn branch(&mut self, ty: &Ty, at: At<'_>) -> Result<Expr, Error> {
        match self.read(ty, at)? {
            Expr::If(..) => Ok(self.read_call(ty, at)),
            expr => Ok(expr),
        }
    }

    fn option(&mut self, ty: &Ty, at: At<'_>) -> Result<Expr, Error> {
        let Some(Part { ty, offset }) = self.variants(ty)?.into_iter().flatten().next() else {
            return Ok(nothing());
        };
        let some = match self.schema.may_be_nothing(&ty) {
            Answer::No => self.branch(&ty, at.plus(offset))?,
            _ => Expr::Object(vec![("some".to_owned(), self.read(&ty, at.plus(offset))?)]),
        };
        let none = Expr::Text("null".to_owned());
        let condition = format!("reader.isSome({})", at.text());
        Ok(Expr::If(condition, Box::new(some), Box::new(none)))
    }

    fn result(&mut self, ty: &Ty, at: At<'_>) -> Result<Expr, Error> {
        let mut sides = Vec::new();
        for (part, name) in self
            .variants(ty)?
            .into_iter()
            .flatten()
            .zip(["value", "error"])
        {
            let value = self.read(&part.ty, at.plus(part.offset))?;
            let ok = Expr::Text((name == "value").to_string());
            sides.push(Expr::Object(vec![
                ("ok".to_owned(), ok),
                (name.to_owned(), value),
            ]));
        }
        let (Some(err), Some(ok)) = (sides.pop(), sides.pop()) else {
            return Ok(nothing());
        };
        let condition = format!("reader.isErr({})", at.text());
        Ok(Expr::If(condition, Box::new(err), Box::new(ok)))
    }

    fn unrolled(&mut self, item: &Ty, len: u64, at: At<'_>) -> Result<Expr, Error> {
        let size = self.layout(item)?.size;
        let items = (0..len as u32).map(|index| self.read(item, at.plus(index * size)));
        Ok(Expr::Array(items.collect::<Result<_, _>>()?))
    }

    fn read_parts(&mut self, ty: &Ty, at: At<'_>) -> Result<Vec<Expr>, Error> {
        let parts = self.variants(ty)?.into_iter().flatten();
        parts
            .map(|part| self.read(&part.ty, at.plus(part.offset)))
            .collect()
    }

    /// The value of a type that takes no bytes.
    fn void(&mut self, ty: &Ty) -> Result<Expr, Error> {
        if let Some(inner) = self.schema.alias(ty) {
            return self.void(&inner);
        }
        Ok(match ty {
            Ty::Array(item, len) if is_byte(item) => Expr::Text(format!("new Uint8Array({len})")),
            Ty::Array(_, 0) => Expr::Array(Vec::new()),
            Ty::Array(item, len) if is_tuple(*len) => {
                let item = self.void(item)?;
                Expr::Array((0..*len).map(|_| item.clone()).collect())
            }
            Ty::Array(item, len) => {
                let item = self.void(item)?.flat();
                Expr::Call("reader.repeat".to_owned(), vec![len.to_string(), item])
            }
            Ty::Tuple(tys) if tys.is_empty() => nothing(),
            Ty::Tuple(_) => Expr::Array(self.void_parts(ty)?),
            Ty::Named(name, _) => match self.schema.def(name) {
                // A function of its own: types that hold several of such types would be long.
                Some(def) if !def.fields.is_empty() => {
                    Expr::Call(self.function(Job::Read, ty), Vec::new())
                }
                Some(def) => structure(def, Vec::new()),
                None => nothing(),
            },
            _ => nothing(),
        })
    }

    fn void_parts(&mut self, ty: &Ty) -> Result<Vec<Expr>, Error> {
        let parts = self.variants(ty)?.into_iter().flatten();
        parts.map(|part| self.void(&part.ty)).collect()
    }

    pub(super) fn read_function(&mut self, text: &mut Text, ty: &Ty) -> Result<(), Error> {
        let name = self.function(Job::Read, ty);
        let args = match self.is_void(ty)? {
            true => Vec::new(),
            false => vec!["reader: Reader".to_owned(), "at: number".to_owned()],
        };
        let returns = format!(": {} {{", self.text(ty)?);
        text.list(&format!("export function {name}"), &args, &returns);
        text.indent();
        let at = At("at", 0);
        match ty {
            Ty::Vec(item) => self.read_items(text, item, "[]")?,
            Ty::Set(item) => match self.schema.is_key(item) {
                Answer::Yes => self.read_items(text, item, "Set")?,
                _ => self.read_items(text, item, "[]")?,
            },
            Ty::Map(key, value) => self.read_map(text, key, value)?,
            Ty::Box(inner) => {
                let archived = self.layout(inner)?;
                let enter = format!("reader.enter(at, 1, {}, {})", archived.size, archived.align);
                let value = self.read(inner, At("target", 0))?;
                match archived.size {
                    0 => text.line(&format!("{enter};")),
                    _ => text.line(&format!("const target = {enter};")),
                }
                let head = format!("const value: {} = ", self.text(inner)?);
                text.expr(&head, &value, ";");
                text.line("reader.leave();");
                text.line("return value;");
            }
            Ty::Array(item, len) => self.read_array(text, item, *len)?,
            Ty::Named(name, _) => match self.schema.def(name) {
                Some(def) if def.kind == Kind::Enum => self.read_enum(text, ty, def)?,
                Some(def) => {
                    let parts = match args.is_empty() {
                        true => self.void_parts(ty)?,
                        false => self.read_parts(ty, at)?,
                    };
                    text.expr("return ", &structure(def, parts), ";");
                }
                None => {}
            },
            _ => {
                let value = self.read(ty, at)?;
                text.expr("return ", &value, ";");
            }
        }
        text.close("}");
        Ok(())
    }

    fn read_array(&mut self, text: &mut Text, item: &Ty, len: u64) -> Result<(), Error> {
        let size = self.layout(item)?.size;
        if is_tuple(len) {
            let items = (0..len as u32).map(|index| self.read(item, At("at", index * size)));
            let items = items.collect::<Result<_, _>>()?;
            text.expr("return ", &Expr::Array(items), ";");
            return Ok(());
        }
        text.line(&format!(
            "const items: {} = [];",
            mutable_items(&self.text(item)?)
        ));
        text.open(&format!(
            "for (let index = 0; index < {len}; index += 1) {{"
        ));
        text.line(&format!("const item = at + index * {size};"));
        let value = self.read(item, At("item", 0))?;
        text.call("items.push", &[value]);
        text.close("}");
        text.line("return items;");
        Ok(())
    }

    fn read_items(&mut self, text: &mut Text, item: &Ty, container: &str) -> Result<(), Error> {
        let item_text = self.text(item)?;
        let (new, push) = match container {
            "Set" => (
                format!("const items = new Set<{item_text}>();"),
                "items.add",
            ),
            _ => (
                format!("const items: {} = [];", mutable_items(&item_text)),
                "items.push",
            ),
        };
        let value = self.read(item, At("item", 0))?;
        self.each(text, item, &new, |text| text.call(push, &[value]))
    }

    fn read_map(&mut self, text: &mut Text, key: &Ty, value: &Ty) -> Result<(), Error> {
        let entry = Ty::Tuple(vec![key.clone(), value.clone()]);
        let (key_text, value_text) = (self.text(key)?, self.text(value)?);
        let parts = self.read_parts(&entry, At("item", 0))?;
        if self.schema.is_key(key) == Answer::Yes {
            let new = format!("const items = new Map<{key_text}, {value_text}>();");
            return self.each(text, &entry, &new, |text| text.call("items.set", &parts));
        }
        let new = format!("const items: (readonly [{key_text}, {value_text}])[] = [];");
        let pair = Expr::Array(parts);
        self.each(text, &entry, &new, |text| text.call("items.push", &[pair]))
    }

    /// A loop over the items of a vector, which `item` is the place of.
    fn each(
        &mut self,
        text: &mut Text,
        item: &Ty,
        new: &str,
        body: impl FnOnce(&mut Text),
    ) -> Result<(), Error> {
        let archived = self.layout(item)?;
        let (size, align) = (archived.size, archived.align);
        let enter = format!("reader.enter(at, length, {size}, {align})");
        text.line("const length = reader.length(at);");
        match size {
            0 => text.line(&format!("{enter};")),
            _ => text.line(&format!("const start = {enter};")),
        }
        text.line(new);
        text.open("for (let index = 0; index < length; index += 1) {");
        if size > 0 {
            text.line(&format!("const item = start + index * {size};"));
        }
        body(text);
        text.close("}");
        text.line("reader.leave();");
        text.line("return items;");
        Ok(())
    }

    fn read_enum(&mut self, text: &mut Text, ty: &Ty, def: &TypeDef) -> Result<(), Error> {
        text.open("switch (reader.u8(at)) {");
        let variants = self.variants(ty)?;
        for (tag, (variant, parts)) in def.variants.iter().zip(variants).enumerate() {
            text.open(&format!("case {tag}:"));
            let value = match is_plain_enum(def) {
                true => Expr::Text(quoted(&variant.name)),
                false => {
                    let values = parts
                        .iter()
                        .map(|part| self.read(&part.ty, At("at", part.offset)));
                    choice(variant, values.collect::<Result<_, _>>()?)
                }
            };
            text.expr("return ", &value, ";");
            text.dedent();
        }
        text.open("default:");
        text.line(&format!(
            "return reader.noVariant(at, {});",
            quoted(&def.name)
        ));
        text.dedent();
        text.close("}");
        Ok(())
    }
}

/// A struct of these parts.
fn structure(def: &TypeDef, parts: Vec<Expr>) -> Expr {
    match def.shape {
        Shape::Unit => nothing(),
        Shape::Tuple if is_newtype(def) => Expr::Object(
            parts
                .into_iter()
                .map(|part| ("value".to_owned(), part))
                .collect(),
        ),
        Shape::Tuple => Expr::Array(parts),
        Shape::Named => {
            let names = def.fields.iter().map(|field| property(&field.name));
            Expr::Object(names.zip(parts).collect())
        }
    }
}

/// A variant of these parts.
fn choice(variant: &Variant, mut parts: Vec<Expr>) -> Expr {
    let mut members = vec![("kind".to_owned(), Expr::Text(quoted(&variant.name)))];
    match (variant.shape, parts.len()) {
        (_, 0) | (Shape::Unit, _) => {}
        (Shape::Tuple, 1) => members.extend(parts.pop().map(|part| ("value".to_owned(), part))),
        (Shape::Tuple, _) => members.push(("value".to_owned(), Expr::Array(parts))),
        (Shape::Named, _) => {
            let names = variant
                .fields
                .iter()
                .map(|field| variant_property(&field.name));
            members.extend(names.zip(parts));
        }
    }
    Expr::Object(members)
}
