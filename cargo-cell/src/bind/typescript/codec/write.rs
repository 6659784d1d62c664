//! Value → archive.

use cell_runtime::schema::{Error, Kind, Prim, Shape, Ty, TypeDef, Variant};

use super::super::names::{property, variant_property};
use super::super::schema::{Answer, is_byte, is_generic_u8, is_newtype, is_plain_enum};
use super::super::text::{Text, quoted};
use super::{At, Codecs, Job, Part, method};

/// A value that is written: an expression, and one that says where in the whole it stands.
#[derive(Debug, Clone)]
pub(in super::super) struct Value {
    pub(in super::super) code: String,
    pub(in super::super) place: String,
}

impl Value {
    fn part(&self, code: &str) -> Self {
        Value {
            code: format!("{}{code}", self.code),
            place: self.place.clone(),
        }
    }
}

impl Codecs<'_> {
    /// Statements that write what a value points to.
    pub(in super::super) fn add(
        &mut self,
        text: &mut Text,
        ty: &Ty,
        value: &Value,
    ) -> Result<(), Error> {
        if let Some(inner) = self.schema.alias(ty) {
            return self.add(text, &inner, value);
        }
        if !self.is_deep(ty)? {
            return Ok(());
        }
        let Value { code, place } = value;
        let args = [code.clone(), place.clone()];
        match ty {
            Ty::String => text.list("writer.addString", &args, ";"),
            Ty::Vec(item) if is_byte(item) => text.list("writer.addBytes", &args, ";"),
            Ty::Array(item, len) if self.is_unrolled(item, *len) => {
                for index in 0..*len {
                    self.add(text, item, &value.part(&format!("[{index}]")))?;
                }
            }
            Ty::Tuple(_) => {
                for (index, part) in self.variants(ty)?.into_iter().flatten().enumerate() {
                    self.add(text, &part.ty, &value.part(&format!("[{index}]")))?;
                }
            }
            Ty::Option(inner) => {
                let inner_value = self.some(inner, value);
                text.open(&format!("if ({code} !== null) {{"));
                self.add(text, inner, &inner_value)?;
                text.close("}");
            }
            Ty::Result(ok, err) => {
                let mut sides = [text.nested(), text.nested()];
                for (side, (ty, name)) in sides.iter_mut().zip([(ok, ".value"), (err, ".error")]) {
                    side.indent();
                    self.add(side, ty, &value.part(name))?;
                }
                either(text, code, &sides);
            }
            _ => {
                let mut args = vec!["writer".to_owned()];
                if self.reads_value(Job::Add, ty)? {
                    args.push(code.clone());
                }
                if !matches!(ty, Ty::Named(..)) {
                    args.push(place.clone());
                }
                text.list(&self.function(Job::Add, ty), &args, ";");
            }
        }
        Ok(())
    }

    /// Statements that write a value in its place, which is filled with zeros.
    pub(in super::super) fn put(
        &mut self,
        text: &mut Text,
        ty: &Ty,
        at: At<'_>,
        value: &Value,
    ) -> Result<(), Error> {
        if let Some(inner) = self.schema.alias(ty) {
            return self.put(text, &inner, at, value);
        }
        if self.is_void(ty)? {
            return Ok(());
        }
        let Value { code, place } = value;
        let here = at.text();
        let plain = [here.clone(), code.clone(), place.clone()];
        match ty {
            Ty::Prim(prim) => text.list(&format!("writer.{}", method(*prim)), &plain, ";"),
            Ty::Named(..) if is_generic_u8(ty) => text.list("writer.u8", &plain, ";"),
            Ty::Duration => text.list("writer.duration", &plain, ";"),
            Ty::String => text.list("writer.string", &plain[..2], ";"),
            Ty::Vec(_) | Ty::Set(_) | Ty::Map(..) => text.line(&format!("writer.vec({here});")),
            Ty::Box(_) => text.line(&format!("writer.box({here});")),
            Ty::Array(item, len) if is_byte(item) => {
                let args = [here, code.clone(), len.to_string(), place.clone()];
                text.list("writer.byteArray", &args, ";");
            }
            Ty::Array(item, len) if self.is_unrolled(item, *len) => {
                let args = [code.clone(), len.to_string(), place.clone()];
                text.list("writer.fits", &args, ";");
                let size = self.layout(item)?.size;
                for index in 0..*len as u32 {
                    self.put(
                        text,
                        item,
                        at.plus(index * size),
                        &value.part(&format!("[{index}]")),
                    )?;
                }
            }
            Ty::Array(..) => {
                let name = self.function(Job::Put, ty);
                text.list(
                    &name,
                    &["writer".to_owned(), here, code.clone(), place.clone()],
                    ";",
                );
            }
            Ty::Tuple(_) => {
                for (index, part) in self.variants(ty)?.into_iter().flatten().enumerate() {
                    let value = value.part(&format!("[{index}]"));
                    self.put(text, &part.ty, at.plus(part.offset), &value)?;
                }
            }
            Ty::Option(inner) => {
                let offset = self
                    .variants(ty)?
                    .into_iter()
                    .flatten()
                    .next()
                    .map_or(0, |part| part.offset);
                let inner_value = self.some(inner, value);
                text.open(&format!("if ({code} !== null) {{"));
                text.line(&format!("writer.tag({here}, 1);"));
                self.put(text, inner, at.plus(offset), &inner_value)?;
                text.close("}");
            }
            Ty::Result(..) => {
                let mut sides = [text.nested(), text.nested()];
                let parts = self.variants(ty)?.into_iter().flatten();
                for ((side, part), name) in sides.iter_mut().zip(parts).zip([".value", ".error"]) {
                    side.indent();
                    if name == ".error" {
                        side.line(&format!("writer.tag({here}, 1);"));
                    }
                    self.put(side, &part.ty, at.plus(part.offset), &value.part(name))?;
                }
                either(text, code, &sides);
            }
            Ty::Named(..) | Ty::Param(_) => {
                let mut args = vec!["writer".to_owned(), here];
                if self.reads_value(Job::Put, ty)? {
                    args.push(code.clone());
                }
                text.list(&self.function(Job::Put, ty), &args, ";");
            }
        }
        Ok(())
    }

    /// What an option holds, where it is not `null`.
    fn some(&self, inner: &Ty, value: &Value) -> Value {
        match self.schema.may_be_nothing(inner) {
            Answer::No => value.clone(),
            _ => value.part(".some"),
        }
    }

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

    fn add_set(&mut self, text: &mut Text, item: &Ty) -> Result<(), Error> {
        if self.schema.is_key(item) != Answer::Yes {
            return self.add_items(text, item, "value", "value.length");
        }
        match order(item) {
            Some(Order::Number) => text.line("const items = order.values(value);"),
            Some(Order::Text) => text.line("const items = order.texts(value);"),
            None => return self.add_items(text, item, "value", "value.size"),
        }
        self.add_items(text, item, "items", "items.length")
    }

    fn add_items(
        &mut self,
        text: &mut Text,
        item: &Ty,
        items: &str,
        length: &str,
    ) -> Result<(), Error> {
        let value = Value {
            code: "item".to_owned(),
            place: "place".to_owned(),
        };
        let (mut adds, mut puts) = (text.nested(), text.nested());
        adds.indent();
        self.add(&mut adds, item, &value)?;
        puts.indent();
        self.put(&mut puts, item, At("at", 0), &value)?;
        let adds_read = self.reads_value(Job::Add, item)?;
        let puts_read = self.reads_value(Job::Put, item)?;
        let add_head = for_each(&[("item", adds_read)], items, length);
        let put_head = for_each(&[("item", puts_read)], items, length);
        self.vector(text, item, length, [(&add_head, &adds), (&put_head, &puts)])
    }

    fn add_map(&mut self, text: &mut Text, key: &Ty, of: &Ty) -> Result<(), Error> {
        let (items, length) = match (self.schema.is_key(key), order(key)) {
            (Answer::Yes, Some(Order::Number)) => ("order.byKey(value)", "items.length"),
            (Answer::Yes, Some(Order::Text)) => ("order.byText(value)", "items.length"),
            (Answer::Yes, None) => ("value", "value.size"),
            _ => ("value", "value.length"),
        };
        let items = match items {
            "value" => "value",
            sorted => {
                text.line(&format!("const items = {sorted};"));
                "items"
            }
        };
        let named = |code: &str| Value {
            code: code.to_owned(),
            place: "place".to_owned(),
        };
        let entry = Ty::Tuple(vec![key.clone(), of.clone()]);
        let parts: Vec<(Part, Value)> = self
            .variants(&entry)?
            .into_iter()
            .flatten()
            .zip([named("key"), named("item")])
            .collect();
        let mut heads = Vec::new();
        let mut bodies = Vec::new();
        for job in [Job::Add, Job::Put] {
            let mut body = text.nested();
            body.indent();
            let mut used = Vec::new();
            for (part, value) in &parts {
                match job {
                    Job::Add => self.add(&mut body, &part.ty, value)?,
                    _ => self.put(&mut body, &part.ty, At("at", part.offset), value)?,
                }
                used.push((value.code.as_str(), self.reads_value(job, &part.ty)?));
            }
            heads.push(for_each(&used, items, length));
            bodies.push(body);
        }
        let ([add_head, put_head], [adds, puts]) = (heads.as_slice(), bodies.as_slice()) else {
            return Ok(());
        };
        self.vector(text, &entry, length, [(add_head, adds), (put_head, puts)])
    }

    /// The items of a vector: what they point to, then they themselves.
    fn vector(
        &mut self,
        text: &mut Text,
        item: &Ty,
        length: &str,
        loops: [(&String, &Text); 2],
    ) -> Result<(), Error> {
        let archived = self.layout(item)?;
        let [(add_head, adds), (put_head, puts)] = loops;
        text.line("const mark = writer.mark(place);");
        if !adds.is_empty() {
            text.line(add_head);
            text.append(adds);
            text.line("}");
        }
        let size = archived.size;
        text.line(&format!(
            "const start = writer.begin(mark, {length}, {size}, {});",
            archived.align
        ));
        if !puts.is_empty() {
            text.line("let at = start;");
            text.line(put_head);
            text.append(puts);
            text.indent();
            text.line(&format!("at += {size};"));
            text.close("}");
        }
        text.line(&format!("writer.endVec(mark, start, {length});"));
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

/// The head of a loop that names the items, or the parts of entries, that its body mentions.
fn for_each(names: &[(&str, bool)], items: &str, length: &str) -> String {
    let pattern = match names {
        [(item, true)] => (*item).to_owned(),
        [(key, true), (value, true)] => format!("[{key}, {value}]"),
        [(key, true), _] => format!("[{key}]"),
        [_, (value, true)] => format!("[, {value}]"),
        _ => return format!("for (let index = 0; index < {length}; index += 1) {{"),
    };
    format!("for (const {pattern} of {items}) {{")
}

/// What is done for each side of a `Result`.
fn either(text: &mut Text, code: &str, sides: &[Text; 2]) {
    let [ok, err] = sides;
    if ok.is_empty() {
        text.line(&format!("if (!{code}.ok) {{"));
        text.append(err);
    } else {
        text.line(&format!("if ({code}.ok) {{"));
        text.append(ok);
        if !err.is_empty() {
            text.line("} else {");
            text.append(err);
        }
    }
    text.line("}");
}

/// How the keys of a map or the values of a set are ordered in an archive.
enum Order {
    Number,
    Text,
}

/// Other keys stay in the order of their container.
fn order(key: &Ty) -> Option<Order> {
    match key {
        Ty::Prim(Prim::F32 | Prim::F64) => None,
        Ty::Prim(Prim::Char) | Ty::String => Some(Order::Text),
        Ty::Prim(_) => Some(Order::Number),
        _ => None,
    }
}
