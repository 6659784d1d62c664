//! Functions that write: what a value points to first, then the value in its place.

use cell_runtime::schema::{Error, Kind, Prim, TypeDef};

use super::codec::{At, Codec, Direction, Place};
use super::codec_read::arguments;
use super::names;
use super::rep::{Rep, prim_label};
use super::text::Text;

impl Codec<'_> {
    /// A statement that writes what a value points to, if it can point to anything.
    pub(super) fn write(&mut self, rep: &Rep, value: &str) -> Result<Option<String>, Error> {
        if self.is_plain(rep)? {
            return Ok(None);
        }
        Ok(Some(match rep {
            Rep::String => format!("w.String({value})"),
            Rep::Slice(item) if **item == Rep::Prim(Prim::U8) => format!("w.Bytes({value})"),
            rep => {
                self.write_function(rep)?;
                let value = self.pass(rep, value)?;
                format!("write{}(w, {value})", self.label(rep))
            }
        }))
    }

    /// A statement that puts a value in its place, if it takes any.
    pub(super) fn put(
        &mut self,
        rep: &Rep,
        at: At<'_>,
        value: &str,
    ) -> Result<Option<String>, Error> {
        if self.layout(rep)?.size == 0 {
            return Ok(None);
        }
        let (alone, at) = (at.alone(), at.among());
        Ok(Some(match rep {
            Rep::Prim(prim) => format!("w.Put{}({at}, {value})", prim_label(*prim)),
            Rep::String => format!("w.PutString({at}, {value})"),
            Rep::Duration => format!("w.PutDuration({at}, {value})"),
            Rep::Slice(_) | Rep::Set(_) | Rep::Map(..) | Rep::Entries(..) => {
                format!("w.PutSlice({at}, len({value}))")
            }
            Rep::Inline(_) | Rep::Boxed(_) => format!("w.PutBox({alone})"),
            rep => {
                self.put_function(rep)?;
                let value = self.pass(rep, value)?;
                format!("put{}(w, {at}, {value})", self.label(rep))
            }
        }))
    }

    /// Whether functions take a pointer to a value, so that it is not copied.
    fn by_pointer(&self, rep: &Rep) -> Result<bool, Error> {
        Ok(match rep {
            Rep::Array(..) | Rep::Tuple(_) | Rep::Result(..) => true,
            Rep::Inline(inner) => self.by_pointer(inner)?,
            Rep::Named(name, _) => self.lowering.def(name)?.kind == Kind::Struct,
            _ => false,
        })
    }

    /// A value as an argument of its functions.
    fn pass(&self, rep: &Rep, value: &str) -> Result<String, Error> {
        Ok(match (self.by_pointer(rep)?, value.strip_prefix('*')) {
            (true, Some(pointer)) => pointer.to_owned(),
            (true, None) => format!("&{value}"),
            (false, _) => value.to_owned(),
        })
    }

    /// The head of a function about a value `v`, and how its body names the value.
    fn head(&mut self, name: &str, at: &str, rep: &Rep) -> Result<(String, &'static str), Error> {
        let go = rep.go(self.names);
        let label = self.label(rep);
        Ok(match self.by_pointer(rep)? {
            true => (
                format!("func {name}{label}(w *cell.Writer{at}, v *{go}) {{"),
                "*v",
            ),
            false => (
                format!("func {name}{label}(w *cell.Writer{at}, v {go}) {{"),
                "v",
            ),
        })
    }

    fn write_function(&mut self, rep: &Rep) -> Result<(), Error> {
        if !self.begin(Direction::Write, rep) {
            return Ok(());
        }
        let mut text = Text::default();
        let (head, value) = self.head("write", "", rep)?;
        text.open(&head);
        match rep {
            Rep::Slice(_) | Rep::Set(_) | Rep::Map(..) | Rep::Entries(..) => {
                self.write_items(&mut text, rep)?;
            }
            Rep::Array(item, _) => {
                text.open("for i := range v {");
                self.maybe_write(&mut text, item, "v[i]")?;
                text.close("}");
            }
            Rep::Pointer(inner) => {
                text.open("if v != nil {");
                self.maybe_write(&mut text, inner, "*v")?;
                text.close("}");
            }
            Rep::Nilable(inner) => {
                text.open("if v != nil {");
                self.maybe_write(&mut text, inner, "v")?;
                text.close("}");
            }
            Rep::Inline(inner) => self.write_box(&mut text, inner, value)?,
            Rep::Boxed(inner) => {
                text.open("if v == nil {");
                text.line(&format!(
                    "w.Fail(\"a {} that must be there is nil\")",
                    inner.go(self.names)
                ));
                text.line("return");
                text.close("}");
                self.write_box(&mut text, inner, "*v")?;
            }
            Rep::Result(ok, err) => {
                for (case, rep) in [("Ok", ok), ("Err", err)] {
                    if let Some(write) = self.write(rep, &format!("*v.{case}"))? {
                        text.open(&format!("if v.{case} != nil {{"));
                        text.line(&write);
                        text.close("}");
                    }
                }
            }
            Rep::Tuple(reps) => {
                for place in self.tuple_places(reps, rep)? {
                    self.maybe_write(&mut text, &place.rep, &format!("v.{}", place.name))?;
                }
            }
            Rep::Named(name, _) => {
                let def = self.lowering.def(name)?;
                match def.kind {
                    Kind::Struct => {
                        for place in self.struct_places(def, rep)? {
                            self.maybe_write(&mut text, &place.rep, &format!("v.{}", place.name))?;
                        }
                    }
                    Kind::Enum => self.write_variants(&mut text, def, rep)?,
                }
            }
            Rep::Prim(_) | Rep::String | Rep::Duration | Rep::Unit | Rep::Param(_) => {
                return Err(Error::new(format!("`{}` needs no function", rep.ty())));
            }
        }
        text.close("}");
        self.functions.append(text);
        Ok(())
    }

    fn maybe_write(&mut self, text: &mut Text, rep: &Rep, value: &str) -> Result<(), Error> {
        if let Some(write) = self.write(rep, value)? {
            text.line(&write);
        }
        Ok(())
    }

    fn maybe_put(
        &mut self,
        text: &mut Text,
        rep: &Rep,
        at: At<'_>,
        value: &str,
    ) -> Result<(), Error> {
        if let Some(put) = self.put(rep, at, value)? {
            text.line(&put);
        }
        Ok(())
    }

    fn write_box(&mut self, text: &mut Text, inner: &Rep, value: &str) -> Result<(), Error> {
        let archived = self.layout(inner)?;
        text.open("if w.Enter() {");
        text.line("mark := w.Mark()");
        self.maybe_write(text, inner, value)?;
        text.open(&format!(
            "if at, ok := w.Place(mark, 1, {}, {}); ok {{",
            archived.size, archived.align
        ));
        self.maybe_put(text, inner, At::new("at"), value)?;
        text.line("w.Placed(mark, at)");
        text.close("}");
        text.close("}");
        text.line("w.Leave()");
        Ok(())
    }

    fn write_items(&mut self, text: &mut Text, rep: &Rep) -> Result<(), Error> {
        let (size, align, value_offset) = match rep {
            Rep::Map(key, value) | Rep::Entries(key, value) => self.entry(key, value)?,
            Rep::Slice(item) | Rep::Set(item) => {
                let archived = self.layout(item)?;
                (archived.size, archived.align, 0)
            }
            _ => return Err(Error::new(format!("`{}` has no items", rep.ty()))),
        };
        // What an item is made of, how it is reached, and where it lies in the item.
        let parts: Vec<(&Rep, &str, u32)> = match rep {
            Rep::Map(key, value) => vec![(&**key, "key", 0), (&**value, "value", value_offset)],
            Rep::Set(item) => vec![(&**item, "key", 0)],
            Rep::Entries(key, value) => {
                vec![
                    (&**key, "v[i].Key", 0),
                    (&**value, "v[i].Value", value_offset),
                ]
            }
            Rep::Slice(item) => vec![(&**item, "v[i]", 0)],
            _ => Vec::new(),
        };
        let mut writes = Vec::new();
        let mut puts = Vec::new();
        for (rep, value, offset) in &parts {
            writes.extend(self.write(rep, value)?);
            puts.extend(self.put(rep, At::new("at").item(size).plus(*offset), value)?);
        }
        let is_keyed = matches!(rep, Rep::Map(..) | Rep::Set(_));
        text.open("if w.Enter() {");
        if is_keyed {
            text.line("keys := cell.Keys(v)");
        }
        text.line("mark := w.Mark()");
        each(text, is_keyed, &writes);
        text.open(&format!(
            "if at, ok := w.Place(mark, len(v), {size}, {align}); ok {{"
        ));
        each(text, is_keyed, &puts);
        text.line("w.Placed(mark, at)");
        text.close("}");
        text.close("}");
        text.line("w.Leave()");
        Ok(())
    }

    fn write_variants(&mut self, text: &mut Text, def: &TypeDef, rep: &Rep) -> Result<(), Error> {
        let arguments = arguments(&rep.go(self.names)).to_owned();
        text.line("switch v := v.(type) {");
        for (variant, places) in def.variants.iter().zip(self.enum_places(def, rep)?) {
            let mut writes = Vec::new();
            for place in &places {
                writes.extend(self.write(&place.rep, &format!("v.{}", place.name))?);
            }
            if !writes.is_empty() {
                text.open(&format!(
                    "case {}{arguments}:",
                    names::variant(def, variant)
                ));
                writes.iter().for_each(|write| text.line(write));
                text.dedent();
            }
        }
        text.line("}");
        Ok(())
    }

    fn put_function(&mut self, rep: &Rep) -> Result<(), Error> {
        if !self.begin(Direction::Put, rep) {
            return Ok(());
        }
        let mut text = Text::default();
        text.open(&self.head("put", ", at int", rep)?.0);
        let at = At::new("at");
        match rep {
            Rep::Array(item, _) => {
                let size = self.layout(item)?.size;
                text.open("for i := range v {");
                self.maybe_put(&mut text, item, at.item(size), "v[i]")?;
                text.close("}");
            }
            Rep::Pointer(inner) | Rep::Nilable(inner) => {
                let offset = self.option_offset(rep)?;
                let value = if matches!(rep, Rep::Pointer(_)) {
                    "*v"
                } else {
                    "v"
                };
                text.open("if v != nil {");
                text.line("w.PutTag(at, 1)");
                self.maybe_put(&mut text, inner, at.plus(offset), value)?;
                text.close("}");
            }
            Rep::Result(ok, err) => {
                let offsets = self.result_offsets(rep)?;
                text.line("switch {");
                text.open("case v.Ok != nil && v.Err == nil:");
                self.maybe_put(&mut text, ok, at.plus(offsets[0]), "*v.Ok")?;
                text.dedent();
                text.open("case v.Err != nil && v.Ok == nil:");
                text.line("w.PutTag(at, 1)");
                self.maybe_put(&mut text, err, at.plus(offsets[1]), "*v.Err")?;
                text.dedent();
                text.open("default:");
                text.line("w.Fail(\"a Result holds either Ok or Err\")");
                text.dedent();
                text.line("}");
            }
            Rep::Tuple(reps) => {
                let places = self.tuple_places(reps, rep)?;
                self.put_places(&mut text, &places)?;
            }
            Rep::Named(name, _) => {
                let def = self.lowering.def(name)?;
                match def.kind {
                    Kind::Struct => {
                        let places = self.struct_places(def, rep)?;
                        self.put_places(&mut text, &places)?;
                    }
                    Kind::Enum if names::is_plain_enum(def) => {
                        let last = def.variants.len() - 1;
                        // With 256 variants every number is one.
                        if last < usize::from(u8::MAX) {
                            text.open(&format!("if v > {last} {{"));
                            text.line(&format!(
                                "w.Fail(\"%d is no {}\", uint8(v))",
                                rep.go(self.names)
                            ));
                            text.close("}");
                        }
                        text.line("w.PutTag(at, uint8(v))");
                    }
                    Kind::Enum => self.put_variants(&mut text, def, rep)?,
                }
            }
            rep => return Err(Error::new(format!("`{}` needs no function", rep.ty()))),
        }
        text.close("}");
        self.functions.append(text);
        Ok(())
    }

    fn put_places(&mut self, text: &mut Text, places: &[Place]) -> Result<(), Error> {
        for place in places {
            let value = format!("v.{}", place.name);
            self.maybe_put(text, &place.rep, At::new("at").plus(place.offset), &value)?;
        }
        Ok(())
    }

    fn put_variants(&mut self, text: &mut Text, def: &TypeDef, rep: &Rep) -> Result<(), Error> {
        let go = rep.go(self.names);
        let arguments = arguments(&go).to_owned();
        text.line("switch v := v.(type) {");
        for (tag, (variant, places)) in def
            .variants
            .iter()
            .zip(self.enum_places(def, rep)?)
            .enumerate()
        {
            text.open(&format!(
                "case {}{arguments}:",
                names::variant(def, variant)
            ));
            // The room is zero.
            if tag > 0 {
                text.line(&format!("w.PutTag(at, {tag})"));
            }
            self.put_places(text, &places)?;
            text.dedent();
        }
        text.open("default:");
        text.line(&format!("w.Fail(\"%T is no {go}\", v)"));
        text.dedent();
        text.line("}");
        Ok(())
    }
}

/// A loop over the items.
fn each(text: &mut Text, is_keyed: bool, statements: &[String]) {
    if statements.is_empty() {
        return;
    }
    let counts = statements
        .iter()
        .any(|statement| statement.contains("at+i"));
    let uses_value =
        |statement: &String| statement.contains("value)") || statement.contains("value,");
    match (is_keyed, counts) {
        (false, _) => text.open("for i := range v {"),
        (true, true) => text.open("for i, key := range keys {"),
        (true, false) => text.open("for _, key := range keys {"),
    }
    if is_keyed && statements.iter().any(uses_value) {
        text.line("value := v[key]");
    }
    statements.iter().for_each(|statement| text.line(statement));
    text.close("}");
}
