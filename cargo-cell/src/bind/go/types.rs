//! Structs and enums.

use std::collections::BTreeSet;

use cell_runtime::schema::{Error, Field, Kind, Shape, Snapshot, Ty, TypeDef};

use super::names::{self, Names};
use super::rep::{Lowering, Rep};
use super::text::{Text, has_docs};

/// The definitions that handlers answer with as errors, and that therefore are errors in Go.
pub(super) struct Errors(BTreeSet<String>);

impl Errors {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut errors = BTreeSet::new();
        for mut ty in snapshot
            .routes
            .iter()
            .filter_map(|route| route.err.as_ref())
        {
            while let Ty::Box(inner) = ty {
                ty = inner;
            }
            if let Ty::Named(name, _) = ty
                && snapshot.type_def(name).is_some_and(|def| !has_error(def))
            {
                errors.insert(name.clone());
            }
        }
        Errors(errors)
    }

    /// Whether a value of this type is an error by itself.
    pub(super) fn holds(&self, rep: &Rep) -> bool {
        match rep {
            Rep::Inline(inner) => self.holds(inner),
            Rep::Named(name, _) => self.0.contains(name),
            _ => false,
        }
    }
}

/// A field named `Error` leaves no room for the method.
fn has_error(def: &TypeDef) -> bool {
    let has = |shape: Shape, fields: &[Field]| {
        fields
            .iter()
            .any(|field| names::field(shape, fields.len(), &field.name) == "Error")
    };
    has(def.shape, &def.fields)
        || def
            .variants
            .iter()
            .any(|variant| has(variant.shape, &variant.fields))
}

pub(super) struct Types<'a> {
    pub(super) names: &'a Names,
    pub(super) lowering: &'a Lowering<'a>,
    pub(super) errors: &'a Errors,
}

impl Types<'_> {
    pub(super) fn definition(&self, text: &mut Text, def: &TypeDef) -> Result<(), Error> {
        match def.kind {
            Kind::Struct => {
                let name = names::exported(&def.name);
                docs(text, &def.docs, &format!("{name} is `{}`.", def.name));
                self.structure(text, &name, def, def.shape, &def.fields)?;
                self.error(text, &name, &def.name, def, def.fields.is_empty());
            }
            Kind::Enum if names::is_plain_enum(def) => self.numbers(text, def),
            Kind::Enum => self.interface(text, def)?,
        }
        Ok(())
    }

    /// `[T0, T1]` behind a name, or nothing.
    fn arguments(&self, def: &TypeDef) -> String {
        let names: Vec<String> = (0..def.params)
            .map(|index| self.names.parameter(index))
            .collect();
        match names.is_empty() {
            true => String::new(),
            false => format!("[{}]", names.join(", ")),
        }
    }

    /// `[T0, T1 any]` where a type is defined.
    fn parameters(&self, def: &TypeDef) -> String {
        let arguments = self.arguments(def);
        match arguments.strip_suffix(']') {
            Some(list) => format!("{list} any]"),
            None => arguments,
        }
    }

    fn structure(
        &self,
        text: &mut Text,
        name: &str,
        def: &TypeDef,
        shape: Shape,
        fields: &[Field],
    ) -> Result<(), Error> {
        let head = format!("type {name}{} struct", self.parameters(def));
        if fields.is_empty() {
            text.line(&format!("{head}{{}}"));
            text.line("");
            return Ok(());
        }
        text.open(&format!("{head} {{"));
        // A field with documentation is set apart, those without stand in columns.
        let mut run: Vec<(String, String)> = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let name = names::field(shape, fields.len(), &field.name);
            let rep = self.lowering.field(def, &field.ty, &[]).map_err(|error| {
                in_place(&error, &format!("field `{}` of `{}`", field.name, def.name))
            })?;
            let row = (name, rep.go(self.names));
            if !has_docs(&field.docs) {
                run.push(row);
                continue;
            }
            flush(text, &mut run);
            if index > 0 {
                text.line("");
            }
            text.docs(&field.docs);
            text.line(&format!("{} {}", row.0, row.1));
            if index + 1 < fields.len() && !has_docs(&fields[index + 1].docs) {
                text.line("");
            }
        }
        flush(text, &mut run);
        text.close("}");
        text.line("");
        Ok(())
    }

    /// An enum whose variants hold nothing.
    fn numbers(&self, text: &mut Text, def: &TypeDef) {
        let name = names::exported(&def.name);
        docs(text, &def.docs, &format!("{name} is `{}`.", def.name));
        text.line(&format!("type {name} uint8"));
        text.line("");
        text.line(&format!("// The values of {name}."));
        text.open("const (");
        for (index, variant) in def.variants.iter().enumerate() {
            if index > 0 && has_docs(&variant.docs) {
                text.line("");
            }
            text.docs(&variant.docs);
            let constant = names::variant(def, variant);
            match index {
                0 => text.line(&format!("{constant} {name} = iota")),
                _ => text.line(&constant),
            }
        }
        text.close(")");
        text.line("");
        text.line("// String returns the name that the value has in Rust.");
        text.open(&format!("func (v {name}) String() string {{"));
        text.line("switch v {");
        for variant in &def.variants {
            text.open(&format!("case {}:", names::variant(def, variant)));
            text.line(&format!("return \"{}\"", variant.name));
            text.dedent();
        }
        text.line("}");
        text.line("return \"unknown\"");
        text.close("}");
        text.line("");
        if self.errors.0.contains(&def.name) {
            text.line("// Error says what the handler answered.");
            text.open(&format!("func (v {name}) Error() string {{"));
            text.line(&format!("return \"{}: \" + v.String()", def.name));
            text.close("}");
            text.line("");
        }
    }

    /// An enum whose variants hold something: an interface that only its variants have.
    fn interface(&self, text: &mut Text, def: &TypeDef) -> Result<(), Error> {
        let name = names::exported(&def.name);
        let variants: Vec<String> = def
            .variants
            .iter()
            .map(|variant| format!("[{}]", names::variant(def, variant)))
            .collect();
        docs(text, &def.docs, &format!("{name} is `{}`.", def.name));
        text.line("//");
        text.line(&format!("// It is one of {}.", variants.join(", ")));
        text.open(&format!("type {name}{} interface {{", self.parameters(def)));
        if self.errors.0.contains(&def.name) {
            text.line("error");
        }
        let arguments: Vec<String> = (0..def.params)
            .map(|index| self.names.parameter(index))
            .collect();
        let arguments = arguments.join(", ");
        text.line(&format!("is{name}({arguments})"));
        text.close("}");
        text.line("");
        for variant in &def.variants {
            let own = names::variant(def, variant);
            docs(
                text,
                &variant.docs,
                &format!("{own} is `{}::{}`.", def.name, variant.name),
            );
            self.structure(text, &own, def, variant.shape, &variant.fields)?;
            let receiver = format!("{own}{}", self.arguments(def));
            text.line(&format!("func ({receiver}) is{name}({arguments}) {{}}"));
            text.line("");
            let rust = format!("{}::{}", def.name, variant.name);
            self.error(text, &own, &rust, def, variant.fields.is_empty());
        }
        Ok(())
    }

    /// The method that makes a struct an error.
    fn error(&self, text: &mut Text, name: &str, rust: &str, def: &TypeDef, is_empty: bool) {
        if !self.errors.0.contains(&def.name) {
            return;
        }
        let receiver = format!("{name}{}", self.arguments(def));
        text.line("// Error says what the handler answered.");
        if is_empty {
            text.open(&format!("func ({receiver}) Error() string {{"));
            text.line(&format!("return \"{rust}\""));
        } else {
            text.open(&format!("func (e {receiver}) Error() string {{"));
            text.line(&format!("type fields {receiver}"));
            text.line(&format!("return fmt.Sprintf(\"{rust}: %+v\", fields(e))"));
        }
        text.close("}");
        text.line("");
    }
}

/// The schema's documentation, or a sentence where it has none.
pub(super) fn docs(text: &mut Text, docs: &str, otherwise: &str) {
    match has_docs(docs) {
        true => text.docs(docs),
        false => text.docs(otherwise),
    }
}

fn flush(text: &mut Text, run: &mut Vec<(String, String)>) {
    text.columns(run.iter().map(|(name, ty)| (name.as_str(), ty.as_str())));
    run.clear();
}

/// The error with the Rust item that it is about in front.
pub(super) fn in_place(error: &Error, place: &str) -> Error {
    let said = Error::new(format!("{place}: {}", error.message()));
    match error.help() {
        Some(help) => said.hint(help),
        None => said,
    }
}
