//! Names that Rust accepts and that do not collide, and types as Rust writes them.

use std::collections::BTreeSet;

use cell_runtime::schema::{Error, Prim, Shape, Snapshot, Ty};

/// The names of a binding's own items: they give way to the schema's.
pub(super) struct Names {
    pub(super) client: String,
    pub(super) pooled: String,
    pub(super) connect: String,
    pub(super) cell: String,
    pub(super) fingerprint: String,
    /// What type parameters start with.
    parameter: String,
    /// The client's own methods.
    pub(super) deadline: String,
}

impl Names {
    pub(super) fn of(snapshot: &Snapshot) -> Result<Self, Error> {
        let types: BTreeSet<&str> = snapshot.types.iter().map(|def| def.name.as_str()).collect();
        let routes: BTreeSet<&str> = snapshot
            .routes
            .iter()
            .map(|route| route.name.as_str())
            .collect();
        // A struct without named fields is a function or a constant as well.
        let both = snapshot
            .types
            .iter()
            .find(|def| def.shape != Shape::Named && routes.contains(def.name.as_str()));
        if let Some(def) = both {
            return Err(Error::new(format!(
                "`{}` has a type and a route named `{}`, which one Rust module cannot hold",
                snapshot.name, def.name
            ))
            .hint("rename the route, or the type with `#[protein(name = \"…\")]`"));
        }
        let all: BTreeSet<&str> = types.union(&routes).copied().collect();
        let mut parameter = "T".to_owned();
        while types.iter().any(|name| is_numbered(name, &parameter)) {
            parameter.push('T');
        }
        Ok(Names {
            client: free("Client", &all),
            pooled: free("client", &all),
            connect: free("connect", &all),
            cell: free("CELL", &all),
            fingerprint: free("FINGERPRINT", &all),
            parameter,
            deadline: free("deadline", &routes),
        })
    }

    /// `<T0, T1>`, or nothing.
    pub(super) fn parameters(&self, count: usize) -> String {
        if count == 0 {
            return String::new();
        }
        let names: Vec<String> = (0..count).map(|index| self.parameter(index)).collect();
        format!("<{}>", names.join(", "))
    }

    fn parameter(&self, index: usize) -> String {
        format!("{}{index}", self.parameter)
    }

    /// A type as Rust writes it. Names of the standard library that a schema may use too are written in full.
    pub(super) fn ty(&self, ty: &Ty) -> String {
        let list = |tys: &[Ty]| {
            let tys: Vec<String> = tys.iter().map(|ty| self.ty(ty)).collect();
            tys.join(", ")
        };
        match ty {
            Ty::Prim(prim) => prim.name().to_owned(),
            Ty::String => "String".to_owned(),
            Ty::Duration => "::core::time::Duration".to_owned(),
            Ty::Vec(item) => format!("Vec<{}>", self.ty(item)),
            Ty::Array(item, len) => format!("[{}; {len}]", self.ty(item)),
            Ty::Option(inner) => format!("Option<{}>", self.ty(inner)),
            Ty::Box(inner) => format!("Box<{}>", self.ty(inner)),
            Ty::Set(item) if is_ordered(item) => {
                format!("::std::collections::BTreeSet<{}>", self.ty(item))
            }
            Ty::Set(item) => format!("Vec<{}>", self.ty(item)),
            Ty::Map(key, value) if is_ordered(key) => format!(
                "::std::collections::BTreeMap<{}, {}>",
                self.ty(key),
                self.ty(value)
            ),
            Ty::Map(key, value) => format!("Vec<({}, {})>", self.ty(key), self.ty(value)),
            Ty::Result(ok, err) => format!("Result<{}, {}>", self.ty(ok), self.ty(err)),
            Ty::Tuple(tys) if tys.len() == 1 => format!("({},)", list(tys)),
            Ty::Tuple(tys) => format!("({})", list(tys)),
            Ty::Param(index) => self.parameter(*index),
            Ty::Named(name, args) if args.is_empty() => identifier(name),
            Ty::Named(name, args) => format!("{}<{}>", identifier(name), list(args)),
        }
    }
}

/// Whether Rust orders the values of a type. Generated types are not ordered: a float may be in them.
fn is_ordered(ty: &Ty) -> bool {
    match ty {
        Ty::Prim(Prim::F32 | Prim::F64) | Ty::Param(_) | Ty::Named(..) => false,
        // A set or a map of what is ordered is a tree, and trees are ordered.
        _ => ty.children().all(is_ordered),
    }
}

/// A name as an identifier of Rust. The few words that cannot be escaped do not pass the schema's checks.
pub(super) fn identifier(name: &str) -> String {
    const KEYWORDS: [&str; 47] = [
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do",
        "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in",
        "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
        "return", "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe",
        "unsized", "use", "virtual", "where", "while",
    ];
    match KEYWORDS.contains(&name) || name == "yield" {
        true => format!("r#{name}"),
        false => name.to_owned(),
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// `name`, with `_` behind it until nothing else has it.
fn free(name: &str, taken: &BTreeSet<&str>) -> String {
    let mut name = name.to_owned();
    while taken.contains(name.as_str()) {
        name.push('_');
    }
    name
}
