//! Names that Go accepts, as Go's authors write them, and that do not collide.

use std::collections::BTreeMap;

use cell_runtime::schema::{Error, Field, Kind, Route, Shape, Snapshot, TypeDef, Variant};

use super::super::short_name;

/// What the first type parameters are called; those behind them have numbers.
const LETTERS: [&str; 7] = ["T", "U", "V", "W", "X", "Y", "Z"];

/// The names of a binding's own items: they give way to the schema's.
pub(super) struct Names {
    pub(super) package: String,
    /// How the folder that all bindings share is imported.
    pub(super) runtime: String,
    pub(super) cell: String,
    pub(super) fingerprint: String,
    pub(super) conn: String,
    pub(super) connect: String,
    /// The connection's own methods.
    pub(super) close: String,
    pub(super) with_timeout: String,
    /// What type parameters are called: letters, or numbered where the schema has types of one letter.
    parameter: Option<String>,
    /// Package functions by route, and their methods.
    functions: BTreeMap<String, String>,
    /// What Go calls each exported item, and what that is in the schema.
    taken: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn of(snapshot: &Snapshot, runtime: String) -> Result<Self, Error> {
        let mut names = Names {
            package: package(&snapshot.name),
            runtime,
            cell: String::new(),
            fingerprint: String::new(),
            conn: String::new(),
            connect: String::new(),
            close: String::new(),
            with_timeout: String::new(),
            parameter: None,
            functions: BTreeMap::new(),
            taken: BTreeMap::new(),
        };
        for def in &snapshot.types {
            names.definition(def)?;
        }
        let methods = methods(snapshot)?;
        for (route, method) in snapshot.routes.iter().zip(&methods) {
            names.function(route, method)?;
        }
        names.cell = free("Cell", &names.taken);
        names.fingerprint = free("Fingerprint", &names.taken);
        names.conn = free("Conn", &names.taken);
        names.connect = free("Connect", &names.taken);
        let methods: BTreeMap<String, String> = methods
            .iter()
            .flat_map(|method| [method.clone(), format!("{method}Context")])
            .map(|method| (method, String::new()))
            .collect();
        names.close = free("Close", &methods);
        names.with_timeout = free("WithTimeout", &methods);
        let numbered = |name: &String| is_numbered(name, "T");
        if LETTERS
            .iter()
            .any(|letter| names.taken.contains_key(*letter))
            || names.taken.keys().any(numbered)
        {
            let mut prefix = "T".to_owned();
            while names.taken.keys().any(|name| is_numbered(name, &prefix)) {
                prefix.push('T');
            }
            names.parameter = Some(prefix);
        }
        Ok(names)
    }

    fn take(&mut self, name: String, what: String, hint: &str) -> Result<(), Error> {
        if let Some(other) = self.taken.get(&name) {
            return Err(
                Error::new(format!("{other} and {what} are both `{name}` in Go")).hint(hint),
            );
        }
        self.taken.insert(name, what);
        Ok(())
    }

    fn definition(&mut self, def: &TypeDef) -> Result<(), Error> {
        const HINT: &str =
            "rename one, or give a type another name with `#[protein(name = \"…\")]`";
        let what = format!("the type `{}`", def.name);
        self.take(exported(&def.name), what, HINT)?;
        fields(&format!("`{}`", def.name), def.shape, &def.fields)?;
        for variant in &def.variants {
            let place = format!("`{}::{}`", def.name, variant.name);
            self.take(
                self::variant(def, variant),
                format!("the variant {place}"),
                HINT,
            )?;
            fields(&place, variant.shape, &variant.fields)?;
        }
        Ok(())
    }

    /// A route gives way to a type of its name: `fn status() -> Status` is common.
    fn function(&mut self, route: &Route, method: &str) -> Result<(), Error> {
        let pair = |name: &str| [name.to_owned(), format!("{name}Context")];
        let is_taken = pair(method)
            .iter()
            .any(|name| self.taken.contains_key(name));
        let name = match is_taken {
            true => format!("Call{method}"),
            false => method.to_owned(),
        };
        for taken in pair(&name) {
            let what = format!("the route `{}`", route.name);
            self.take(taken, what, "rename one of them")?;
        }
        self.functions.insert(route.name.clone(), name);
        Ok(())
    }

    /// The package's function of a route.
    pub(super) fn function_of<'b>(&'b self, route: &'b Route) -> &'b str {
        self.functions
            .get(&route.name)
            .map_or(route.name.as_str(), String::as_str)
    }

    /// The name of a type parameter.
    pub(super) fn parameter(&self, index: usize) -> String {
        match (&self.parameter, LETTERS.get(index)) {
            (None, Some(letter)) => (*letter).to_owned(),
            (None, None) => format!("T{index}"),
            (Some(prefix), _) => format!("{prefix}{index}"),
        }
    }
}

/// What the connection calls each route.
fn methods(snapshot: &Snapshot) -> Result<Vec<String>, Error> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut methods = Vec::new();
    for route in &snapshot.routes {
        let method = exported(&route.name);
        for name in [method.clone(), format!("{method}Context")] {
            if let Some(other) = seen.insert(name.clone(), &route.name) {
                return Err(Error::new(format!(
                    "the routes `{other}` and `{}` are both `{name}` in Go",
                    route.name
                ))
                .hint("rename one of them"));
            }
        }
        methods.push(method);
    }
    Ok(methods)
}

fn fields(place: &str, shape: Shape, fields: &[Field]) -> Result<(), Error> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for field in fields {
        let name = self::field(shape, fields.len(), &field.name);
        if let Some(other) = seen.insert(name.clone(), &field.name) {
            return Err(Error::new(format!(
                "the fields `{other}` and `{}` of {place} are both `{name}` in Go",
                field.name
            ))
            .hint("rename one of them"));
        }
    }
    Ok(())
}

/// What a field is called: in a tuple by its number, and the only one simply `Value`.
pub(super) fn field(shape: Shape, count: usize, name: &str) -> String {
    match shape {
        Shape::Tuple if count == 1 => "Value".to_owned(),
        Shape::Tuple => format!("V{name}"),
        Shape::Named | Shape::Unit => exported(name),
    }
}

/// What a variant's type or constant is called.
pub(super) fn variant(def: &TypeDef, variant: &Variant) -> String {
    format!("{}{}", exported(&def.name), exported(&variant.name))
}

/// Whether an enum is a number with names: none of its variants holds anything.
pub(super) fn is_plain_enum(def: &TypeDef) -> bool {
    def.kind == Kind::Enum
        && def.params == 0
        && def.variants.iter().all(|variant| variant.fields.is_empty())
}

/// The package of a cell, which is its folder too: `button_service` is `button`.
pub(super) fn package(cell: &str) -> String {
    let name: String = short_name(cell)
        .chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    // Folders that the go command takes for something else, and what no identifier is.
    let special = ["main", "internal", "vendor", "testdata", "init"].contains(&name.as_str());
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        return format!("cell{name}");
    }
    match special || is_keyword(&name) {
        true => format!("{name}cell"),
        false => name,
    }
}

/// `hover_t` as `HoverT`, `order_id` and `OrderId` as `OrderID`.
pub(super) fn exported(name: &str) -> String {
    let mut exported = String::new();
    for word in words(name) {
        exported.push_str(&capital(&word));
    }
    match exported.starts_with(|c: char| c.is_ascii_uppercase()) {
        true => exported,
        false => format!("X{exported}"),
    }
}

/// The name of an argument: `hover_t` as `hoverT`, away from what the code around it uses.
pub(super) fn argument(name: &str) -> String {
    let mut words = words(name).into_iter();
    let mut argument = words.next().unwrap_or_default().to_ascii_lowercase();
    for word in words {
        argument.push_str(&capital(&word));
    }
    const USED: [&str; 15] = [
        "c", "w", "r", "at", "ok", "ctx", "err", "answer", "context", "cell", "time", "shared",
        "routes", "lock", "fmt",
    ];
    let starts = argument.starts_with(|c: char| c.is_ascii_lowercase());
    let own = |prefix: &str| {
        argument
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let taken = USED.contains(&argument.as_str())
        || is_keyword(&argument)
        || is_predeclared(&argument)
        || ["read", "write", "put", "encode", "decode", "is"]
            .into_iter()
            .any(own);
    match (starts, taken) {
        (false, _) => format!("arg{argument}"),
        (true, true) => format!("{argument}Arg"),
        (true, false) => argument,
    }
}

/// `HTTPServer_id2` as `HTTP`, `Server`, `id2`.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (at, c) in chars.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| chars[at]);
            let next_is_lower = chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
            let starts = c.is_ascii_uppercase()
                && before.is_some_and(|before| !before.is_ascii_uppercase() || next_is_lower);
            if starts && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.push(*c);
        }
        words.push(word);
    }
    words
}

/// A word inside of a name; what is an initialism to Go's linters is written in capitals.
fn capital(word: &str) -> String {
    const INITIALISMS: [&str; 39] = [
        "ACL", "API", "ASCII", "CPU", "CSS", "DNS", "EOF", "GUID", "HTML", "HTTP", "HTTPS", "ID",
        "IP", "JSON", "QPS", "RAM", "RPC", "SLA", "SMTP", "SQL", "SSH", "TCP", "TLS", "TTL", "UDP",
        "UI", "GID", "UID", "UUID", "URI", "URL", "UTF8", "VM", "XML", "XMPP", "XSRF", "XSS",
        "SIP", "RTP",
    ];
    let upper = word.to_ascii_uppercase();
    if INITIALISMS.contains(&upper.as_str()) {
        return upper;
    }
    let mut chars = word.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 25] = [
        "break",
        "case",
        "chan",
        "const",
        "continue",
        "default",
        "defer",
        "else",
        "fallthrough",
        "for",
        "func",
        "go",
        "goto",
        "if",
        "import",
        "interface",
        "map",
        "package",
        "range",
        "return",
        "select",
        "struct",
        "switch",
        "type",
        "var",
    ];
    KEYWORDS.contains(&name)
}

fn is_predeclared(name: &str) -> bool {
    const PREDECLARED: [&str; 44] = [
        "any",
        "bool",
        "byte",
        "comparable",
        "complex64",
        "complex128",
        "error",
        "float32",
        "float64",
        "int",
        "int8",
        "int16",
        "int32",
        "int64",
        "rune",
        "string",
        "uint",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "uintptr",
        "true",
        "false",
        "iota",
        "nil",
        "append",
        "cap",
        "clear",
        "close",
        "complex",
        "copy",
        "delete",
        "imag",
        "len",
        "make",
        "max",
        "min",
        "new",
        "panic",
        "print",
        "println",
        "real",
        "recover",
    ];
    PREDECLARED.contains(&name)
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// `name`, with `Cell` in front of it until nothing else has it.
fn free(name: &str, taken: &BTreeMap<String, String>) -> String {
    let mut name = name.to_owned();
    while taken.contains_key(&name) {
        name.insert_str(0, "Cell");
    }
    name
}
