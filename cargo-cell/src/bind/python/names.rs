//! Names that Python accepts, as Python's authors write them, and that do not collide.

use std::collections::{BTreeMap, BTreeSet};

use cell_runtime::schema::{Error, Field, Kind, Shape, Snapshot, TypeDef, Variant};

/// What annotations say: a name of the schema must not hide it.
const BUILTINS: [&str; 10] = [
    "bool",
    "bytes",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "property",
    "str",
    "tuple",
];

/// What the shared package gives to every binding, which gives it on.
pub(super) const SHARED: [&str; 21] = [
    "ArchiveError",
    "BadRequestError",
    "CallCancelledError",
    "CallError",
    "CellError",
    "DeadlineExceededError",
    "DrainingError",
    "Duration",
    "Err",
    "ErrorValue",
    "HandlerError",
    "InternalError",
    "NotFoundError",
    "Ok",
    "OverloadedError",
    "RefusedError",
    "SchemaMismatchError",
    "Some",
    "UnavailableError",
    "UnknownRouteError",
    "traceparent",
];

/// The names of a binding.
pub(super) struct Names {
    /// What each of the binding's own items is called: those of the schema come first.
    own: BTreeMap<&'static str, String>,
    /// What the client's own method is called.
    pub(super) close: String,
    /// What Python calls each type and variant, and what that is in the schema.
    taken: BTreeMap<String, String>,
    /// The types that handlers answer with instead of a value.
    errors: BTreeSet<String>,
    /// What type parameters start with.
    parameter: String,
    /// What annotations say and a route is called too.
    hidden: BTreeSet<String>,
}

impl Names {
    pub(super) fn of(snapshot: &Snapshot) -> Result<Self, Error> {
        let mut names = Names {
            own: BTreeMap::new(),
            close: String::new(),
            taken: BTreeMap::new(),
            errors: errors(snapshot),
            parameter: "T".to_owned(),
            hidden: BTreeSet::new(),
        };
        for def in &snapshot.types {
            names.definition(def)?;
        }
        let is_parameter = |name: &String, prefix: &str| {
            let digits = name.strip_prefix(prefix);
            digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        };
        while names
            .taken
            .keys()
            .any(|name| is_parameter(name, &names.parameter))
        {
            names.parameter.push('T');
        }
        for def in &snapshot.types {
            names.fields(&format!("`{}`", def.name), def, def.shape, &def.fields)?;
            for variant in &def.variants {
                let place = format!("`{}::{}`", def.name, variant.name);
                names.fields(&place, def, variant.shape, &variant.fields)?;
            }
        }
        let routes = names.routes(snapshot)?;
        for own in SHARED.into_iter().chain([
            "AsyncClient",
            "CELL",
            "Client",
            "FINGERPRINT",
            "aio",
            "connect",
        ]) {
            let name = free(own, |name| {
                names.taken.contains_key(name) || routes.contains_key(name)
            });
            names.own.insert(own, name);
        }
        names.close = free("close", |name| routes.contains_key(name));
        let hidden = routes
            .into_keys()
            .filter(|name| BUILTINS.contains(&name.as_str()));
        names.hidden = hidden.collect();
        Ok(names)
    }

    fn take(&mut self, name: String, what: String) -> Result<(), Error> {
        if let Some(other) = self.taken.get(&name) {
            return Err(
                Error::new(format!("{other} and {what} are both `{name}` in Python")).hint(
                    "rename one, or give a type another name with `#[protein(name = \"…\")]`",
                ),
            );
        }
        self.taken.insert(name, what);
        Ok(())
    }

    fn definition(&mut self, def: &TypeDef) -> Result<(), Error> {
        self.take(class(&def.name), format!("the type `{}`", def.name))?;
        if self.is_plain(def) {
            let mut seen: BTreeMap<String, &str> = BTreeMap::new();
            for variant in &def.variants {
                let name = member(&variant.name);
                if let Some(other) = seen.insert(name.clone(), &variant.name) {
                    return Err(both(
                        &format!(
                            "the variants `{other}` and `{}` of `{}`",
                            variant.name, def.name
                        ),
                        &name,
                    ));
                }
            }
            return Ok(());
        }
        for variant in &def.variants {
            let what = format!("the variant `{}::{}`", def.name, variant.name);
            self.take(self::variant(def, variant), what)?;
        }
        Ok(())
    }

    fn fields(
        &self,
        place: &str,
        def: &TypeDef,
        shape: Shape,
        fields: &[Field],
    ) -> Result<(), Error> {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for field in fields {
            let name = self.field(def, shape, fields.len(), &field.name);
            if let Some(other) = seen.insert(name.clone(), &field.name) {
                return Err(both(
                    &format!("the fields `{other}` and `{}` of {place}", field.name),
                    &name,
                ));
            }
        }
        Ok(())
    }

    fn routes<'a>(&self, snapshot: &'a Snapshot) -> Result<BTreeMap<String, &'a str>, Error> {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for route in &snapshot.routes {
            let name = identifier(&route.name);
            if let Some(what) = self.taken.get(&name) {
                return Err(both(
                    &format!("{what} and the route `{}`", route.name),
                    &name,
                ));
            }
            if let Some(other) = seen.insert(name.clone(), &route.name) {
                return Err(both(
                    &format!("the routes `{other}` and `{}`", route.name),
                    &name,
                ));
            }
        }
        Ok(seen)
    }

    /// What an item of the binding itself is called where the schema may have one of its name.
    pub(super) fn own<'a>(&'a self, name: &'a str) -> &'a str {
        self.own.get(name).map_or(name, String::as_str)
    }

    /// Every type, in order.
    pub(super) fn classes(&self) -> impl Iterator<Item = &str> {
        self.taken.keys().map(String::as_str)
    }

    /// What a field is called: in a tuple by its number, and the only one simply `value`.
    pub(super) fn field(&self, def: &TypeDef, shape: Shape, count: usize, name: &str) -> String {
        let name = match shape {
            Shape::Tuple if count == 1 => return "value".to_owned(),
            Shape::Tuple => return format!("v{name}"),
            Shape::Named | Shape::Unit => identifier(name),
        };
        // Inside of the class the field would stand for them.
        let hides = BUILTINS.contains(&name.as_str())
            || self.taken.contains_key(&name)
            || (0..def.params).any(|index| self.parameter(index) == name);
        let is_exceptions =
            self.is_error(def) && ["add_note", "args", "with_traceback"].contains(&name.as_str());
        match hides || is_exceptions {
            true => format!("{name}_"),
            false => name,
        }
    }

    /// The name of a type parameter.
    pub(super) fn parameter(&self, index: usize) -> String {
        format!("{}{index}", self.parameter)
    }

    /// Whether a handler answers with values of this type instead of its own.
    pub(super) fn is_error(&self, def: &TypeDef) -> bool {
        self.errors.contains(&def.name)
    }

    /// Whether an enum is one of Python's: none of its variants holds anything.
    pub(super) fn is_plain(&self, def: &TypeDef) -> bool {
        let is_empty = def.variants.iter().all(|variant| variant.fields.is_empty());
        def.kind == Kind::Enum && is_empty && !self.is_error(def)
    }

    /// Whether a route hides a type that is built in.
    pub(super) fn is_hidden(&self, name: &str) -> bool {
        self.hidden.contains(name)
    }
}

fn both(what: &str, name: &str) -> Error {
    Error::new(format!("{what} are both `{name}` in Python")).hint("rename one of them")
}

/// The types that are exceptions: definitions that a route names as its error.
fn errors(snapshot: &Snapshot) -> BTreeSet<String> {
    let errors = snapshot
        .routes
        .iter()
        .filter_map(|route| route.err.as_ref());
    errors.filter_map(error_name).map(str::to_owned).collect()
}

/// The definition that is raised as it is. One with parameters is not: Python cannot catch `Wrong[str]`.
pub(super) fn error_name(ty: &cell_runtime::schema::Ty) -> Option<&str> {
    match ty {
        cell_runtime::schema::Ty::Named(name, args) if args.is_empty() => Some(name),
        _ => None,
    }
}

/// What a class is called.
pub(super) fn class(name: &str) -> String {
    let name = identifier(name);
    match BUILTINS.contains(&name.as_str()) {
        true => format!("{name}_"),
        false => name,
    }
}

/// What the class of a variant is called.
pub(super) fn variant(def: &TypeDef, variant: &Variant) -> String {
    identifier(&format!("{}{}", class(&def.name), variant.name))
}

/// What a variant without data is called: `DARK_GREEN`.
pub(super) fn member(name: &str) -> String {
    identifier(&snake(name).to_ascii_uppercase())
}

/// `DarkGreen` as `dark_green`.
pub(super) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|at| chars.get(at));
        let behind = chars.get(index + 1);
        let starts = c.is_ascii_uppercase()
            && (before.is_some_and(char::is_ascii_lowercase)
                || (before.is_some_and(char::is_ascii_alphanumeric)
                    && behind.is_some_and(char::is_ascii_lowercase)));
        if starts {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// A name as an identifier. Underscores in front mean something in Python, and move to the end.
pub(super) fn identifier(name: &str) -> String {
    let rest = name.trim_start_matches('_');
    let under = name.len() - rest.len();
    let digit = rest.starts_with(|c: char| c.is_ascii_digit());
    let mut name = format!(
        "{}{rest}{}",
        if digit { "n" } else { "" },
        "_".repeat(under)
    );
    if is_keyword(&name) {
        name.push('_');
    }
    name
}

/// Whether a word is none that an identifier can be.
pub(super) fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 36] = [
        "False",
        "None",
        "True",
        "__debug__",
        "and",
        "as",
        "assert",
        "async",
        "await",
        "break",
        "class",
        "continue",
        "def",
        "del",
        "elif",
        "else",
        "except",
        "finally",
        "for",
        "from",
        "global",
        "if",
        "import",
        "in",
        "is",
        "lambda",
        "nonlocal",
        "not",
        "or",
        "pass",
        "raise",
        "return",
        "try",
        "while",
        "with",
        "yield",
    ];
    KEYWORDS.contains(&name)
}

/// `name`, with `_` behind it until nothing else has it.
fn free(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = name.to_owned();
    while is_taken(&name) {
        name.push('_');
    }
    name
}

/// A piece of a name: a number by its value, so that `v10` comes behind `v2`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chunk {
    /// Digits.
    Number(u128, String),
    /// What is between them.
    Text(String),
}

/// A name in the order in which linters want names.
pub(super) fn natural(name: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != is_digit)
            .unwrap_or(rest.len());
        let (chunk, behind) = rest.split_at(end);
        chunks.push(match chunk.parse() {
            Ok(number) if is_digit => Chunk::Number(number, chunk.to_owned()),
            _ => Chunk::Text(chunk.to_owned()),
        });
        rest = behind;
    }
    chunks
}
