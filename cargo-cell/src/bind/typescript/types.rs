//! `types.ts`: the types of the schema.

use cell_runtime::schema::{Error, Field, Kind, Shape, Snapshot, TypeDef, Variant};

use super::names::{property, type_name, variant_property};
use super::schema::{Schema, is_newtype, is_plain_enum};
use super::text::{Text, quoted};

pub(super) fn types(snapshot: &Snapshot, schema: &Schema<'_>) -> Result<String, Error> {
    let mut body = Text::default();
    for def in &snapshot.types {
        definition(&mut body, def, schema).map_err(|error| named(def, &error))?;
        body.end_item();
    }
    let body = body.finish();
    let mut text = Text::headed(&format!("the types of `{}`", snapshot.name));
    if body.contains("cell.") {
        text.line("import type * as cell from \"../cell/index.js\";");
        text.end_item();
    }
    if snapshot.types.is_empty() {
        text.line("export {};");
    }
    Ok(format!("{}\n{}", text.finish(), body.trim_start())
        .trim_end()
        .to_owned()
        + "\n")
}

fn named(def: &TypeDef, error: &Error) -> Error {
    Error::new(format!("type `{}`: {error}", def.name))
}

fn definition(text: &mut Text, def: &TypeDef, schema: &Schema<'_>) -> Result<(), Error> {
    let params: Vec<String> = (0..def.params)
        .map(|index| schema.names.parameter(index, def.params))
        .collect();
    let params = match params.is_empty() {
        true => String::new(),
        false => format!("<{}>", params.join(", ")),
    };
    let name = format!("{}{params}", type_name(&def.name));
    let of = |field: &Field| schema.text(&field.ty, "", def.params);
    text.docs(&def.docs);
    match (def.kind, def.shape) {
        (Kind::Enum, _) if is_plain_enum(def) => {
            plain_enum(text, &name, def);
            Ok(())
        }
        (Kind::Enum, _) => data_enum(text, &name, def, schema),
        (Kind::Struct, Shape::Unit) => {
            text.line(&format!("export type {name} = undefined;"));
            Ok(())
        }
        (Kind::Struct, Shape::Tuple) if is_newtype(def) && !schema.is_boxed(def) => {
            let inner = def.fields.first().map(of).transpose()?.unwrap_or_default();
            text.line(&format!("export type {name} = {inner};"));
            Ok(())
        }
        (Kind::Struct, Shape::Tuple) if is_newtype(def) => {
            text.open(&format!("export interface {name} {{"));
            for field in &def.fields {
                text.line(&format!("readonly value: {};", of(field)?));
            }
            text.close("}");
            Ok(())
        }
        (Kind::Struct, Shape::Tuple) => {
            let items: Vec<String> = def.fields.iter().map(of).collect::<Result<_, _>>()?;
            text.line(&format!(
                "export type {name} = readonly [{}];",
                items.join(", ")
            ));
            Ok(())
        }
        (Kind::Struct, Shape::Named) if def.fields.is_empty() => {
            text.line(&format!("export type {name} = Record<string, never>;"));
            Ok(())
        }
        (Kind::Struct, Shape::Named) => {
            text.open(&format!("export interface {name} {{"));
            for field in &def.fields {
                text.docs(&field.docs);
                text.line(&format!(
                    "readonly {}: {};",
                    property(&field.name),
                    of(field)?
                ));
            }
            text.close("}");
            Ok(())
        }
    }
}

fn plain_enum(text: &mut Text, name: &str, def: &TypeDef) {
    let variants: Vec<String> = def
        .variants
        .iter()
        .map(|variant| quoted(&variant.name))
        .collect();
    if !short_union(text, name, &variants) {
        union(text, name, &variants);
    }
}

/// Writes a union whose members are on one line, the first or the second, if they fit.
fn short_union(text: &mut Text, name: &str, members: &[String]) -> bool {
    let head = format!("export type {name} =");
    let members = format!("{};", members.join(" | "));
    let line = format!("{head} {members}");
    if text.fits(&line) {
        text.line(&line);
        return true;
    }
    text.indent();
    let fits = text.fits(&members);
    text.dedent();
    if fits {
        text.open(&head);
        text.line(&members);
        text.dedent();
    }
    fits
}

fn union(text: &mut Text, name: &str, members: &[String]) {
    text.open(&format!("export type {name} ="));
    for (index, member) in members.iter().enumerate() {
        let end = if index + 1 == members.len() { ";" } else { "" };
        text.line(&format!("| {member}{end}"));
    }
    text.dedent();
}

/// The members of a variant: documentation, then `readonly name: type`.
fn members(
    def: &TypeDef,
    variant: &Variant,
    schema: &Schema<'_>,
) -> Result<Vec<(String, String)>, Error> {
    let of = |field: &Field| schema.text(&field.ty, "", def.params);
    let mut members = vec![(
        variant.docs.clone(),
        format!("readonly kind: {}", quoted(&variant.name)),
    )];
    match (variant.shape, variant.fields.as_slice()) {
        (_, []) | (Shape::Unit, _) => {}
        (Shape::Tuple, [one]) => {
            members.push((one.docs.clone(), format!("readonly value: {}", of(one)?)))
        }
        (Shape::Tuple, many) => {
            let items: Vec<String> = many.iter().map(of).collect::<Result<_, _>>()?;
            members.push((
                String::new(),
                format!("readonly value: readonly [{}]", items.join(", ")),
            ));
        }
        (Shape::Named, fields) => {
            for field in fields {
                let name = variant_property(&field.name);
                members.push((
                    field.docs.clone(),
                    format!("readonly {name}: {}", of(field)?),
                ));
            }
        }
    }
    Ok(members)
}

fn data_enum(text: &mut Text, name: &str, def: &TypeDef, schema: &Schema<'_>) -> Result<(), Error> {
    let mut variants = Vec::new();
    for variant in &def.variants {
        variants.push(members(def, variant, schema)?);
    }
    let flat = |members: &[(String, String)]| {
        let members: Vec<&str> = members.iter().map(|(_, member)| member.as_str()).collect();
        format!("{{ {} }}", members.join("; "))
    };
    let has_docs =
        |members: &[(String, String)]| members.iter().any(|(docs, _)| !docs.trim().is_empty());
    if let [only] = variants.as_slice() {
        let line = format!("export type {name} = {};", flat(only));
        if text.fits(&line) && !has_docs(only) {
            text.line(&line);
            return Ok(());
        }
        text.open(&format!("export type {name} = {{"));
        object(text, only);
        text.close("};");
        return Ok(());
    }
    let all: Vec<String> = variants.iter().map(|members| flat(members)).collect();
    let is_documented = variants.iter().any(|members| has_docs(members));
    if !is_documented && short_union(text, name, &all) {
        return Ok(());
    }
    text.open(&format!("export type {name} ="));
    for (index, members) in variants.iter().enumerate() {
        let end = if index + 1 == variants.len() { ";" } else { "" };
        let line = format!("| {}{end}", flat(members));
        if text.fits(&line) && !has_docs(members) {
            text.line(&line);
            continue;
        }
        text.open("| {");
        text.indent();
        object(text, members);
        text.close(&format!("}}{end}"));
        text.dedent();
    }
    text.dedent();
    Ok(())
}

fn object(text: &mut Text, members: &[(String, String)]) {
    for (docs, member) in members {
        text.docs(docs);
        text.line(&format!("{member};"));
    }
}
