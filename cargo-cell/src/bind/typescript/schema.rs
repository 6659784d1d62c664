//! What the definitions of a schema are in TypeScript, which decides how types are written and values are archived.

use std::collections::{BTreeMap, BTreeSet};

use cell_runtime::schema::{Error, Kind, Prim, Shape, Snapshot, Ty, TypeDef};

use super::names::{Names, type_name};

/// The name of an item that stands for a `u8` of a generic type's argument: `Vec<T>` is an array of numbers where `T` is
/// `u8`, as its text says, and not the `Uint8Array` that a `Vec<u8>` is.
const GENERIC_U8: &str = "$u8";
/// What the text of one type may take: fixed arrays of fixed arrays grow fast.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Arrays up to this length are tuples.
const TUPLE_MAX: u64 = 8;
/// How many newtypes may stand in each other.
const DEPTH_MAX: usize = 64;

/// An answer that may depend on a type parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    No,
    Yes,
    Depends,
}

/// The definitions by name, and what they are.
#[derive(Debug)]
pub(super) struct Schema<'a> {
    defs: BTreeMap<&'a str, &'a TypeDef>,
    /// Newtypes that hold themselves by name only: an alias of itself would be none.
    boxed: BTreeSet<&'a str>,
    pub(super) names: &'a Names,
}

impl<'a> Schema<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, names: &'a Names) -> Self {
        let defs = snapshot
            .types
            .iter()
            .map(|def| (def.name.as_str(), def))
            .collect();
        let mut schema = Schema {
            defs,
            boxed: BTreeSet::new(),
            names,
        };
        let newtypes = snapshot.types.iter().filter(|def| is_newtype(def));
        schema.boxed = newtypes
            .map(|def| def.name.as_str())
            .filter(|name| schema.meets_itself(name))
            .collect();
        schema
    }

    pub(super) fn def(&self, name: &str) -> Option<&'a TypeDef> {
        self.defs.get(name).copied()
    }

    /// Whether a newtype's text, read without what TypeScript reads later (members of objects, items), leads to itself.
    fn meets_itself(&self, start: &str) -> bool {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&Ty> = self
            .def(start)
            .into_iter()
            .flat_map(|def| &def.fields)
            .map(|field| &field.ty)
            .collect();
        while let Some(ty) = open.pop() {
            match ty {
                Ty::Option(inner) | Ty::Box(inner) => open.push(inner),
                Ty::Result(ok, err) | Ty::Map(ok, err) => open.extend([&**ok, &**err]),
                Ty::Set(item) => open.push(item),
                Ty::Named(name, _) if name == start => return true,
                Ty::Named(name, args) => {
                    open.extend(args);
                    if let Some(def) = self.def(name).filter(|def| is_newtype(def))
                        && seen.insert(name)
                    {
                        open.extend(def.fields.iter().map(|field| &field.ty));
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// The type that a newtype is an alias of, with its arguments filled in.
    pub(super) fn alias(&self, ty: &Ty) -> Option<Ty> {
        let Ty::Named(name, args) = ty else {
            return None;
        };
        let def = self.def(name).filter(|def| is_newtype(def))?;
        let field = def
            .fields
            .first()
            .filter(|_| !self.boxed.contains(name.as_str()))?;
        Some(fill(&field.ty, args))
    }

    /// Whether a newtype is an object with a `value`.
    pub(super) fn is_boxed(&self, def: &TypeDef) -> bool {
        self.boxed.contains(def.name.as_str())
    }

    /// Whether `null` or `undefined` is a value of a type.
    pub(super) fn may_be_nothing(&self, ty: &Ty) -> Answer {
        self.look(ty, 0, &|ty| match ty {
            Ty::Option(_) => Answer::Yes,
            Ty::Tuple(tys) if tys.is_empty() => Answer::Yes,
            Ty::Named(name, _) => match self.def(name) {
                Some(def) if def.kind == Kind::Struct && def.shape == Shape::Unit => Answer::Yes,
                _ => Answer::No,
            },
            _ => Answer::No,
        })
    }

    /// Whether a `Map` or a `Set` tells the values of a type apart.
    pub(super) fn is_key(&self, ty: &Ty) -> Answer {
        self.look(ty, 0, &|ty| match ty {
            Ty::Prim(_) | Ty::String => Answer::Yes,
            Ty::Named(name, _) if name == GENERIC_U8 => Answer::Yes,
            Ty::Named(name, _) => match self.def(name) {
                Some(def) if is_plain_enum(def) => Answer::Yes,
                _ => Answer::No,
            },
            _ => Answer::No,
        })
    }

    fn look(&self, ty: &Ty, depth: usize, answer: &dyn Fn(&Ty) -> Answer) -> Answer {
        match ty {
            _ if depth > DEPTH_MAX => Answer::No,
            Ty::Param(_) => Answer::Depends,
            Ty::Box(inner) => self.look(inner, depth + 1, answer),
            _ => match self.alias(ty) {
                Some(inner) => self.look(&inner, depth + 1, answer),
                None => answer(ty),
            },
        }
    }

    /// A type as TypeScript writes it; `prefix` stands before names of definitions.
    pub(super) fn text(&self, ty: &Ty, prefix: &str, params: usize) -> Result<String, Error> {
        if text_bytes(ty) > TEXT_BYTES_MAX {
            return Err(Error::new(format!(
                "a type takes more than {TEXT_BYTES_MAX} bytes to write in TypeScript"
            ))
            .hint("are arrays nested in arrays? a `Vec` inside of them is shorter"));
        }
        Ok(self.write(ty, prefix, params))
    }

    fn write(&self, ty: &Ty, prefix: &str, params: usize) -> String {
        let text = |ty: &Ty| self.write(ty, prefix, params);
        let list = |tys: &[Ty]| tys.iter().map(text).collect::<Vec<_>>().join(", ");
        match ty {
            Ty::Prim(prim) => prim_text(*prim).to_owned(),
            Ty::String => "string".to_owned(),
            Ty::Duration => "cell.Duration".to_owned(),
            Ty::Vec(item) | Ty::Array(item, _) if is_byte(item) => "Uint8Array".to_owned(),
            Ty::Vec(item) => items(&text(item)),
            Ty::Array(item, len) if is_tuple(*len) => {
                let item = text(item);
                let all: Vec<&str> = (0..*len).map(|_| item.as_str()).collect();
                format!("readonly [{}]", all.join(", "))
            }
            Ty::Array(item, _) => items(&text(item)),
            Ty::Option(inner) => match self.may_be_nothing(inner) {
                Answer::No => format!("{} | null", text(inner)),
                Answer::Yes => format!("cell.Some<{}> | null", text(inner)),
                Answer::Depends => format!("cell.Option<{}>", text(inner)),
            },
            Ty::Box(inner) => text(inner),
            Ty::Set(item) => match self.is_key(item) {
                Answer::Yes => format!("ReadonlySet<{}>", text(item)),
                Answer::No => items(&text(item)),
                Answer::Depends => format!("cell.SetOf<{}>", text(item)),
            },
            Ty::Map(key, value) => {
                let (key_text, value) = (text(key), text(value));
                match self.is_key(key) {
                    Answer::Yes => format!("ReadonlyMap<{key_text}, {value}>"),
                    Answer::No => items(&format!("readonly [{key_text}, {value}]")),
                    Answer::Depends => format!("cell.MapOf<{key_text}, {value}>"),
                }
            }
            Ty::Result(ok, err) => format!("cell.Result<{}, {}>", text(ok), text(err)),
            Ty::Tuple(tys) if tys.is_empty() => "undefined".to_owned(),
            Ty::Tuple(tys) => format!("readonly [{}]", list(tys)),
            Ty::Param(index) => self.names.parameter(*index, params),
            Ty::Named(name, _) if name == GENERIC_U8 => "number".to_owned(),
            Ty::Named(name, args) if args.is_empty() => format!("{prefix}{}", type_name(name)),
            Ty::Named(name, args) => format!("{prefix}{}<{}>", type_name(name), list(args)),
        }
    }
}

/// `readonly T[]`.
fn items(item: &str) -> String {
    format!("readonly {}", mutable_items(item))
}

/// `T[]`, with the parentheses that it needs.
pub(super) fn mutable_items(item: &str) -> String {
    match is_union(item) || item.starts_with("readonly ") {
        true => format!("({item})[]"),
        false => format!("{item}[]"),
    }
}

/// Whether a type's text is a union, and not just its arguments.
fn is_union(text: &str) -> bool {
    let mut depth = 0usize;
    for c in text.chars() {
        match c {
            '<' | '[' | '(' | '{' => depth += 1,
            '>' | ']' | ')' | '}' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

fn prim_text(prim: Prim) -> &'static str {
    match prim {
        Prim::Bool => "boolean",
        Prim::U8
        | Prim::U16
        | Prim::U32
        | Prim::I8
        | Prim::I16
        | Prim::I32
        | Prim::F32
        | Prim::F64 => "number",
        Prim::U64 | Prim::U128 | Prim::I64 | Prim::I128 => "bigint",
        Prim::Char => "string",
    }
}

/// A struct with one numbered field.
pub(super) fn is_newtype(def: &TypeDef) -> bool {
    def.kind == Kind::Struct && def.shape == Shape::Tuple && def.fields.len() == 1
}

/// An enum whose variants hold nothing: a union of strings.
pub(super) fn is_plain_enum(def: &TypeDef) -> bool {
    def.kind == Kind::Enum
        && def
            .variants
            .iter()
            .all(|variant| variant.shape == Shape::Unit)
}

/// Whether a vector of this type is a `Uint8Array`.
pub(super) fn is_byte(item: &Ty) -> bool {
    *item == Ty::Prim(Prim::U8)
}

/// Whether an array of this length is written as a tuple.
pub(super) fn is_tuple(len: u64) -> bool {
    len <= TUPLE_MAX
}

/// An expression with the parameters filled in, such that its text is that of the generic one with the parameters' texts.
pub(super) fn fill(ty: &Ty, args: &[Ty]) -> Ty {
    let boxed = |ty: &Ty| Box::new(fill(ty, args));
    let item = |ty: &Ty| match (ty, fill(ty, args)) {
        (Ty::Param(_), Ty::Prim(Prim::U8)) => {
            Box::new(Ty::Named(GENERIC_U8.to_owned(), Vec::new()))
        }
        (_, filled) => Box::new(filled),
    };
    let many = |tys: &[Ty]| tys.iter().map(|ty| fill(ty, args)).collect();
    match ty {
        Ty::Param(index) => args.get(*index).cloned().unwrap_or_else(|| ty.clone()),
        Ty::Prim(_) | Ty::String | Ty::Duration => ty.clone(),
        Ty::Vec(a) => Ty::Vec(item(a)),
        Ty::Array(a, len) => Ty::Array(item(a), *len),
        Ty::Option(a) => Ty::Option(boxed(a)),
        Ty::Box(a) => Ty::Box(boxed(a)),
        Ty::Set(a) => Ty::Set(boxed(a)),
        Ty::Map(a, b) => Ty::Map(boxed(a), boxed(b)),
        Ty::Result(a, b) => Ty::Result(boxed(a), boxed(b)),
        Ty::Tuple(tys) => Ty::Tuple(many(tys)),
        Ty::Named(name, tys) => Ty::Named(name.clone(), many(tys)),
    }
}

/// The same expression as the schema has it.
pub(super) fn plain(ty: &Ty) -> Ty {
    let boxed = |ty: &Ty| Box::new(plain(ty));
    let many = |tys: &[Ty]| tys.iter().map(plain).collect();
    match ty {
        Ty::Named(name, _) if name == GENERIC_U8 => Ty::Prim(Prim::U8),
        Ty::Param(_) | Ty::Prim(_) | Ty::String | Ty::Duration => ty.clone(),
        Ty::Vec(a) => Ty::Vec(boxed(a)),
        Ty::Array(a, len) => Ty::Array(boxed(a), *len),
        Ty::Option(a) => Ty::Option(boxed(a)),
        Ty::Box(a) => Ty::Box(boxed(a)),
        Ty::Set(a) => Ty::Set(boxed(a)),
        Ty::Map(a, b) => Ty::Map(boxed(a), boxed(b)),
        Ty::Result(a, b) => Ty::Result(boxed(a), boxed(b)),
        Ty::Tuple(tys) => Ty::Tuple(many(tys)),
        Ty::Named(name, tys) => Ty::Named(name.clone(), many(tys)),
    }
}

/// About how many bytes a type's text takes.
fn text_bytes(ty: &Ty) -> usize {
    let repeats = match ty {
        Ty::Array(item, len) if is_tuple(*len) && !is_byte(item) => *len as usize,
        _ => 1,
    };
    let own = match ty {
        Ty::Named(name, _) => name.len() + 4,
        _ => 16,
    };
    let children = ty.children().map(text_bytes).fold(0, usize::saturating_add);
    own.saturating_add(children).saturating_mul(repeats)
}

/// Whether this stands for a `u8` of a generic type's argument.
pub(super) fn is_generic_u8(ty: &Ty) -> bool {
    matches!(ty, Ty::Named(name, _) if name == GENERIC_U8)
}
