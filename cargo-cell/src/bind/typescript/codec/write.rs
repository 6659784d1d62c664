//! Value → archive.

use cell_runtime::schema::{Error, Ty};

use super::super::schema::{Answer, is_byte, is_generic_u8};
use super::super::text::Text;
use super::{At, Codecs, Job, method};

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
