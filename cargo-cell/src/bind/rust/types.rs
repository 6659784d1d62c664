//! Structs and enums.

use cell_runtime::schema::{Field, Kind, Shape, TypeDef, Variant};

use super::names::{Names, identifier};
use super::text::{Limit, Text};

/// What rustfmt puts on one line of a variant with named fields.
const VARIANT_WIDTH: usize = 35;
/// What rustfmt puts on one line of a struct expression.
const LITERAL_WIDTH: usize = 18;

pub(super) fn definition(text: &mut Text, def: &TypeDef, names: &Names) {
    text.docs(&def.docs);
    text.line("#[derive(::cell_sdk::cell::Protein, Clone, Debug, PartialEq)]");
    let name = identifier(&def.name);
    let parameters = names.parameters(def.params);
    match def.kind {
        Kind::Enum => {
            text.open(&format!("pub enum {name}{parameters} {{"));
            variants(text, &def.variants, names);
            text.close("}");
        }
        Kind::Struct => structure(text, def, &format!("pub struct {name}{parameters}"), names),
    }
    text.end_item();
    let named = def.kind == Kind::Struct && def.shape == Shape::Named;
    if named && !def.fields.is_empty() {
        builders(text, def, &format!("{name}{parameters}"), names);
    }
}

fn structure(text: &mut Text, def: &TypeDef, head: &str, names: &Names) {
    match def.shape {
        Shape::Unit => text.line(&format!("{head};")),
        Shape::Tuple => tuple(text, head, &def.fields, "pub ", ";", names),
        Shape::Named if def.fields.is_empty() => text.line(&format!("{head} {{}}")),
        Shape::Named => {
            text.open(&format!("{head} {{"));
            for field in &def.fields {
                text.docs(&field.docs);
                text.line(&format!("pub {}", named_field(field, names)));
            }
            text.close("}");
        }
    }
}

fn named_field(field: &Field, names: &Names) -> String {
    format!("{}: {},", identifier(&field.name), names.ty(&field.ty))
}

fn tuple(text: &mut Text, head: &str, fields: &[Field], public: &str, end: &str, names: &Names) {
    if fields.iter().all(|field| field.docs.trim().is_empty()) {
        let items: Vec<String> = fields
            .iter()
            .map(|field| format!("{public}{}", names.ty(&field.ty)))
            .collect();
        return text.list(head, &items, end, Limit::Types);
    }
    text.open(&format!("{head}("));
    for field in fields {
        text.docs(&field.docs);
        text.line(&format!("{public}{},", names.ty(&field.ty)));
    }
    text.close(&format!("){end}"));
}

/// Where some variants take several lines and some take one, rustfmt opens every variant with named fields.
fn variants(text: &mut Text, variants: &[Variant], names: &Names) {
    let lines = |variant: &Variant| {
        let mut alone = text.nested();
        self::variant(&mut alone, variant, VARIANT_WIDTH, names);
        alone.lines()
    };
    let counts: Vec<usize> = variants.iter().map(lines).collect();
    let mixed = counts.contains(&1) && counts.iter().any(|lines| *lines > 1);
    let width = if mixed { 0 } else { VARIANT_WIDTH };
    for variant in variants {
        self::variant(text, variant, width, names);
    }
}

fn variant(text: &mut Text, variant: &Variant, width: usize, names: &Names) {
    text.docs(&variant.docs);
    let name = identifier(&variant.name);
    match variant.shape {
        Shape::Unit => text.line(&format!("{name},")),
        Shape::Tuple => tuple(text, &name, &variant.fields, "", ",", names),
        Shape::Named => {
            let fields: Vec<String> = variant
                .fields
                .iter()
                .map(|field| named_field(field, names))
                .collect();
            let documented = variant
                .fields
                .iter()
                .any(|field| !field.docs.trim().is_empty());
            let joined = fields.join(" ");
            let joined = joined.trim_end_matches(',');
            if joined.is_empty() {
                return text.line(&format!("{name} {{}},"));
            }
            if !documented && joined.len() <= width {
                return text.line(&format!("{name} {{ {joined} }},"));
            }
            text.open(&format!("{name} {{"));
            for (field, line) in variant.fields.iter().zip(&fields) {
                text.docs(&field.docs);
                text.line(line);
            }
            text.close("},");
        }
    }
}

/// A constructor with every field, so that a new field is a compile error where values are made, and one setter each.
fn builders(text: &mut Text, def: &TypeDef, ty: &str, names: &Names) {
    let parameters = names.parameters(def.params);
    text.open(&format!("impl{parameters} {ty} {{"));
    let arguments: Vec<String> = def
        .fields
        .iter()
        .map(|field| format!("{}: {}", identifier(&field.name), names.ty(&field.ty)))
        .collect();
    text.line(&format!("/// A `{}` with these fields.", def.name));
    text.line("#[must_use]");
    text.list("pub fn new", &arguments, " -> Self {", Limit::Line);
    text.open_block();
    literal(text, def);
    text.close("}");
    for field in &def.fields {
        let name = identifier(&field.name);
        text.line("");
        text.line(&format!("/// The same with another `{}`.", field.name));
        text.line("#[must_use]");
        let arguments = [
            "mut self".to_owned(),
            format!("{name}: {}", names.ty(&field.ty)),
        ];
        let head = format!("pub fn with_{}", field.name);
        text.list(&head, &arguments, " -> Self {", Limit::Line);
        text.open_block();
        text.line(&format!("self.{name} = {name};"));
        text.line("self");
        text.close("}");
    }
    text.close("}");
    text.end_item();
}

fn literal(text: &mut Text, def: &TypeDef) {
    let fields: Vec<String> = def
        .fields
        .iter()
        .map(|field| identifier(&field.name))
        .collect();
    let joined = fields.join(", ");
    if joined.len() <= LITERAL_WIDTH {
        return text.line(&format!("Self {{ {joined} }}"));
    }
    text.open("Self {");
    for field in fields {
        text.line(&format!("{field},"));
    }
    text.close("}");
}
