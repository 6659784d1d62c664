//! Codecs: one function for each type and direction that routes need, and the routes on top of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cell_runtime::schema::layout::{Archived, Form, Layouts, Part};
use cell_runtime::schema::{Error, Route, Shape, Snapshot, Ty, TypeDef};

use super::client;
use super::names::{self, Names};
use super::rep::{Lowering, Rep};
use super::text::Text;
use super::types::{Errors, in_place};

/// Longer names of functions are replaced by numbers.
const LABEL_MAX: usize = 72;

pub(super) struct Codec<'a> {
    pub(super) names: &'a Names,
    pub(super) lowering: &'a Lowering<'a>,
    errors: &'a Errors,
    layouts: Layouts<'a>,
    /// The functions that are written.
    done: BTreeSet<(Direction, Rep)>,
    labels: BTreeMap<Rep, String>,
    taken: BTreeSet<String>,
    pub(super) functions: Text,
    /// The entries of the table.
    table: Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Read,
    /// What a value points to.
    Write,
    /// The value in its place.
    Put,
}

/// A field of a Go struct, and where it lies in the archive.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) rep: Rep,
    pub(super) offset: u32,
}

/// A position in an archive, as Go writes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    base: &'a str,
    /// The size of the items that `i` counts.
    item: Option<u32>,
    offset: u32,
}

impl<'a> At<'a> {
    pub(super) fn new(base: &'a str) -> Self {
        At {
            base,
            item: None,
            offset: 0,
        }
    }

    pub(super) fn item(self, size: u32) -> Self {
        At {
            item: Some(size),
            ..self
        }
    }

    pub(super) fn plus(self, offset: u32) -> Self {
        At {
            offset: self.offset + offset,
            ..self
        }
    }

    fn parts(self) -> Vec<String> {
        let mut parts = vec![self.base.to_owned()];
        match self.item {
            Some(1) => parts.push("i".to_owned()),
            Some(size) => parts.push(format!("i*{size}")),
            None => {}
        }
        if self.offset > 0 {
            parts.push(self.offset.to_string());
        }
        parts
    }

    /// As the only argument of a call gofmt leaves room around the operator, otherwise it does not.
    pub(super) fn alone(self) -> String {
        self.parts().join(" + ")
    }

    pub(super) fn among(self) -> String {
        self.parts().join("+")
    }
}

impl<'a> Codec<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        names: &'a Names,
        lowering: &'a Lowering<'a>,
        errors: &'a Errors,
    ) -> Self {
        Codec {
            names,
            lowering,
            errors,
            layouts: Layouts::new(snapshot),
            done: BTreeSet::new(),
            labels: BTreeMap::new(),
            taken: BTreeSet::new(),
            functions: Text::default(),
            table: Text::default(),
        }
    }

    /// The table of the routes, then the functions.
    pub(super) fn finish(self) -> String {
        let mut text = Text::default();
        text.line("// routes lists the codecs of all routes, by which tests reach them.");
        if self.table.is_empty() {
            text.line("var routes = []cell.Codec{}");
        } else {
            text.open("var routes = []cell.Codec{");
            text.insert(&self.table);
            text.close("}");
        }
        text.line("");
        text.line("var _ = routes");
        text.line("");
        text.append(self.functions);
        text.finish()
    }

    /// Whether a function is to be written: where it is not yet.
    pub(super) fn begin(&mut self, direction: Direction, rep: &Rep) -> bool {
        self.done.insert((direction, rep.clone()))
    }

    /// What the functions of a type are named by.
    pub(super) fn label(&mut self, rep: &Rep) -> String {
        if let Some(label) = self.labels.get(rep) {
            return label.clone();
        }
        let mut wanted = rep.label();
        if wanted.len() > LABEL_MAX {
            wanted = "Type".to_owned();
        }
        let numbered = (2..).map(|number: usize| format!("{wanted}{number}"));
        let label = std::iter::once(wanted.clone())
            .chain(numbered)
            .find(|label| !self.taken.contains(label))
            .unwrap_or(wanted);
        self.taken.insert(label.clone());
        self.labels.insert(rep.clone(), label.clone());
        label
    }

    pub(super) fn layout(&mut self, rep: &Rep) -> Result<Arc<Archived>, Error> {
        self.layouts.of(&rep.ty())
    }

    /// Whether a type points to nothing.
    pub(super) fn is_plain(&mut self, rep: &Rep) -> Result<bool, Error> {
        self.points_nowhere(&rep.ty())
    }

    fn points_nowhere(&mut self, ty: &Ty) -> Result<bool, Error> {
        let archived = self.layouts.of(ty)?;
        let mut all = |parts: &[Part]| -> Result<bool, Error> {
            for part in parts {
                if !self.points_nowhere(&part.ty)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match &archived.form {
            Form::Prim(_) | Form::Duration => Ok(true),
            Form::String | Form::Vec(_) | Form::Map(..) | Form::Box(_) => Ok(false),
            Form::Array(item, _) => self.points_nowhere(item),
            Form::Struct(_, parts) | Form::Tuple(parts) => all(parts),
            Form::Enum(choices) => {
                for choice in choices {
                    if !all(&choice.parts)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Form::Option(part) => self.points_nowhere(&part.ty),
            Form::Result(ok, err) => {
                Ok(self.points_nowhere(&ok.ty)? && self.points_nowhere(&err.ty)?)
            }
        }
    }

    /// The fields of a struct.
    pub(super) fn struct_places(&mut self, def: &TypeDef, rep: &Rep) -> Result<Vec<Place>, Error> {
        let archived = self.layout(rep)?;
        match &archived.form {
            Form::Struct(shape, parts) => self.places(def, *shape, &def.fields, parts, rep),
            _ => Err(no_layout(rep)),
        }
    }

    /// The fields of each variant of an enum.
    pub(super) fn enum_places(
        &mut self,
        def: &TypeDef,
        rep: &Rep,
    ) -> Result<Vec<Vec<Place>>, Error> {
        let archived = self.layout(rep)?;
        let Form::Enum(choices) = &archived.form else {
            return Err(no_layout(rep));
        };
        let variants = def.variants.iter().zip(choices);
        variants
            .map(|(variant, choice)| {
                self.places(def, variant.shape, &variant.fields, &choice.parts, rep)
            })
            .collect()
    }

    fn places(
        &self,
        def: &TypeDef,
        shape: Shape,
        fields: &[cell_runtime::schema::Field],
        parts: &[Part],
        rep: &Rep,
    ) -> Result<Vec<Place>, Error> {
        let args: &[Rep] = match rep {
            Rep::Named(_, args) => args,
            _ => &[],
        };
        let place = |(field, part): (&cell_runtime::schema::Field, &Part)| {
            Ok(Place {
                name: names::field(shape, fields.len(), &field.name),
                rep: self.lowering.field(def, &field.ty, args)?,
                offset: part.offset,
            })
        };
        fields.iter().zip(parts).map(place).collect()
    }

    /// The elements of a tuple.
    pub(super) fn tuple_places(&mut self, reps: &[Rep], rep: &Rep) -> Result<Vec<Place>, Error> {
        let archived = self.layout(rep)?;
        let Form::Tuple(parts) = &archived.form else {
            return Err(no_layout(rep));
        };
        let places = reps.iter().zip(parts).enumerate();
        let places = places.map(|(index, (rep, part))| Place {
            name: format!("V{index}"),
            rep: rep.clone(),
            offset: part.offset,
        });
        Ok(places.collect())
    }

    /// Both cases of a `Result`.
    pub(super) fn result_offsets(&mut self, rep: &Rep) -> Result<[u32; 2], Error> {
        match &self.layout(rep)?.form {
            Form::Result(ok, err) => Ok([ok.offset, err.offset]),
            _ => Err(no_layout(rep)),
        }
    }

    /// Where `Some` holds its value.
    pub(super) fn option_offset(&mut self, rep: &Rep) -> Result<u32, Error> {
        match &self.layout(rep)?.form {
            Form::Option(part) => Ok(part.offset),
            _ => Err(no_layout(rep)),
        }
    }

    /// The items of a map: size, alignment, and where the value lies.
    pub(super) fn entry(&mut self, key: &Rep, value: &Rep) -> Result<(u32, u32, u32), Error> {
        let entry = Ty::Tuple(vec![key.ty(), value.ty()]);
        let archived = self.layouts.of(&entry)?;
        match &archived.form {
            Form::Tuple(parts) if parts.len() == 2 => {
                Ok((archived.size, archived.align, parts[1].offset))
            }
            _ => Err(Error::new(format!("`{entry}` has no layout"))),
        }
    }

    /// The functions and the table's entry of a route.
    pub(super) fn route(&mut self, route: &Route) -> Result<(), Error> {
        let place = |error: Error| in_place(&error, &format!("route `{}`", route.name));
        let method = names::exported(&route.name);
        self.encode(route, &method).map_err(place)?;
        self.decode(route, &method).map_err(place)?;
        self.items(route, &method).map_err(place)?;
        let args = client::args(route, self.lowering)?;
        let values: Vec<String> = args
            .iter()
            .enumerate()
            .map(|(index, (_, rep))| format!(", args[{index}].({})", rep.go(self.names)))
            .collect();
        let has_result = client::result(route, self.lowering)? != Rep::Unit;
        let table = &mut self.table;
        table.open("{");
        table.line(&format!("Name: \"{}\",", route.name));
        table.open("Encode: func(w *cell.Writer, args []any) {");
        match values.is_empty() {
            true => table.line("// The route has no arguments."),
            false => table.line(&format!("encode{method}(w{})", values.concat())),
        }
        table.close("},");
        table.open("Decode: func(r *cell.Reader) (any, error) {");
        match has_result {
            true => table.line(&format!("return decode{method}(r)")),
            false => table.line(&format!("return nil, decode{method}(r)")),
        }
        table.close("},");
        table.close("},");
        Ok(())
    }

    fn encode(&mut self, route: &Route, method: &str) -> Result<(), Error> {
        let args = client::args(route, self.lowering)?;
        if args.is_empty() {
            return Ok(());
        }
        self.encoder(&format!("encode{method}"), &args, &route.req)
    }

    /// What reads and writes the items of a route's streams, a batch at a time.
    fn items(&mut self, route: &Route, method: &str) -> Result<(), Error> {
        let list = |ty: &Ty| Ty::Vec(Box::new(ty.clone()));
        if let Some(item) = &route.takes {
            let list = list(item);
            let items = [("items".to_owned(), self.lowering.route(&list)?)];
            let name = format!("putItemsOf{method}");
            self.encoder(&name, &items, &Ty::Tuple(vec![list]))?;
        }
        if let Some(item) = &route.yields {
            let rep = self.lowering.route(&list(item))?;
            let mut text = Text::default();
            text.open(&format!(
                "func itemsOf{method}(r *cell.Reader) (v {}, err error) {{",
                rep.go(self.names)
            ));
            text.line(&format!("v = {}", self.root(&rep)?));
            text.line("return v, r.Close()");
            text.close("}");
            self.functions.append(text);
        }
        Ok(())
    }

    /// What writes the archive of a tuple.
    fn encoder(&mut self, name: &str, args: &[(String, Rep)], tuple: &Ty) -> Result<(), Error> {
        let parameters: Vec<String> = args
            .iter()
            .map(|(name, rep)| format!("{name} {}", rep.go(self.names)))
            .collect();
        let parameters = parameters.join(", ");
        let archived = self.layouts.of(tuple)?;
        let Form::Tuple(parts) = &archived.form else {
            return Err(Error::new("the request is no tuple"));
        };
        let mut text = Text::default();
        text.open(&format!("func {name}(w *cell.Writer, {parameters}) {{"));
        let mut puts = Vec::new();
        for ((name, rep), part) in args.iter().zip(parts) {
            if let Some(write) = self.write(rep, name)? {
                text.line(&write);
            }
            puts.extend(self.put(rep, At::new("at").plus(part.offset), name)?);
        }
        if !puts.is_empty() {
            text.open(&format!(
                "if at, ok := w.Place(0, 1, {}, {}); ok {{",
                archived.size, archived.align
            ));
            puts.iter().for_each(|put| text.line(put));
            text.close("}");
        }
        text.close("}");
        self.functions.append(text);
        Ok(())
    }

    fn decode(&mut self, route: &Route, method: &str) -> Result<(), Error> {
        let result = client::result(route, self.lowering)?;
        let returns = match &result {
            Rep::Unit => "(err error)".to_owned(),
            rep => format!("(v {}, err error)", rep.go(self.names)),
        };
        let value = if result == Rep::Unit { "" } else { "v, " };
        let mut text = Text::default();
        text.open(&format!("func decode{method}(r *cell.Reader) {returns} {{"));
        match &route.err {
            Some(err) => {
                let rep = self.lowering.route(err)?;
                text.open("if r.Failed() {");
                text.line(&format!("e := {}", self.root(&rep)?));
                text.open("if err = r.Close(); err != nil {");
                text.line(&format!("return {value}err"));
                text.close("}");
                match self.errors.holds(&rep) {
                    true => text.line(&format!("return {value}e")),
                    false => text.line(&format!(
                        "return {value}&cell.HandlerError[{}]{{Value: e}}",
                        rep.go(self.names)
                    )),
                }
                text.close("}");
            }
            None => text.line("r.Unexpected()"),
        }
        if result != Rep::Unit {
            text.line(&format!("v = {}", self.root(&result)?));
        }
        text.line(&format!("return {value}r.Close()"));
        text.close("}");
        self.functions.append(text);
        Ok(())
    }

    /// What reads the root of an archive.
    fn root(&mut self, rep: &Rep) -> Result<String, Error> {
        let archived = self.layout(rep)?;
        let root = format!("r.Root({}, {})", archived.size, archived.align);
        self.read(rep, At::new(&root))
    }
}

fn no_layout(rep: &Rep) -> Error {
    Error::new(format!("`{}` has no layout of its kind", rep.ty()))
}
