//! Functions that read.

use cell_runtime::schema::{Error, Kind, Prim, TypeDef};

use super::codec::{At, Codec, Direction, Place};
use super::names;
use super::rep::{Rep, prim_label};
use super::text::Text;

impl Codec<'_> {
    /// An expression that reads a value.
    pub(super) fn read(&mut self, rep: &Rep, at: At<'_>) -> Result<String, Error> {
        if self.layout(rep)?.size == 0 {
            return Ok(format!("{}{{}}", rep.go(self.names)));
        }
        Ok(match rep {
            Rep::Prim(prim) => format!("r.{}({})", prim_label(*prim), at.alone()),
            Rep::String => format!("r.String({})", at.alone()),
            Rep::Duration => format!("r.Duration({})", at.alone()),
            Rep::Slice(item) if **item == Rep::Prim(Prim::U8) => format!("r.Bytes({})", at.alone()),
            rep => {
                if let Rep::Named(name, _) = rep {
                    let def = self.lowering.def(name)?;
                    if names::is_plain_enum(def) {
                        let count = def.variants.len();
                        return Ok(format!(
                            "{}(r.Tag({}, {count}))",
                            rep.go(self.names),
                            at.among()
                        ));
                    }
                }
                self.read_function(rep)?;
                format!("read{}(r, {})", self.label(rep), at.among())
            }
        })
    }

    fn read_function(&mut self, rep: &Rep) -> Result<(), Error> {
        if !self.begin(Direction::Read, rep) {
            return Ok(());
        }
        let go = rep.go(self.names);
        let mut text = Text::default();
        let head = format!("func read{}(r *cell.Reader, at int)", self.label(rep));
        match rep {
            Rep::Slice(_) | Rep::Set(_) | Rep::Map(..) | Rep::Entries(..) => {
                text.open(&format!("{head} {go} {{"));
                self.read_items(&mut text, rep, &go)?;
            }
            Rep::Array(item, _) => {
                text.open(&format!("{head} (items {go}) {{"));
                text.open("for i := range items {");
                let size = self.layout(item)?.size;
                let item = self.read(item, At::new("at").item(size))?;
                text.line(&format!("items[i] = {item}"));
                text.close("}");
                text.line("return items");
            }
            Rep::Pointer(inner) => {
                text.open(&format!("{head} {go} {{"));
                let offset = none(&mut text, self.option_offset(rep)?);
                text.line(&format!("v := {}", self.read(inner, offset)?));
                text.line("return &v");
            }
            Rep::Nilable(inner) => {
                text.open(&format!("{head} {go} {{"));
                let offset = none(&mut text, self.option_offset(rep)?);
                text.line(&format!("return {}", self.read(inner, offset)?));
            }
            Rep::Inline(inner) | Rep::Boxed(inner) => {
                let archived = self.layout(inner)?;
                text.open(&format!("{head} (v {go}) {{"));
                text.line("r.Enter()");
                // What takes no room is not read.
                let target = if archived.size == 0 { "_" } else { "at" };
                text.open(&format!(
                    "if {target}, ok := r.Box(at, {}, {}); ok {{",
                    archived.size, archived.align
                ));
                let value = self.read(inner, At::new("at"))?;
                match rep {
                    Rep::Boxed(_) => {
                        text.line(&format!("content := {value}"));
                        text.line("v = &content");
                    }
                    _ => text.line(&format!("v = {value}")),
                }
                text.close("}");
                text.line("r.Leave()");
                text.line("return v");
            }
            Rep::Result(ok, err) => {
                let offsets = self.result_offsets(rep)?;
                text.open(&format!("{head} {go} {{"));
                text.open("if r.Tag(at, 2) == 0 {");
                text.line(&format!(
                    "v := {}",
                    self.read(ok, At::new("at").plus(offsets[0]))?
                ));
                text.line(&format!("return {go}{{Ok: &v}}"));
                text.close("}");
                text.line(&format!(
                    "v := {}",
                    self.read(err, At::new("at").plus(offsets[1]))?
                ));
                text.line(&format!("return {go}{{Err: &v}}"));
            }
            Rep::Tuple(reps) => {
                text.open(&format!("{head} (v {go}) {{"));
                let places = self.tuple_places(reps, rep)?;
                self.read_places(&mut text, &places)?;
                text.line("return v");
            }
            Rep::Named(name, _) => {
                let def = self.lowering.def(name)?;
                match def.kind {
                    Kind::Struct => {
                        text.open(&format!("{head} (v {go}) {{"));
                        let places = self.struct_places(def, rep)?;
                        self.read_places(&mut text, &places)?;
                        text.line("return v");
                    }
                    Kind::Enum => {
                        text.open(&format!("{head} {go} {{"));
                        self.read_variants(&mut text, def, rep)?;
                    }
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

    fn read_places(&mut self, text: &mut Text, places: &[Place]) -> Result<(), Error> {
        for place in places {
            if self.layout(&place.rep)?.size > 0 {
                let value = self.read(&place.rep, At::new("at").plus(place.offset))?;
                text.line(&format!("v.{} = {value}", place.name));
            }
        }
        Ok(())
    }

    fn read_variants(&mut self, text: &mut Text, def: &TypeDef, rep: &Rep) -> Result<(), Error> {
        let count = def.variants.len();
        match count {
            1 => text.line("r.Tag(at, 1)"),
            _ => text.line(&format!("switch r.Tag(at, {count}) {{")),
        }
        let arguments = arguments(&rep.go(self.names)).to_owned();
        let variants = self.enum_places(def, rep)?;
        for (tag, (variant, places)) in def.variants.iter().zip(&variants).enumerate() {
            match tag {
                _ if count == 1 => {}
                tag if tag + 1 == count => text.open("default:"),
                tag => text.open(&format!("case {tag}:")),
            }
            let own = format!("{}{arguments}", names::variant(def, variant));
            if places.is_empty() {
                text.line(&format!("return {own}{{}}"));
            } else {
                text.line(&format!("var v {own}"));
                self.read_places(text, places)?;
                text.line("return v");
            }
            if count > 1 {
                text.dedent();
            }
        }
        if count > 1 {
            text.line("}");
        }
        Ok(())
    }

    fn read_items(&mut self, text: &mut Text, rep: &Rep, go: &str) -> Result<(), Error> {
        let (size, align, value_offset) = match rep {
            Rep::Map(key, value) | Rep::Entries(key, value) => self.entry(key, value)?,
            Rep::Slice(item) | Rep::Set(item) => {
                let archived = self.layout(item)?;
                (archived.size, archived.align, 0)
            }
            _ => return Err(Error::new(format!("`{}` has no items", rep.ty()))),
        };
        // Items without bytes need not be looked at.
        let start = if size == 0 { "_" } else { "start" };
        text.line("r.Enter()");
        text.line(&format!("{start}, n := r.Slice(at, {size}, {align})"));
        text.line(&format!("items := make({go}, n)"));
        if size > 0 {
            let item = At::new("start").item(size);
            match rep {
                Rep::Slice(inner) => {
                    text.open("for i := range items {");
                    text.line(&format!("items[i] = {}", self.read(inner, item)?));
                }
                Rep::Entries(key, value) => {
                    text.open("for i := range items {");
                    text.line(&format!("at := {}", item.alone()));
                    text.line(&format!(
                        "items[i].Key = {}",
                        self.read(key, At::new("at"))?
                    ));
                    let value = self.read(value, At::new("at").plus(value_offset))?;
                    text.line(&format!("items[i].Value = {value}"));
                }
                Rep::Map(key, value) => {
                    text.open("for i := 0; i < n; i++ {");
                    text.line(&format!("at := {}", item.alone()));
                    text.line(&format!("key := {}", self.read(key, At::new("at"))?));
                    let value = self.read(value, At::new("at").plus(value_offset))?;
                    text.line(&format!("items[key] = {value}"));
                }
                Rep::Set(inner) => {
                    text.open("for i := 0; i < n; i++ {");
                    text.line(&format!("key := {}", self.read(inner, item)?));
                    text.line("items[key] = struct{}{}");
                }
                _ => {}
            }
            text.close("}");
        }
        text.line("r.Leave()");
        text.line("return items");
        Ok(())
    }
}

/// Returns `nil` for `None`; where the value of `Some` lies.
fn none(text: &mut Text, offset: u32) -> At<'static> {
    text.open("if r.Tag(at, 2) == 0 {");
    text.line("return nil");
    text.close("}");
    At::new("at").plus(offset)
}

/// `[uint32]` of `Tree[uint32]`.
pub(super) fn arguments(go: &str) -> &str {
    go.find('[').map_or("", |at| &go[at..])
}
