//! `messages.py`: the types of the schema.

use cell_runtime::schema::layout::Layouts;
use cell_runtime::schema::{Error, Field, Kind, Shape, Snapshot, TypeDef};

use super::names::{self, Names};
use super::rep::{Lowering, Style, parameters, used_by};
use super::text::Text;

/// The text of `messages.py`.
pub(super) fn messages(
    snapshot: &Snapshot,
    names: &Names,
    lowering: &Lowering<'_>,
) -> Result<String, Error> {
    let mut types = Types {
        style: Style {
            names,
            lowering,
            own: "",
            shared: "_cell.",
            is_among_methods: false,
            takes: None,
        },
        layouts: Layouts::new(snapshot),
    };
    let mut body = Text::default();
    let params = snapshot
        .types
        .iter()
        .map(|def| def.params)
        .max()
        .unwrap_or_default();
    for index in 0..params {
        let name = names.parameter(index);
        body.line(&format!("{name} = _typing.TypeVar(\"{name}\")"));
    }
    for def in &snapshot.types {
        types.definition(&mut body, def)?;
    }
    let body = body.finish();

    let mut text = Text::default();
    super::head(&mut text);
    text.docs(&format!("The messages of `{}`.", snapshot.name));
    text.line("");
    text.line("from __future__ import annotations");
    let modules = [
        ("dataclasses", "_dataclasses"),
        ("enum", "_enum"),
        ("typing", "_typing"),
    ];
    let used: Vec<_> = modules
        .iter()
        .filter(|(_, alias)| body.contains(&format!("{alias}.")))
        .collect();
    if !used.is_empty() {
        text.line("");
    }
    for (module, alias) in used {
        text.line(&format!("import {module} as {alias}"));
    }
    if body.contains("_cell.") {
        text.line("");
        text.line("from .. import _cell");
    }
    let body = body.trim_start_matches('\n');
    if !body.is_empty() {
        // Two empty lines in front of a class.
        text.line("");
        if params == 0 {
            text.line("");
        }
    }
    Ok(format!("{}{body}", text.as_str()))
}

struct Types<'a> {
    style: Style<'a>,
    layouts: Layouts<'a>,
}

impl Types<'_> {
    fn definition(&mut self, text: &mut Text, def: &TypeDef) -> Result<(), Error> {
        let names = self.style.names;
        let class = names::class(&def.name);
        if def.kind == Kind::Struct {
            let base = if names.is_error(def) {
                Some("_cell.HandlerError")
            } else {
                None
            };
            let docs = said(&def.docs, &format!("`{}`.", def.name));
            return self.structure(text, &class, def, def.shape, &def.fields, &docs, base);
        }
        if names.is_plain(def) {
            text.item(|text| plain(text, &class, def));
            return Ok(());
        }
        let docs = said(&def.docs, &format!("`{}`.", def.name));
        let is_error = names.is_error(def);
        if is_error {
            text.item(|text| {
                text.open(&format!("class {class}(_cell.HandlerError):"));
                text.docs(&docs);
                text.dedent();
            });
        }
        let base = if is_error { Some(class.as_str()) } else { None };
        let mut members = Vec::new();
        for variant in &def.variants {
            let own = names::variant(def, variant);
            let docs = said(&variant.docs, &format!("`{}::{}`.", def.name, variant.name));
            self.structure(text, &own, def, variant.shape, &variant.fields, &docs, base)?;
            let used = used_by(variant.fields.iter().map(|field| &field.ty));
            let args: Vec<String> = used
                .into_iter()
                .map(|index| names.parameter(index))
                .collect();
            members.push(match args.is_empty() {
                true => own,
                false => format!("{own}[{}]", args.join(", ")),
            });
        }
        if is_error {
            return Ok(());
        }
        let mut union = Text::default();
        union.operands(&format!("{class}: _typing.TypeAlias = "), &members, "|");
        union.docs(&docs);
        text.line("");
        text.line("");
        text.put(union);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a class is all of this")]
    fn structure(
        &mut self,
        text: &mut Text,
        class: &str,
        def: &TypeDef,
        shape: Shape,
        fields: &[Field],
        docs: &str,
        error: Option<&str>,
    ) -> Result<(), Error> {
        let names = self.style.names;
        let params: Vec<usize> = match def.kind {
            Kind::Struct => parameters(def, names),
            Kind::Enum => used_by(fields.iter().map(|field| &field.ty))
                .into_iter()
                .collect(),
        };
        let mut options: Vec<&str> = Vec::new();
        if error.is_some() {
            options.push("unsafe_hash=True");
        } else {
            options.push("frozen=True");
            if params.is_empty() {
                options.push("slots=True");
            }
        }
        if shape == Shape::Named && !fields.is_empty() {
            options.push("kw_only=True");
        }
        let mut rows = Vec::new();
        for field in fields {
            let name = names.field(def, shape, fields.len(), &field.name);
            let rep = self
                .style
                .lowering
                .field(def, &field.ty, &[], &mut self.layouts);
            let rep = rep.map_err(|error| {
                in_place(&error, &format!("field `{}` of `{}`", field.name, def.name))
            })?;
            rows.push((name, rep.python(&self.style)?, field.docs.as_str()));
        }
        let bases = match (error, params.is_empty()) {
            (Some(base), _) => format!("({base})"),
            (None, true) => String::new(),
            (None, false) => {
                let params: Vec<String> =
                    params.iter().map(|index| names.parameter(*index)).collect();
                format!("(_cell.Slotted, _typing.Generic[{}])", params.join(", "))
            }
        };
        text.item(|text| {
            text.line(&format!("@_dataclasses.dataclass({})", options.join(", ")));
            text.open(&format!("class {class}{bases}:"));
            text.docs(docs);
            if error.is_none() && !params.is_empty() {
                let mut slots: Vec<&str> = rows.iter().map(|(name, ..)| name.as_str()).collect();
                slots.sort_by_cached_key(|name| names::natural(name));
                let slots: Vec<String> = slots.iter().map(|name| format!("\"{name}\"")).collect();
                let comma = if slots.len() == 1 { "," } else { "" };
                text.line("");
                text.list("__slots__ = (", &slots, &format!("{comma})"));
            }
            if !rows.is_empty() {
                text.line("");
            }
            for (index, (name, ty, docs)) in rows.iter().enumerate() {
                text.line(&format!("{name}: {ty}"));
                if !docs.trim().is_empty() {
                    text.docs(docs);
                    if index + 1 < rows.len() {
                        text.line("");
                    }
                }
            }
            text.dedent();
        });
        Ok(())
    }
}

/// An enum without data.
fn plain(text: &mut Text, class: &str, def: &TypeDef) {
    text.open(&format!("class {class}(_enum.Enum):"));
    text.docs(&said(&def.docs, &format!("`{}`.", def.name)));
    if !def.variants.is_empty() {
        text.line("");
    }
    for (index, variant) in def.variants.iter().enumerate() {
        text.line(&format!("{} = {index}", names::member(&variant.name)));
        if !variant.docs.trim().is_empty() {
            text.docs(&variant.docs);
            if index + 1 < def.variants.len() {
                text.line("");
            }
        }
    }
    text.dedent();
}

/// The schema's documentation, or a sentence where it has none.
pub(super) fn said(docs: &str, otherwise: &str) -> String {
    match docs.trim().is_empty() {
        true => otherwise.to_owned(),
        false => docs.to_owned(),
    }
}

/// The error with the Rust item that it is about in front.
pub(super) fn in_place(error: &Error, place: &str) -> Error {
    let said = Error::new(format!("{place}: {}", error.message()));
    match error.help() {
        Some(help) => said.hint(help),
        None => said,
    }
}
