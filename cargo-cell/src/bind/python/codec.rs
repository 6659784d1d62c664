//! `codec.py`: how each type that a route reaches is read from an archive and written to one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cell_runtime::schema::layout::{Form, Layouts};
use cell_runtime::schema::{Error, Kind, Route, Snapshot};

use super::labels::Labels;
use super::names::{self, Names, error_name};
use super::rep::{Lowering, Rep, Style};
use super::text::Text;
use super::types::in_place;

/// What holds an archived type: each field's type and place, or those of each variant.
pub(super) type Parts = Vec<(Rep, u32)>;

/// Writes `codec.py`.
pub(super) struct Codec<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) names: &'a Names,
    pub(super) lowering: &'a Lowering<'a>,
    pub(super) layouts: Layouts<'a>,
    pub(super) labels: Labels,
    pub(super) routes: Text,
    table: Vec<String>,
    /// The types that still need a function to read them, or to write them.
    pub(super) to_read: Wanted,
    pub(super) to_write: Wanted,
    /// Enums without data, whose members are looked up by number.
    pub(super) members: BTreeMap<String, String>,
    /// Whether a type reaches itself, or one that does.
    deep: BTreeMap<Rep, bool>,
}

/// Types that wait, and all that ever did.
#[derive(Default)]
pub(super) struct Wanted {
    waiting: Vec<Rep>,
    seen: BTreeSet<Rep>,
}

impl Wanted {
    pub(super) fn add(&mut self, rep: &Rep) {
        if self.seen.insert(rep.clone()) {
            self.waiting.push(rep.clone());
        }
    }
}

/// Where a value lies.
#[derive(Clone)]
pub(super) struct At {
    base: String,
    offset: u32,
}

impl At {
    pub(super) fn new(base: &str) -> Self {
        At {
            base: base.to_owned(),
            offset: 0,
        }
    }

    pub(super) fn plus(&self, offset: u32) -> Self {
        At {
            base: self.base.clone(),
            offset: self.offset + offset,
        }
    }

    /// Whether it can be written twice.
    pub(super) fn is_simple(&self) -> bool {
        !self.base.contains('(')
    }
}

/// How deep a value lies.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    is_below: bool,
    levels: usize,
}

impl Depth {
    /// This deep in a message.
    pub(super) fn fixed(levels: usize) -> Self {
        Depth {
            is_below: false,
            levels,
        }
    }

    /// This far below what a function reads or writes.
    pub(super) fn below(levels: usize) -> Self {
        Depth {
            is_below: true,
            levels,
        }
    }

    pub(super) fn plus(self, levels: usize) -> Self {
        Depth {
            levels: self.levels + levels,
            ..self
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_below, self.levels) {
            (false, levels) => write!(f, "{levels}"),
            (true, 0) => f.write_str("depth"),
            (true, levels) => write!(f, "depth + {levels}"),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.base.as_str(), self.offset) {
            ("", offset) => write!(f, "{offset}"),
            (base, 0) => f.write_str(base),
            (base, offset) => write!(f, "{base} + {offset}"),
        }
    }
}

impl<'a> Codec<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        names: &'a Names,
        lowering: &'a Lowering<'a>,
    ) -> Self {
        Codec {
            snapshot,
            names,
            lowering,
            layouts: Layouts::new(snapshot),
            labels: Labels::default(),
            routes: Text::default(),
            table: Vec::new(),
            to_read: Wanted::default(),
            to_write: Wanted::default(),
            members: BTreeMap::new(),
            deep: BTreeMap::new(),
        }
    }

    pub(super) fn style(&self) -> Style<'a> {
        Style {
            names: self.names,
            lowering: self.lowering,
            own: "t.",
            shared: "c.",
            is_among_methods: false,
            takes: None,
        }
    }

    /// The functions of a route.
    pub(super) fn route(&mut self, route: &Route) -> Result<(), Error> {
        self.request(route)
            .and_then(|()| self.answers(route))
            .and_then(|()| self.streamed(route))
            .map_err(|error| in_place(&error, &format!("route `{}`", route.name)))
    }

    fn request(&mut self, route: &Route) -> Result<(), Error> {
        let archived = self.layouts.of(&route.req)?;
        let (Form::Tuple(parts), size, align) = (&archived.form, archived.size, archived.align)
        else {
            return Err(Error::new("its request is no tuple"));
        };
        let style = Style {
            takes: Some("abc."),
            ..self.style()
        };
        let mut params = Vec::new();
        let mut body = Vec::new();
        for (part, arg) in parts.iter().zip(&route.args) {
            let rep = self.lowering.route(&arg.ty, &mut self.layouts)?;
            let name = local(&arg.name);
            params.push(format!("{name}: {}", rep.python(&style)?));
            self.write(
                &mut body,
                &rep,
                "p",
                &At::new("").plus(part.offset),
                &name,
                &Depth::fixed(2),
            )?;
        }
        let name = &route.name;
        self.routes.item(|text| {
            text.list(&format!("def request_{name}("), &params, ") -> bytes:");
            text.open_body();
            text.line("w = c.Writer()");
            if body.is_empty() {
                text.line(&format!("with w.root({size}, {align}):"));
                text.open_body();
                text.line("pass");
            } else {
                text.open(&format!("with w.root({size}, {align}) as p:"));
                body.iter().for_each(|line| text.statement(line));
            }
            text.dedent();
            text.line("return w.finish()");
            text.dedent();
        });
        Ok(())
    }

    fn answers(&mut self, route: &Route) -> Result<(), Error> {
        let name = &route.name;
        let rep = self.lowering.route(&route.res, &mut self.layouts)?;
        let ty = rep.python(&self.style())?;
        self.answer(&format!("answer_{name}"), &rep, &ty, "", "")?;
        let mut parts = vec![
            format!("\"{name}\""),
            super::client::digits(route.fingerprint),
            format!("request_{name}"),
            format!("answer_{name}"),
        ];
        if let Some(err) = &route.err {
            let rep = self.lowering.route(err, &mut self.layouts)?;
            let (ty, open, close) = match error_name(err) {
                Some(_) => (rep.python(&self.style())?, "", ""),
                None => ("c.ErrorValue".to_owned(), "c.ErrorValue(", ")"),
            };
            self.answer(&format!("error_{name}"), &rep, &ty, open, close)?;
            parts.push(format!("error_{name}"));
        }
        self.routes.line("");
        self.routes.line("");
        let mut text = Text::default();
        text.list(&format!("route_{name} = c.Route("), &parts, ")");
        self.routes.put(text);
        self.table.push(format!("\"{name}\": route_{name}"));
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        name: &str,
        rep: &Rep,
        ty: &str,
        open: &str,
        close: &str,
    ) -> Result<(), Error> {
        let archived = rep.layout(&mut self.layouts)?;
        let value = self.read(rep, &At::new("at"), &Depth::fixed(1))?;
        let (size, align) = (archived.size, archived.align);
        self.routes.item(|text| {
            text.list(
                &format!("def {name}("),
                &["payload: bytes".to_owned()],
                &format!(") -> {ty}:"),
            );
            text.open_body();
            text.line("r = c.Reader(payload)");
            if has_word(&value, "at") {
                text.line(&format!("at = r.root({size}, {align})"));
            } else {
                text.line(&format!("r.root({size}, {align})"));
            }
            match value.as_str() {
                // A function that gives nothing; an error of the type `()` is still an error.
                "None" if open.is_empty() => {}
                value => text.line(&format!("return {open}{value}{close}")),
            }
            text.dedent();
        });
        Ok(())
    }

    /// Whether values of a type can nest without end, so that how deep they are has to be counted.
    pub(super) fn is_deep(&mut self, rep: &Rep) -> Result<bool, Error> {
        if let Some(known) = self.deep.get(rep) {
            return Ok(*known);
        }
        // What a type reaches; it is deep where something of that reaches itself.
        let mut edges: BTreeMap<Rep, Vec<Rep>> = BTreeMap::new();
        let mut open = vec![rep.clone()];
        while let Some(next) = open.pop() {
            if edges.contains_key(&next) {
                continue;
            }
            let inside = self.inside(&next)?;
            open.extend(inside.iter().cloned());
            edges.insert(next, inside);
        }
        let mut left: BTreeMap<&Rep, usize> = edges
            .iter()
            .map(|(rep, inside)| (rep, inside.len()))
            .collect();
        let mut users: BTreeMap<&Rep, Vec<&Rep>> = BTreeMap::new();
        for (user, inside) in &edges {
            for used in inside {
                users.entry(used).or_default().push(user);
            }
        }
        // Types whose parts are all shallow are shallow; what is never reached that way is deep.
        let mut shallow: Vec<&Rep> = left
            .iter()
            .filter(|(_, left)| **left == 0)
            .map(|(rep, _)| *rep)
            .collect();
        while let Some(next) = shallow.pop() {
            left.remove(next);
            for user in users.get(next).into_iter().flatten() {
                if let Some(count) = left.get_mut(*user) {
                    *count -= 1;
                    if *count == 0 {
                        shallow.push(user);
                    }
                }
            }
        }
        let found: Vec<(Rep, bool)> = edges
            .keys()
            .map(|rep| (rep.clone(), left.contains_key(rep)))
            .collect();
        self.deep.extend(found);
        Ok(self.deep.get(rep).copied().unwrap_or_default())
    }

    /// The types directly inside of a type.
    fn inside(&mut self, rep: &Rep) -> Result<Vec<Rep>, Error> {
        Ok(match rep {
            Rep::List(a)
            | Rep::Set(a)
            | Rep::Array(a, _)
            | Rep::Option(a)
            | Rep::Some(a)
            | Rep::Boxed(a) => {
                vec![(**a).clone()]
            }
            Rep::Dict(a, b) | Rep::Pairs(a, b) | Rep::Result(a, b) => {
                vec![(**a).clone(), (**b).clone()]
            }
            Rep::Tuple(reps) => reps.clone(),
            Rep::Named(..) => {
                let variants = self.parts(rep)?;
                variants.into_iter().flatten().map(|(rep, _)| rep).collect()
            }
            _ => Vec::new(),
        })
    }

    /// The fields of a struct, or of each variant of an enum, with their places.
    pub(super) fn parts(&mut self, rep: &Rep) -> Result<Vec<Parts>, Error> {
        let Rep::Named(name, args) = rep else {
            return Ok(Vec::new());
        };
        let def = self.lowering.def(name)?;
        let archived = rep.layout(&mut self.layouts)?;
        let mut variants = Vec::new();
        let shapes: Vec<_> = match (&archived.form, def.kind) {
            (Form::Struct(_, parts), Kind::Struct) => vec![(&def.fields, parts)],
            (Form::Enum(choices), Kind::Enum) => def
                .variants
                .iter()
                .zip(choices)
                .map(|(variant, choice)| (&variant.fields, &choice.parts))
                .collect(),
            _ => {
                return Err(Error::new(format!(
                    "`{name}` is laid out as something else"
                )));
            }
        };
        for (fields, places) in shapes {
            let mut parts = Vec::new();
            for (field, place) in fields.iter().zip(places) {
                let rep = self
                    .lowering
                    .field(def, &field.ty, args, &mut self.layouts)?;
                parts.push((rep, place.offset));
            }
            variants.push(parts);
        }
        Ok(variants)
    }

    /// The text of `codec.py`.
    pub(super) fn finish(mut self) -> Result<String, Error> {
        let mut functions: BTreeMap<String, Text> = BTreeMap::new();
        loop {
            if let Some(rep) = self.to_read.waiting.pop() {
                let text = self.reader(&rep)?;
                functions.insert(format!("{} 1", self.labels.of(&rep)), text);
            } else if let Some(rep) = self.to_write.waiting.pop() {
                let text = self.writer(&rep)?;
                functions.insert(format!("{} 2", self.labels.of(&rep)), text);
            } else {
                break;
            }
        }
        let mut body = Text::default();
        if !self.members.is_empty() {
            body.line("");
            for (constant, class) in &self.members {
                body.line(&format!("{constant} = tuple(t.{class})"));
            }
        }
        for text in functions.into_values() {
            body.line("");
            body.line("");
            body.put(text);
        }
        body.put(self.routes);
        body.line("");
        body.line("");
        match self.table.as_slice() {
            [] => body.line("ROUTES: dict[str, c.Route[Any]] = {}"),
            table => body.list("ROUTES: dict[str, c.Route[Any]] = {", table, "}"),
        }
        let mut text = Text::default();
        super::head(&mut text);
        text.docs(&format!(
            "The archives of `{}`, read and written.",
            self.snapshot.name
        ));
        text.line("");
        text.line("from __future__ import annotations");
        text.line("");
        if body.as_str().contains("abc.") {
            text.line("from collections import abc");
        }
        text.line("from typing import Any");
        text.line("");
        text.line("from .. import _cell as c");
        if has_word(body.as_str(), "t") {
            text.line("from . import messages as t");
        }
        Ok(format!("{}{}", text.as_str(), body.finish()))
    }
}

/// What an argument is called beside the codec's own names.
fn local(name: &str) -> String {
    let name = names::identifier(name);
    let own = ["abc", "c", "p", "t", "w", "len", "sorted", "enumerate"];
    match own.contains(&name.as_str()) || name.starts_with("write_") {
        true => format!("{name}_"),
        false => name,
    }
}

/// Whether a text mentions a name.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        !before.is_some_and(|c| part(c) || c == '.') && !behind.is_some_and(part)
    })
}
