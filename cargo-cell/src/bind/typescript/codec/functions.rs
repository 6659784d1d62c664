//! The functions that write a type with its arguments filled in.

use cell_runtime::schema::{Error, Kind, Shape, Ty, TypeDef, Variant};

use super::super::names::{property, variant_property};
use super::super::schema::{is_newtype, is_plain_enum};
use super::super::text::{Text, quoted};
use super::items::for_each;
use super::{At, Codecs, Job, Part, Value};

impl Codecs<'_> {
    pub(super) fn add_function(&mut self, text: &mut Text, ty: &Ty) -> Result<(), Error> {
        let name = self.function(Job::Add, ty);
        let mut args = vec!["writer: Writer".to_owned()];
        if self.reads_value(Job::Add, ty)? {
            args.push(format!("value: {}", self.text(ty)?));
        }
        if !matches!(ty, Ty::Named(..)) {
            args.push("place: string".to_owned());
        }
        text.list(&format!("export function {name}"), &args, ": void {");
        text.indent();
        let value = Value {
            code: "value".to_owned(),
            place: "place".to_owned(),
        };
        match ty {
            Ty::Vec(item) => self.add_items(text, item, "value", "value.length")?,
            Ty::Set(item) => self.add_set(text, item)?,
            Ty::Map(key, of) => self.add_map(text, key, of)?,
            Ty::Box(inner) => {
                let archived = self.layout(inner)?;
                text.line("const mark = writer.mark(place);");
                self.add(text, inner, &value)?;
                text.line(&format!(
                    "const start = writer.begin(mark, 1, {}, {});",
                    archived.size, archived.align
                ));
                self.put(text, inner, At("start", 0), &value)?;
                text.line("writer.endBox(mark, start);");
            }
            Ty::Array(item, len) => {
                text.line(&format!("writer.fits(value, {len}, place);"));
                let reads = self.reads_value(Job::Add, item)?;
                text.open(&for_each(&[("item", reads)], "value", &len.to_string()));
                self.add(
                    text,
                    item,
                    &Value {
                        code: "item".to_owned(),
                        ..value
                    },
                )?;
                text.close("}");
            }
            Ty::Named(name, _) => match self.schema.def(name) {
                Some(def) if def.kind == Kind::Enum => self.add_enum(text, ty, def)?,
                Some(def) => {
                    for (part, value) in self.fields(ty, def)? {
                        self.add(text, &part.ty, &value)?;
                    }
                }
                None => {}
            },
            _ => self.add(text, ty, &value)?,
        }
        text.close("}");
        Ok(())
    }

    pub(super) fn put_function(&mut self, text: &mut Text, ty: &Ty) -> Result<(), Error> {
        let name = self.function(Job::Put, ty);
        let mut args = vec!["writer: Writer".to_owned(), "at: number".to_owned()];
        if self.reads_value(Job::Put, ty)? {
            args.push(format!("value: {}", self.text(ty)?));
        }
        if !matches!(ty, Ty::Named(..)) {
            args.push("place: string".to_owned());
        }
        text.list(&format!("export function {name}"), &args, ": void {");
        text.indent();
        match ty {
            Ty::Array(item, len) => {
                let size = self.layout(item)?.size;
                text.line(&format!("writer.fits(value, {len}, place);"));
                text.line("let to = at;");
                let reads = self.reads_value(Job::Put, item)?;
                text.open(&for_each(&[("item", reads)], "value", &len.to_string()));
                let value = Value {
                    code: "item".to_owned(),
                    place: "place".to_owned(),
                };
                self.put(text, item, At("to", 0), &value)?;
                text.line(&format!("to += {size};"));
                text.close("}");
            }
            Ty::Named(name, _) => match self.schema.def(name) {
                Some(def) if def.kind == Kind::Enum => self.put_enum(text, ty, def)?,
                Some(def) => {
                    for (part, value) in self.fields(ty, def)? {
                        self.put(text, &part.ty, At("at", part.offset), &value)?;
                    }
                }
                None => {}
            },
            _ => {}
        }
        text.close("}");
        Ok(())
    }

    /// The fields of a struct.
    fn fields(&mut self, ty: &Ty, def: &TypeDef) -> Result<Vec<(Part, Value)>, Error> {
        let parts = self.variants(ty)?.into_iter().flatten();
        let fields = parts.zip(&def.fields);
        Ok(fields
            .map(|(part, field)| {
                let code = match def.shape {
                    Shape::Tuple if is_newtype(def) => "value.value".to_owned(),
                    Shape::Tuple => format!("value[{}]", field.name),
                    Shape::Named | Shape::Unit => format!("value.{}", property(&field.name)),
                };
                let place = quoted(&format!("{}.{}", def.name, field.name));
                (part, Value { code, place })
            })
            .collect())
    }

    fn add_enum(&mut self, text: &mut Text, ty: &Ty, def: &TypeDef) -> Result<(), Error> {
        let variants = self.variants(ty)?;
        if let [variant] = def.variants.as_slice() {
            let parts = variants.into_iter().flatten().collect();
            for (part, value) in variant_fields(def, variant, parts) {
                self.add(text, &part.ty, &value)?;
            }
            return Ok(());
        }
        text.open("switch (value.kind) {");
        for (variant, parts) in def.variants.iter().zip(variants) {
            let mut body = text.nested();
            body.indent();
            for (part, value) in variant_fields(def, variant, parts) {
                self.add(&mut body, &part.ty, &value)?;
            }
            if !body.is_empty() {
                body.line("break;");
                text.line(&format!("case {}:", quoted(&variant.name)));
                text.append(&body);
            }
        }
        text.close("}");
        Ok(())
    }

    fn put_enum(&mut self, text: &mut Text, ty: &Ty, def: &TypeDef) -> Result<(), Error> {
        let variants = self.variants(ty)?;
        if let [variant] = def.variants.as_slice() {
            text.line("writer.tag(at, 0);");
            let parts = variants.into_iter().flatten().collect();
            for (part, value) in variant_fields(def, variant, parts) {
                self.put(text, &part.ty, At("at", part.offset), &value)?;
            }
            return Ok(());
        }
        text.open(match is_plain_enum(def) {
            true => "switch (value) {",
            false => "switch (value.kind) {",
        });
        for (tag, (variant, parts)) in def.variants.iter().zip(variants).enumerate() {
            text.open(&format!("case {}:", quoted(&variant.name)));
            text.line(&format!("writer.tag(at, {tag});"));
            for (part, value) in variant_fields(def, variant, parts) {
                self.put(text, &part.ty, At("at", part.offset), &value)?;
            }
            text.line("break;");
            text.dedent();
        }
        text.open("default:");
        text.line(&format!("writer.noVariant(value, {});", quoted(&def.name)));
        text.dedent();
        text.close("}");
        Ok(())
    }
}

/// The fields of a variant.
fn variant_fields(def: &TypeDef, variant: &Variant, parts: Vec<Part>) -> Vec<(Part, Value)> {
    let count = parts.len();
    let fields = parts.into_iter().zip(&variant.fields);
    fields
        .map(|(part, field)| {
            let code = match variant.shape {
                Shape::Tuple if count == 1 => "value.value".to_owned(),
                Shape::Tuple => format!("value.value[{}]", field.name),
                Shape::Named | Shape::Unit => format!("value.{}", variant_property(&field.name)),
            };
            let place = quoted(&format!("{}::{}.{}", def.name, variant.name, field.name));
            (part, Value { code, place })
        })
        .collect()
}
