//! Names as TypeScript writes them: converted, kept off what is reserved, and never two alike.

use std::collections::{BTreeMap, BTreeSet};

use cell_runtime::schema::{Error, Field, Shape, Snapshot, TypeDef};

/// Words that cannot name a function or a parameter of a module.
const RESERVED: [&str; 52] = [
    "abstract",
    "any",
    "arguments",
    "as",
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "with",
];

/// More words, and the names of the language's own types and of what generated files import.
const RESERVED_TYPES: [&str; 28] = [
    "Array",
    "ArrayBuffer",
    "Error",
    "Promise",
    "Reader",
    "ReadonlyArray",
    "ReadonlyMap",
    "ReadonlySet",
    "Record",
    "Uint8Array",
    "Writer",
    "asserts",
    "bigint",
    "boolean",
    "cell",
    "constructor",
    "declare",
    "infer",
    "is",
    "keyof",
    "never",
    "number",
    "object",
    "readonly",
    "string",
    "symbol",
    "unique",
    "unknown",
];

/// The names that a binding uses.
#[derive(Debug)]
pub(super) struct Names {
    /// Rust's name of a route to the function's.
    routes: BTreeMap<String, String>,
    /// What type parameters start with.
    parameter: String,
    /// Every name that the schema has in the file of the client.
    taken: BTreeSet<String>,
}

impl Names {
    pub(super) fn of(snapshot: &Snapshot) -> Result<Self, Error> {
        let what = format!("`{}`", snapshot.name);
        let types = distinct(
            &what,
            "type",
            snapshot
                .types
                .iter()
                .map(|def| (def.name.as_str(), type_name(&def.name))),
        )?;
        let routes = distinct(
            &what,
            "route",
            snapshot
                .routes
                .iter()
                .map(|route| (route.name.as_str(), function(&route.name))),
        )?;
        for (name, ts) in &routes {
            if let Some((def, _)) = types.iter().find(|(_, def)| *def == ts) {
                return Err(clash(&what, ("type", def), ("route", name), ts));
            }
        }
        for def in &snapshot.types {
            check_fields(def)?;
        }
        let mut taken: BTreeSet<String> = types
            .into_values()
            .chain(routes.values().cloned())
            .collect();
        for route in &snapshot.routes {
            let what = format!("`{}`", route.name);
            let args = route
                .args
                .iter()
                .map(|arg| (arg.name.as_str(), parameter(&arg.name)));
            taken.extend(distinct(&what, "argument", args)?.into_values());
        }
        let mut parameter = "T".to_owned();
        while taken.iter().any(|name| is_numbered(name, &parameter)) {
            parameter.push('T');
        }
        Ok(Names {
            routes,
            parameter,
            taken,
        })
    }

    /// The function of a route.
    pub(super) fn route<'a>(&'a self, route: &'a str) -> &'a str {
        self.routes.get(route).map_or(route, String::as_str)
    }

    /// `name`, with `_` behind it until the schema does not have it.
    pub(super) fn free(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.taken.contains(&name) {
            name.push('_');
        }
        name
    }

    /// The type parameter with this number, of so many.
    pub(super) fn parameter(&self, index: usize, count: usize) -> String {
        match count {
            1 => self.parameter.clone(),
            _ => format!("{}{index}", self.parameter),
        }
    }
}

/// The name of a type.
pub(super) fn type_name(name: &str) -> String {
    let reserved = RESERVED.contains(&name) || RESERVED_TYPES.contains(&name) || name == "yield";
    escaped(name.to_owned(), reserved)
}

/// The name of a property; any word can be one.
pub(super) fn property(name: &str) -> String {
    let name = camel(name);
    let reserved = name == "__proto__";
    escaped(name, reserved)
}

/// The name of a field of a variant, beside the variant's own.
pub(super) fn variant_property(name: &str) -> String {
    let name = property(name);
    let reserved = name == "kind";
    escaped(name, reserved)
}

/// The name of a function's parameter.
pub(super) fn parameter(name: &str) -> String {
    let name = camel(name);
    let reserved = RESERVED.contains(&name.as_str()) || name == "yield";
    escaped(name, reserved)
}

/// The name of a route's function and method. Something with a `then` would be awaited by an `import()`.
fn function(name: &str) -> String {
    let name = parameter(name);
    let reserved = matches!(name.as_str(), "constructor" | "then" | "__proto__");
    escaped(name, reserved)
}

fn escaped(mut name: String, reserved: bool) -> String {
    if reserved {
        name.push('_');
    }
    name
}

/// `hover_t` is `hoverT`; underscores at both ends stay.
fn camel(name: &str) -> String {
    let inner = name.trim_matches('_');
    let leading = name.len() - name.trim_start_matches('_').len();
    let trailing = name.len() - name.trim_end_matches('_').len();
    let mut out = "_".repeat(leading);
    let mut upper = false;
    for c in inner.chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out.push_str(&"_".repeat(trailing));
    out
}

/// `getState` is `GetState`.
pub(super) fn pascal(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn check_fields(def: &TypeDef) -> Result<(), Error> {
    let names = |fields: &[Field], name: fn(&str) -> String| -> Vec<(String, String)> {
        let fields = fields.iter();
        fields
            .map(|field| (field.name.clone(), name(&field.name)))
            .collect()
    };
    let check = |what: String, names: Vec<(String, String)>| {
        let names = names.iter().map(|(rust, ts)| (rust.as_str(), ts.clone()));
        distinct(&what, "field", names).map(drop)
    };
    if def.shape == Shape::Named {
        check(format!("`{}`", def.name), names(&def.fields, property))?;
    }
    for variant in &def.variants {
        if variant.shape == Shape::Named {
            let what = format!("`{}::{}`", def.name, variant.name);
            check(what, names(&variant.fields, variant_property))?;
        }
    }
    Ok(())
}

/// Rust's names to TypeScript's, or an error that names the two that are one there.
fn distinct<'a>(
    what: &str,
    kind: &str,
    names: impl Iterator<Item = (&'a str, String)>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (rust, ts) in names {
        if let Some(other) = seen.insert(ts.clone(), rust) {
            return Err(clash(what, (kind, other), (kind, rust), &ts));
        }
        all.insert(rust.to_owned(), ts);
    }
    Ok(all)
}

fn clash(what: &str, a: (&str, &str), b: (&str, &str), ts: &str) -> Error {
    Error::new(format!(
        "{what} has a {} `{}` and a {} `{}`, which are both `{ts}` in TypeScript",
        a.0, a.1, b.0, b.1
    ))
    .hint("rename one of them in Rust")
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}
