//! A model as Rust source, in many ways that all mean the same.

use std::fmt::Write as _;

use cell_sdk::schema::{Field, Kind, Prim, Shape, Ty, TypeDef};

use super::value::{Value, definition, filled, signed};
use super::{Model, Rng};

/// What an edit of the source changes that no byte on the wire shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Style {
    Plain,
    Comments,
    Docs,
    Formatting,
    ItemOrder,
    Bodies,
    Helpers,
    Derives,
    Aliases,
}

impl Style {
    /// Every way that is not the plain one.
    pub const EDITS: [Style; 8] = [
        Style::Comments,
        Style::Docs,
        Style::Formatting,
        Style::ItemOrder,
        Style::Bodies,
        Style::Helpers,
        Style::Derives,
        Style::Aliases,
    ];
}

/// The service's module, called `module`.
pub fn source(model: &Model, module: &str, style: Style, seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let mut items: Vec<String> = model
        .types
        .iter()
        .map(|def| type_source(def, style, &mut rng))
        .collect();
    for route in &model.routes {
        let args: Vec<String> = route
            .args
            .iter()
            .map(|arg| format!("{}: {}", arg.name, alias(&arg.ty, style)))
            .collect();
        let answer = match &route.err {
            Some(err) => format!("Result<{}, {}>", rust(&route.res), rust(err)),
            None => rust(&route.res),
        };
        let body = match style {
            Style::Bodies => format!("let step = {}; panic!(\"{{step}}\")", rng.below(1000)),
            _ => "unimplemented!()".to_owned(),
        };
        let note = note(style, &mut rng);
        items.push(format!(
            "{note}#[cell::handler]\nasync fn {}({}) -> {answer} {{ {body} }}\n",
            route.name,
            args.join(", ")
        ));
    }
    match style {
        Style::ItemOrder => shuffle(&mut items, &mut rng),
        Style::Helpers => items.push(format!(
            "pub const HELPER: usize = {};\npub fn helper() -> usize {{ HELPER }}\n",
            rng.below(1000)
        )),
        Style::Aliases => items.push("pub type Text = String;\n".to_owned()),
        _ => {}
    }
    let mut text = items.join("\n");
    if style == Style::Formatting {
        text = text
            .replace('\n', " ")
            .replace(", ", " ,\n\n\t")
            .replace("{ ", "{\n        ");
    }
    format!(
        "#[cell::service(name = \"{}\")]\npub mod {module} {{\nuse std::collections::{{BTreeMap, BTreeSet}};\nuse cell_sdk::cell;\n{text}}}\n",
        model.name
    )
}

fn shuffle(items: &mut [String], rng: &mut Rng) {
    for index in (1..items.len()).rev() {
        items.swap(index, rng.below(index + 1));
    }
}

fn note(style: Style, rng: &mut Rng) -> String {
    match style {
        Style::Comments => format!(
            "// Note {}: \" */ }} {{\n/* and {} */\n",
            rng.below(1000),
            rng.below(1000)
        ),
        Style::Docs => format!(
            "/// Docs {} with */ and \"\"\" and `code`.\n",
            rng.below(1000)
        ),
        _ => String::new(),
    }
}

/// A type under another name, where the style says so.
fn alias(ty: &Ty, style: Style) -> String {
    match (style, ty) {
        (Style::Aliases, Ty::String) => "Text".to_owned(),
        _ => rust(ty),
    }
}

fn type_source(def: &TypeDef, style: Style, rng: &mut Rng) -> String {
    let params: Vec<String> = (0..def.params).map(|index| format!("P{index}")).collect();
    let params = if params.is_empty() {
        String::new()
    } else {
        format!("<{}>", params.join(", "))
    };
    let derives = if style == Style::Derives {
        "#[derive(Clone, Debug)]\n#[allow(dead_code)]\n"
    } else {
        ""
    };
    let head = format!(
        "{}{derives}#[derive(cell::Protein)]\npub ",
        note(style, rng)
    );
    match def.kind {
        Kind::Struct => {
            let end = if def.shape == Shape::Named { "" } else { ";" };
            let fields = fields_source(def.shape, &def.fields, "pub ", style, rng);
            format!("{head}struct {}{params}{fields}{end}\n", def.name)
        }
        Kind::Enum => {
            let variants: Vec<String> = def
                .variants
                .iter()
                .map(|variant| {
                    let note = note(style, rng);
                    format!(
                        "{note}{}{}",
                        variant.name,
                        fields_source(variant.shape, &variant.fields, "", style, rng)
                    )
                })
                .collect();
            format!(
                "{head}enum {}{params} {{ {} }}\n",
                def.name,
                variants.join(", ")
            )
        }
    }
}

fn fields_source(
    shape: Shape,
    fields: &[Field],
    visible: &str,
    style: Style,
    rng: &mut Rng,
) -> String {
    let mut field = |field: &Field| {
        let note = note(style, rng);
        match shape {
            Shape::Named => format!("{note}{visible}{}: {}", field.name, alias(&field.ty, style)),
            _ => format!("{note}{visible}{}", alias(&field.ty, style)),
        }
    };
    let fields: Vec<String> = fields.iter().map(&mut field).collect();
    match shape {
        Shape::Unit => String::new(),
        Shape::Named => format!(" {{ {} }}", fields.join(", ")),
        Shape::Tuple => format!("({})", fields.join(", ")),
    }
}

/// A type expression in Rust.
pub(super) fn rust(ty: &Ty) -> String {
    let list = |tys: &[Ty]| tys.iter().map(rust).collect::<Vec<_>>().join(", ");
    match ty {
        Ty::Prim(prim) => prim.name().to_owned(),
        Ty::String => "String".to_owned(),
        Ty::Duration => "std::time::Duration".to_owned(),
        Ty::Vec(a) => format!("Vec<{}>", rust(a)),
        Ty::Array(a, len) => format!("[{}; {len}]", rust(a)),
        Ty::Option(a) => format!("Option<{}>", rust(a)),
        Ty::Box(a) => format!("Box<{}>", rust(a)),
        Ty::Set(a) => format!("BTreeSet<{}>", rust(a)),
        Ty::Map(a, b) => format!("BTreeMap<{}, {}>", rust(a), rust(b)),
        Ty::Result(a, b) => format!("Result<{}, {}>", rust(a), rust(b)),
        Ty::Tuple(tys) if tys.len() == 1 => format!("({},)", rust(&tys[0])),
        Ty::Tuple(tys) => format!("({})", list(tys)),
        Ty::Param(index) => format!("P{index}"),
        Ty::Named(name, args) if args.is_empty() => name.clone(),
        Ty::Named(name, args) => format!("{name}<{}>", list(args)),
    }
}

/// Statements that archive values of a model: each calls `out` with a number and the bytes.
pub fn archive_source(model: &Model, module: &str, values: &[(usize, Ty, Value)]) -> String {
    let mut text = format!("{{\nuse std::collections::{{BTreeMap, BTreeSet}};\nuse {module}::*;\n");
    for (number, ty, value) in values {
        let _ = writeln!(
            text,
            "let value: {} = {};\nout({number}, &value);",
            rust(ty),
            expression(model, ty, value)
        );
    }
    text.push_str("}\n");
    text
}

fn expression(model: &Model, ty: &Ty, value: &Value) -> String {
    let all = |tys: &[Ty], parts: &[Value]| -> Vec<String> {
        tys.iter()
            .zip(parts)
            .map(|(ty, part)| expression(model, ty, part))
            .collect()
    };
    let each = |ty: &Ty, parts: &[Value]| {
        parts
            .iter()
            .map(|part| expression(model, ty, part))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (ty, value) {
        (Ty::Box(of), value) => format!("Box::new({})", expression(model, of, value)),
        (Ty::Prim(prim), Value::Prim(bits)) => prim_expression(*prim, *bits),
        (_, Value::String(text)) => format!("{text:?}.to_owned()"),
        (_, Value::Duration(secs, nanos)) => format!("std::time::Duration::new({secs}, {nanos})"),
        (Ty::Vec(item), Value::Parts(parts)) => format!("vec![{}]", each(item, parts)),
        (Ty::Array(item, _), Value::Parts(parts)) => format!("[{}]", each(item, parts)),
        (Ty::Set(item), Value::Parts(parts)) => format!("BTreeSet::from([{}])", each(item, parts)),
        (Ty::Map(key, of), Value::Entries(entries)) => {
            let entry = |(a, b): &(Value, Value)| {
                format!(
                    "({}, {})",
                    expression(model, key, a),
                    expression(model, of, b)
                )
            };
            format!(
                "BTreeMap::from([{}])",
                entries.iter().map(entry).collect::<Vec<_>>().join(", ")
            )
        }
        (Ty::Tuple(tys), Value::Parts(parts)) => match all(tys, parts).as_slice() {
            [one] => format!("({one},)"),
            many => format!("({})", many.join(", ")),
        },
        (Ty::Option(of), Value::Variant(_, parts)) => match parts.first() {
            Some(part) => format!("Some({})", expression(model, of, part)),
            None => "None".to_owned(),
        },
        (Ty::Result(ok, err), Value::Variant(tag, parts)) => match tag {
            0 => format!("Ok({})", expression(model, ok, &parts[0])),
            _ => format!("Err({})", expression(model, err, &parts[0])),
        },
        (Ty::Named(name, args), Value::Parts(parts)) => {
            let def = definition(model, name);
            format!(
                "{name}{}",
                literal(
                    def.shape,
                    &def.fields,
                    &all(&filled(&def.fields, args), parts)
                )
            )
        }
        (Ty::Named(name, args), Value::Variant(tag, parts)) => {
            let variant = &definition(model, name).variants[*tag];
            let values = all(&filled(&variant.fields, args), parts);
            format!(
                "{name}::{}{}",
                variant.name,
                literal(variant.shape, &variant.fields, &values)
            )
        }
        _ => unreachable!("{value:?} is no {ty}"),
    }
}

fn literal(shape: Shape, fields: &[Field], values: &[String]) -> String {
    match shape {
        Shape::Unit => String::new(),
        Shape::Tuple => format!("({})", values.join(", ")),
        Shape::Named => {
            let fields = fields
                .iter()
                .zip(values)
                .map(|(field, value)| format!("{}: {value}", field.name));
            format!(" {{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn prim_expression(prim: Prim, bits: u128) -> String {
    match (prim, signed(prim, bits)) {
        (Prim::Bool, _) => (bits == 1).to_string(),
        (Prim::Char, _) => format!("{:?}", char::from_u32(bits as u32).unwrap_or_default()),
        (Prim::F32, _) => format!("f32::from_bits({bits})"),
        (Prim::F64, _) => format!("f64::from_bits({bits})"),
        (_, Some(number)) => format!("({number}{})", prim.name()),
        (_, None) => format!("{bits}{}", prim.name()),
    }
}
