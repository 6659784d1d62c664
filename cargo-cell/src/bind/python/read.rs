//! The functions that read.

use cell_runtime::schema::{Error, Kind, Prim, Shape, TypeDef, Variant};

use super::codec::{At, Codec, Depth, Parts};
use super::names;
use super::rep::{Rep, TUPLE_MAX};
use super::text::Text;

/// The letter that `struct` has for a number, where a whole vector can be read and written at once.
pub(super) fn letter(rep: &Rep) -> Option<(char, u32)> {
    let Rep::Prim(prim) = rep else {
        return None;
    };
    let letter = match prim {
        Prim::U8 => 'B',
        Prim::U16 => 'H',
        Prim::U32 => 'I',
        Prim::U64 => 'Q',
        Prim::I8 => 'b',
        Prim::I16 => 'h',
        Prim::I32 => 'i',
        Prim::I64 => 'q',
        Prim::F64 => 'd',
        Prim::Bool | Prim::U128 | Prim::I128 | Prim::F32 | Prim::Char => return None,
    };
    Some((letter, prim.size()))
}

impl Codec<'_> {
    /// The expression that reads a value. `depth` is how deep it lies.
    pub(super) fn read(&mut self, rep: &Rep, at: &At, depth: &Depth) -> Result<String, Error> {
        Ok(match rep {
            Rep::Prim(Prim::Bool) => format!("r.flag({at})"),
            Rep::Prim(prim) => format!("r.{}({at})", prim.name()),
            Rep::String => format!("r.string({at})"),
            Rep::Duration => format!("r.duration({at})"),
            Rep::Unit => "None".to_owned(),
            Rep::Bytes => format!("r.blob({at})"),
            Rep::Fixed(len) => format!("r.fixed({at}, {len})"),
            Rep::List(item) if letter(item).is_some() => self.numbers(item, at),
            Rep::Set(item) if letter(item).is_some() => {
                format!("frozenset({})", self.numbers(item, at))
            }
            Rep::Option(inner) if at.is_simple() => {
                let offset = self.offset(rep)?;
                let value = self.read(inner, &at.plus(offset), &depth.plus(1))?;
                format!("{value} if r.some({at}) else None")
            }
            Rep::Some(inner) if at.is_simple() => {
                let offset = self.offset(rep)?;
                let value = self.read(inner, &at.plus(offset), &depth.plus(1))?;
                format!("c.Some({value}) if r.some({at}) else None")
            }
            Rep::Boxed(inner) => {
                let archived = inner.layout(&mut self.layouts)?;
                let target = format!("r.box({at}, {}, {})", archived.size, archived.align);
                self.read(inner, &At::new(&target), &depth.plus(1))?
            }
            Rep::Array(_, 0) => "()".to_owned(),
            Rep::Named(name, _) => {
                let def = self.lowering.def(name)?;
                if self.names.is_plain(def) {
                    let constant = format!("{}_MEMBERS", self.labels.of(rep).to_ascii_uppercase());
                    self.members.insert(constant.clone(), names::class(name));
                    return Ok(format!("r.member({at}, {constant})"));
                }
                if def.kind == Kind::Struct && def.fields.is_empty() {
                    return Ok(format!("t.{}()", names::class(name)));
                }
                self.call(rep, at, depth)?
            }
            _ => self.call(rep, at, depth)?,
        })
    }

    fn numbers(&mut self, item: &Rep, at: &At) -> String {
        match letter(item) {
            Some(('d', _)) => format!("r.floats({at})"),
            Some((letter, size)) => format!("r.ints({at}, \"{letter}\", {size})"),
            None => String::new(),
        }
    }

    fn call(&mut self, rep: &Rep, at: &At, depth: &Depth) -> Result<String, Error> {
        self.to_read.add(rep);
        let label = self.labels.of(rep);
        Ok(match self.is_deep(rep)? {
            false => format!("read_{label}(r, {at})"),
            true => format!("read_{label}(r, {at}, {depth})"),
        })
    }

    /// Where the value of an option or a result lies.
    fn offset(&mut self, rep: &Rep) -> Result<u32, Error> {
        Ok(match &rep.layout(&mut self.layouts)?.form {
            cell_runtime::schema::layout::Form::Option(part) => part.offset,
            _ => 0,
        })
    }

    /// The function that reads a type.
    pub(super) fn reader(&mut self, rep: &Rep) -> Result<Text, Error> {
        let label = self.labels.of(rep);
        let ty = rep.python(&self.style())?;
        let is_deep = self.is_deep(rep)?;
        let mut params = vec!["r: c.Reader".to_owned(), "at: int".to_owned()];
        if is_deep {
            params.push("depth: int".to_owned());
        }
        let mut text = Text::default();
        text.list(
            &format!("def read_{label}("),
            &params,
            &format!(") -> {ty}:"),
        );
        text.open_body();
        if is_deep && matches!(rep, Rep::Named(..)) {
            text.line("r.nest(depth)");
        }
        self.body(&mut text, rep)?;
        text.dedent();
        Ok(text)
    }

    fn body(&mut self, text: &mut Text, rep: &Rep) -> Result<(), Error> {
        let at = At::new("at");
        match rep {
            Rep::List(item) => {
                let (walk, value) = self.item(item, item, 0)?;
                text.comprehension("return [", &value, &walk, "]");
            }
            Rep::Set(item) => {
                let (walk, value) = self.item(item, item, 0)?;
                text.comprehension("return frozenset(", &value, &walk, ")");
            }
            Rep::Dict(key, value) => self.entries(text, key, value, ["{", ": ", "}"])?,
            Rep::Pairs(key, value) => self.entries(text, key, value, ["[(", ", ", ")]"])?,
            Rep::Array(item, len) => self.array(text, item, *len)?,
            Rep::Option(_) | Rep::Some(_) => {
                let value = self.read(rep, &at, &Depth::below(0))?;
                text.line(&format!("return {value}"));
            }
            Rep::Result(ok, err) => {
                let archived = rep.layout(&mut self.layouts)?;
                let cell_runtime::schema::layout::Form::Result(first, second) = &archived.form
                else {
                    return Err(Error::new("a result is laid out as something else"));
                };
                let error = self.read(err, &at.plus(second.offset), &Depth::below(1))?;
                text.open("if r.some(at):");
                text.line(&format!("return c.Err({error})"));
                text.dedent();
                let value = self.read(ok, &at.plus(first.offset), &Depth::below(1))?;
                text.line(&format!("return c.Ok({value})"));
            }
            Rep::Tuple(reps) => {
                let archived = rep.layout(&mut self.layouts)?;
                let cell_runtime::schema::layout::Form::Tuple(places) = &archived.form else {
                    return Err(Error::new("a tuple is laid out as something else"));
                };
                let mut values = Vec::new();
                for (rep, place) in reps.iter().zip(places) {
                    values.push(self.read(rep, &at.plus(place.offset), &Depth::below(1))?);
                }
                let comma = if values.len() == 1 { "," } else { "" };
                text.list("return (", &values, &format!("{comma})"));
            }
            Rep::Named(name, _) => {
                let def = self.lowering.def(name)?;
                let mut parts = self.parts(rep)?;
                match def.kind {
                    Kind::Struct => {
                        let parts = parts.pop().unwrap_or_default();
                        self.construct(text, def, None, &names::class(name), &parts)?;
                    }
                    Kind::Enum => self.variants(text, def, &parts)?,
                }
            }
            _ => return Err(Error::new("this type needs no function")),
        }
        Ok(())
    }

    /// The end of a comprehension over a vector, and the value of each item.
    fn item(&mut self, item: &Rep, value: &Rep, offset: u32) -> Result<(String, String), Error> {
        let archived = item.layout(&mut self.layouts)?;
        let (size, align) = (archived.size, archived.align);
        let (walk, at) = match size {
            0 => (format!("for _ in range(r.items(at, 0, {align})[1])"), "at"),
            _ => (format!("for i in r.span(at, {size}, {align})"), "i"),
        };
        let value = self.read(value, &At::new(at).plus(offset), &Depth::below(1))?;
        let walk = match has_i(&value) || size == 0 {
            true => walk,
            false => walk.replacen("for i ", "for _ ", 1),
        };
        Ok((walk, value))
    }

    fn entries(
        &mut self,
        text: &mut Text,
        key: &Rep,
        value: &Rep,
        marks: [&str; 3],
    ) -> Result<(), Error> {
        let entry = Rep::Tuple(vec![key.clone(), value.clone()]);
        let archived = entry.layout(&mut self.layouts)?;
        let cell_runtime::schema::layout::Form::Tuple(places) = &archived.form else {
            return Err(Error::new("an entry is no pair"));
        };
        let [first, second] = places.as_slice() else {
            return Err(Error::new("an entry is no pair"));
        };
        // An entry is a level of its own, but with a string as its key.
        let depth = Depth::below(if *key == Rep::String { 1 } else { 2 });
        let (size, align) = (archived.size, archived.align);
        let (walk, at) = match size {
            0 => (
                format!("for _ in range(r.items(at, 0, {align})[1])"),
                At::new("at"),
            ),
            _ => (
                format!("for i in r.span(at, {size}, {align})"),
                At::new("i"),
            ),
        };
        let key = self.read(key, &at.plus(first.offset), &depth)?;
        let value = self.read(value, &at.plus(second.offset), &depth)?;
        let [open, between, close] = marks;
        let walk = match has_i(&key) || has_i(&value) || size == 0 {
            true => walk,
            false => walk.replacen("for i ", "for _ ", 1),
        };
        let inside = format!(
            "{}{key}{between}{value}{}",
            &open[1..],
            &close[..close.len() - 1]
        );
        let (open, close) = (&open[..1], &close[close.len() - 1..]);
        text.comprehension(&format!("return {open}"), &inside, &walk, close);
        Ok(())
    }

    fn array(&mut self, text: &mut Text, item: &Rep, len: u64) -> Result<(), Error> {
        let size = item.layout(&mut self.layouts)?.size;
        if len <= TUPLE_MAX {
            let mut values = Vec::new();
            let mut at = At::new("at");
            for _ in 0..len {
                values.push(self.read(item, &at, &Depth::below(1))?);
                at = at.plus(size);
            }
            let comma = if values.len() == 1 { "," } else { "" };
            text.list("return (", &values, &format!("{comma})"));
            return Ok(());
        }
        text.line(&format!("r.spend({len})"));
        let (walk, value) = match size {
            0 => (
                format!("for _ in range({len})"),
                self.read(item, &At::new("at"), &Depth::below(1))?,
            ),
            _ => {
                let end = u64::from(size) * len;
                (
                    format!("for i in range(at, at + {end}, {size})"),
                    self.read(item, &At::new("i"), &Depth::below(1))?,
                )
            }
        };
        text.comprehension("return tuple(", &value, &walk, ")");
        Ok(())
    }

    fn variants(
        &mut self,
        text: &mut Text,
        def: &TypeDef,
        variants: &[Parts],
    ) -> Result<(), Error> {
        text.line("tag = r.tag(at)");
        for (tag, (variant, parts)) in def.variants.iter().zip(variants).enumerate() {
            text.open(&format!("if tag == {tag}:"));
            let class = names::variant(def, variant);
            self.construct(text, def, Some(variant), &class, parts)?;
            text.dedent();
        }
        text.line("r.wrong_tag(tag)");
        Ok(())
    }

    fn construct(
        &mut self,
        text: &mut Text,
        def: &TypeDef,
        variant: Option<&Variant>,
        class: &str,
        parts: &Parts,
    ) -> Result<(), Error> {
        let (shape, fields) = match variant {
            Some(variant) => (variant.shape, &variant.fields),
            None => (def.shape, &def.fields),
        };
        let at = At::new("at");
        let mut values = Vec::new();
        for (field, (rep, offset)) in fields.iter().zip(parts) {
            let value = self.read(rep, &at.plus(*offset), &Depth::below(1))?;
            values.push(match shape {
                Shape::Named => {
                    let name = self.names.field(def, shape, fields.len(), &field.name);
                    format!("{name}={value}")
                }
                _ => value,
            });
        }
        text.list(&format!("return t.{class}("), &values, ")");
        Ok(())
    }
}

/// Whether an expression mentions where an item lies.
fn has_i(value: &str) -> bool {
    value.contains("(i")
        || value.contains(", i)")
        || value.contains(", i,")
        || value.contains(", i +")
}
