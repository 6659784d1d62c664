//! The functions that write.

use cell_runtime::schema::layout::Form;
use cell_runtime::schema::{Error, Kind, Prim, Shape, TypeDef, Variant};

use super::codec::{At, Codec, Depth, Parts};
use super::names;
use super::read::letter;
use super::rep::{Rep, Style};
use super::text::Text;

/// Lines with their own indentation.
type Lines = Vec<String>;

impl Codec<'_> {
    /// The statements that write a value, which is an expression that can be written twice, to its place in a part.
    pub(super) fn write(
        &mut self,
        lines: &mut Lines,
        rep: &Rep,
        part: &str,
        at: &At,
        value: &str,
        depth: &Depth,
    ) -> Result<(), Error> {
        if rep.is_nothing(&mut self.layouts)? {
            return Ok(());
        }
        match rep {
            Rep::Prim(Prim::Bool) => lines.push(format!("{part}.flag({at}, {value})")),
            Rep::Prim(prim) => lines.push(format!("{part}.{}({at}, {value})", prim.name())),
            Rep::Duration => lines.push(format!("{part}.duration({at}, {value})")),
            Rep::String => lines.push(format!("w.string({part}, {at}, {value})")),
            Rep::Bytes => lines.push(format!("w.blob({part}, {at}, {value})")),
            Rep::Fixed(len) => lines.push(format!("{part}.blob({at}, {value}, {len})")),
            Rep::List(item) | Rep::Set(item) if letter(item).is_some() => {
                let value = match rep {
                    Rep::Set(_) => format!("sorted({value})"),
                    _ => value.to_owned(),
                };
                if let Some((letter, size)) = letter(item) {
                    lines.push(format!(
                        "w.numbers({part}, {at}, {value}, \"{letter}\", {size})"
                    ));
                }
            }
            Rep::Option(inner) | Rep::Some(inner) => {
                let archived = rep.layout(&mut self.layouts)?;
                let Form::Option(place) = &archived.form else {
                    return Err(Error::new("an option is laid out as something else"));
                };
                lines.push(format!("if {value} is not None:"));
                let inner_value = match rep {
                    Rep::Some(_) => format!("{value}.value"),
                    _ => value.to_owned(),
                };
                let mut inside = vec![format!("{part}.tag({at}, 1)")];
                self.write(
                    &mut inside,
                    inner,
                    part,
                    &at.plus(place.offset),
                    &inner_value,
                    &depth.plus(1),
                )?;
                lines.extend(inside.into_iter().map(|line| format!("    {line}")));
            }
            Rep::Named(name, _) if self.names.is_plain(self.lowering.def(name)?) => {
                lines.push(format!("{part}.tag({at}, {value}.value)"));
            }
            _ => {
                self.to_write.add(rep);
                let label = self.labels.of(rep);
                lines.push(match self.is_deep(rep)? {
                    false => format!("write_{label}(w, {part}, {at}, {value})"),
                    true => format!("write_{label}(w, {part}, {at}, {value}, {depth})"),
                });
            }
        }
        Ok(())
    }

    /// The function that writes a type.
    pub(super) fn writer(&mut self, rep: &Rep) -> Result<Text, Error> {
        let label = self.labels.of(rep);
        let style = Style {
            takes: Some("abc."),
            ..self.style()
        };
        let ty = rep.python(&style)?;
        let is_deep = self.is_deep(rep)?;
        let mut params = vec![
            "w: c.Writer".to_owned(),
            "p: c.Part".to_owned(),
            "at: int".to_owned(),
            format!("value: {ty}"),
        ];
        if is_deep {
            params.push("depth: int".to_owned());
        }
        let mut lines = Vec::new();
        if is_deep && matches!(rep, Rep::Named(..)) {
            lines.push("w.nest(depth)".to_owned());
        }
        self.statements(&mut lines, rep)?;
        let mut text = Text::default();
        text.list(&format!("def write_{label}("), &params, ") -> None:");
        text.open_body();
        lines.iter().for_each(|line| text.statement(line));
        text.dedent();
        Ok(text)
    }

    fn statements(&mut self, lines: &mut Lines, rep: &Rep) -> Result<(), Error> {
        let at = At::new("at");
        match rep {
            Rep::List(item) => self.items(lines, item, "enumerate(value)")?,
            Rep::Set(item) => self.items(lines, item, "enumerate(sorted(value))")?,
            Rep::Dict(key, value) | Rep::Pairs(key, value) => self.map(lines, rep, key, value)?,
            Rep::Array(item, len) => {
                let size = item.layout(&mut self.layouts)?.size;
                lines.push(format!("w.length(value, {len})"));
                if *len == 0 {
                    return Ok(());
                }
                let mut inside = Vec::new();
                let place = match size {
                    1 => At::new("at + index"),
                    _ => At::new(&format!("at + index * {size}")),
                };
                self.write(&mut inside, item, "p", &place, "item", &Depth::below(1))?;
                walk(lines, "index, item", "enumerate(value)", inside);
            }
            Rep::Boxed(inner) => {
                let archived = inner.layout(&mut self.layouts)?;
                let (size, align) = (archived.size, archived.align);
                lines.push(format!("box = w.part({size}, 1)"));
                self.write(lines, inner, "box", &At::new(""), "value", &Depth::below(1))?;
                lines.push(format!("p.box(at, w.place(box, {align}))"));
            }
            Rep::Result(ok, err) => {
                let archived = rep.layout(&mut self.layouts)?;
                let Form::Result(first, second) = &archived.form else {
                    return Err(Error::new("a result is laid out as something else"));
                };
                lines.push("if isinstance(value, c.Err):".to_owned());
                let mut inside = vec!["p.tag(at, 1)".to_owned()];
                self.write(
                    &mut inside,
                    err,
                    "p",
                    &at.plus(second.offset),
                    "value.error",
                    &Depth::below(1),
                )?;
                lines.extend(inside.into_iter().map(|line| format!("    {line}")));
                let mut inside = Vec::new();
                self.write(
                    &mut inside,
                    ok,
                    "p",
                    &at.plus(first.offset),
                    "value.value",
                    &Depth::below(1),
                )?;
                if !inside.is_empty() {
                    lines.push("else:".to_owned());
                    lines.extend(inside.into_iter().map(|line| format!("    {line}")));
                }
            }
            Rep::Tuple(reps) => {
                let archived = rep.layout(&mut self.layouts)?;
                let Form::Tuple(places) = &archived.form else {
                    return Err(Error::new("a tuple is laid out as something else"));
                };
                for (index, (rep, place)) in reps.iter().zip(places).enumerate() {
                    self.write(
                        lines,
                        rep,
                        "p",
                        &at.plus(place.offset),
                        &format!("value[{index}]"),
                        &Depth::below(1),
                    )?;
                }
            }
            Rep::Named(name, _) => {
                let def = self.lowering.def(name)?;
                let mut parts = self.parts(rep)?;
                match def.kind {
                    Kind::Struct => {
                        let parts = parts.pop().unwrap_or_default();
                        self.fields(lines, def, None, &parts)?;
                    }
                    Kind::Enum => self.choices(lines, def, &parts)?,
                }
            }
            _ => return Err(Error::new("this type needs no function")),
        }
        Ok(())
    }

    fn items(&mut self, lines: &mut Lines, item: &Rep, values: &str) -> Result<(), Error> {
        let archived = item.layout(&mut self.layouts)?;
        let (size, align) = (archived.size, archived.align);
        lines.push(format!("items = w.part({size}, len(value))"));
        let mut inside = Vec::new();
        self.write(
            &mut inside,
            item,
            "items",
            &place(size, 0),
            "item",
            &Depth::below(1),
        )?;
        walk(lines, "index, item", values, inside);
        lines.push(format!("p.vec(at, w.place(items, {align}), len(value))"));
        Ok(())
    }

    fn map(&mut self, lines: &mut Lines, rep: &Rep, key: &Rep, value: &Rep) -> Result<(), Error> {
        let entry = Rep::Tuple(vec![key.clone(), value.clone()]);
        let archived = entry.layout(&mut self.layouts)?;
        let Form::Tuple(places) = &archived.form else {
            return Err(Error::new("an entry is no pair"));
        };
        let [first, second] = places.as_slice() else {
            return Err(Error::new("an entry is no pair"));
        };
        let (size, align) = (archived.size, archived.align);
        lines.push(format!("items = w.part({size}, len(value))"));
        let depth = Depth::below(if *key == Rep::String { 1 } else { 2 });
        let is_simple = matches!(key, Rep::String | Rep::Prim(_));
        let (walked, item) = match rep {
            Rep::Dict(..) if is_simple => ("index, key", "value[key]"),
            _ => ("index, (key, item)", "item"),
        };
        let values = match rep {
            Rep::Dict(..) if is_simple => "enumerate(sorted(value))",
            Rep::Dict(..) => "enumerate(value.items())",
            _ => "enumerate(value)",
        };
        let mut inside = Vec::new();
        self.write(
            &mut inside,
            key,
            "items",
            &place(size, first.offset),
            "key",
            &depth,
        )?;
        // What may be none is looked at twice.
        let is_option = matches!(value, Rep::Option(_) | Rep::Some(_));
        let item = match item {
            "value[key]" if is_option => {
                inside.push("item = value[key]".to_owned());
                "item"
            }
            item => item,
        };
        self.write(
            &mut inside,
            value,
            "items",
            &place(size, second.offset),
            item,
            &depth,
        )?;
        walk(lines, walked, values, inside);
        lines.push(format!("p.vec(at, w.place(items, {align}), len(value))"));
        Ok(())
    }

    fn choices(
        &mut self,
        lines: &mut Lines,
        def: &TypeDef,
        variants: &[Parts],
    ) -> Result<(), Error> {
        lines.push("match value:".to_owned());
        for (tag, (variant, parts)) in def.variants.iter().zip(variants).enumerate() {
            lines.push(format!("    case t.{}():", names::variant(def, variant)));
            let mut inside = vec![format!("p.tag(at, {tag})")];
            self.fields(&mut inside, def, Some(variant), parts)?;
            lines.extend(inside.into_iter().map(|line| format!("        {line}")));
        }
        lines.push("    case _:".to_owned());
        lines.push(format!(
            "        raise TypeError(f\"{{value!r}} is no {}\")",
            names::class(&def.name)
        ));
        Ok(())
    }

    fn fields(
        &mut self,
        lines: &mut Lines,
        def: &TypeDef,
        variant: Option<&Variant>,
        parts: &Parts,
    ) -> Result<(), Error> {
        let (shape, fields): (Shape, _) = match variant {
            Some(variant) => (variant.shape, &variant.fields),
            None => (def.shape, &def.fields),
        };
        for (field, (rep, offset)) in fields.iter().zip(parts) {
            let name = self.names.field(def, shape, fields.len(), &field.name);
            let at = At::new("at").plus(*offset);
            self.write(
                lines,
                rep,
                "p",
                &at,
                &format!("value.{name}"),
                &Depth::below(1),
            )?;
        }
        Ok(())
    }
}

/// The place of an item's part.
fn place(size: u32, offset: u32) -> At {
    match size {
        0 => At::new(""),
        1 => At::new("index").plus(offset),
        _ => At::new(&format!("index * {size}")).plus(offset),
    }
}

/// A loop, where there is something to do.
fn walk(lines: &mut Lines, names: &str, values: &str, inside: Lines) {
    if inside.is_empty() {
        return;
    }
    lines.push(format!("for {names} in {values}:"));
    lines.extend(inside.into_iter().map(|line| format!("    {line}")));
}
