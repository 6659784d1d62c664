//! What a type of the schema is in Go, with all that its archive needs to be read and written.

use std::collections::{BTreeMap, BTreeSet};

use cell_runtime::schema::{Error, Kind, Prim, Snapshot, Ty, TypeDef};

use super::names::{self, Names};

/// How many elements a tuple may have: what the shared package holds types for.
const TUPLE_MAX: usize = 12;
/// How long an array may be. A value of more parts could not be read anyway.
const ARRAY_MAX: u64 = 4 << 20;

/// A Go type that stands for a type of the schema. Two types of the schema may be one in Go (a `char` and an `i32`), and one
/// of the schema two in Go (`Option` of a type parameter is always a pointer), so codecs are made for these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rep {
    Prim(Prim),
    String,
    Duration,
    Unit,
    /// `[]T`: vectors, and sets of what is not in order in Go.
    Slice(Box<Rep>),
    /// `map[T]struct{}`
    Set(Box<Rep>),
    /// `map[K]V`
    Map(Box<Rep>, Box<Rep>),
    /// `[]cell.Entry[K, V]`
    Entries(Box<Rep>, Box<Rep>),
    /// `[N]T`
    Array(Box<Rep>, u64),
    /// `Option<T>` as `*T`.
    Pointer(Box<Rep>),
    /// `Option<T>` where `T` can be nil in Go and never is: as `T`.
    Nilable(Box<Rep>),
    /// `Box<T>` as `T`.
    Inline(Box<Rep>),
    /// `Box<T>` as `*T`.
    Boxed(Box<Rep>),
    Result(Box<Rep>, Box<Rep>),
    Tuple(Vec<Rep>),
    Named(String, Vec<Rep>),
    Param(usize),
}

/// Finds what types are in Go.
pub(super) struct Lowering<'a> {
    defs: BTreeMap<&'a str, &'a TypeDef>,
    /// Structs that hold themselves through boxes alone: there the boxes are pointers, or the type had no size.
    endless: BTreeSet<String>,
}

impl<'a> Lowering<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let defs: BTreeMap<&str, &TypeDef> = snapshot
            .types
            .iter()
            .map(|def| (def.name.as_str(), def))
            .collect();
        let mut inside: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for def in snapshot.types.iter().filter(|def| def.kind == Kind::Struct) {
            let held = inside.entry(def.name.as_str()).or_default();
            for field in &def.fields {
                by_value(&field.ty, held);
            }
        }
        let holds_itself = |name: &&str| {
            let mut seen = BTreeSet::new();
            let mut wanted: Vec<&str> = inside[*name].iter().copied().collect();
            while let Some(held) = wanted.pop() {
                if held == *name {
                    return true;
                }
                if seen.insert(held) {
                    wanted.extend(inside.get(held).into_iter().flatten());
                }
            }
            false
        };
        let endless = inside.keys().filter(|name| holds_itself(name));
        Lowering {
            endless: endless.map(|name| (*name).to_owned()).collect(),
            defs,
        }
    }

    pub(super) fn def(&self, name: &str) -> Result<&'a TypeDef, Error> {
        let def = self.defs.get(name).copied();
        def.ok_or_else(|| Error::new(format!("there is no type `{name}`")))
    }

    /// The types of a definition's fields. `args` fill in its parameters.
    pub(super) fn field(&self, def: &TypeDef, ty: &Ty, args: &[Rep]) -> Result<Rep, Error> {
        self.lower(ty, args, self.endless.contains(&def.name))
    }

    /// A type of a route.
    pub(super) fn route(&self, ty: &Ty) -> Result<Rep, Error> {
        self.lower(ty, &[], false)
    }

    fn lower(&self, ty: &Ty, args: &[Rep], endless: bool) -> Result<Rep, Error> {
        let lower = |ty: &Ty| self.lower(ty, args, endless);
        let boxed = |ty: &Ty| lower(ty).map(Box::new);
        let many = |tys: &[Ty]| tys.iter().map(lower).collect::<Result<Vec<_>, _>>();
        Ok(match ty {
            Ty::Prim(prim) => Rep::Prim(*prim),
            Ty::String => Rep::String,
            Ty::Duration => Rep::Duration,
            Ty::Vec(item) => Rep::Slice(boxed(item)?),
            Ty::Set(item) if is_key(item) => Rep::Set(boxed(item)?),
            Ty::Set(item) => Rep::Slice(boxed(item)?),
            Ty::Map(key, value) if is_key(key) => Rep::Map(boxed(key)?, boxed(value)?),
            Ty::Map(key, value) => Rep::Entries(boxed(key)?, boxed(value)?),
            Ty::Array(_, len) if *len > ARRAY_MAX => {
                return Err(Error::new(format!(
                    "`{ty}` is too long for Go: at most {ARRAY_MAX} elements"
                ))
                .hint("make it a `Vec`"));
            }
            Ty::Array(item, len) => Rep::Array(boxed(item)?, *len),
            Ty::Box(inner) => match endless {
                true => Rep::Boxed(boxed(inner)?),
                false => Rep::Inline(boxed(inner)?),
            },
            Ty::Option(inner) => match &**inner {
                Ty::Named(name, _) if self.is_interface(name)? => Rep::Nilable(boxed(inner)?),
                // Decided by what is written: an argument of a generic type must not change what its text says.
                Ty::Box(content) => Rep::Nilable(Box::new(match &**content {
                    Ty::Named(name, _) if self.is_interface(name)? => Rep::Inline(boxed(content)?),
                    _ => Rep::Boxed(boxed(content)?),
                })),
                _ => Rep::Pointer(boxed(inner)?),
            },
            Ty::Result(ok, err) => Rep::Result(boxed(ok)?, boxed(err)?),
            Ty::Tuple(tys) if tys.is_empty() => Rep::Unit,
            Ty::Tuple(tys) if tys.len() > TUPLE_MAX => {
                return Err(Error::new(format!(
                    "a tuple of {} elements has no type in Go: at most {TUPLE_MAX}",
                    tys.len()
                ))
                .hint("make it a struct"));
            }
            Ty::Tuple(tys) => Rep::Tuple(many(tys)?),
            Ty::Param(index) => args.get(*index).cloned().unwrap_or(Rep::Param(*index)),
            Ty::Named(name, tys) => Rep::Named(name.clone(), many(tys)?),
        })
    }

    /// Whether a type is an interface in Go: an enum whose variants hold something.
    pub(super) fn is_interface(&self, name: &str) -> Result<bool, Error> {
        let def = self.def(name)?;
        Ok(def.kind == Kind::Enum && !names::is_plain_enum(def))
    }
}

/// What Go's maps order as rkyv's containers do: the keys of maps in Go.
fn is_key(ty: &Ty) -> bool {
    match ty {
        Ty::Prim(prim) => !matches!(prim, Prim::F32 | Prim::F64),
        ty => *ty == Ty::String,
    }
}

/// The definitions that lie inside of a type, boxes being nothing.
fn by_value<'a>(ty: &'a Ty, held: &mut BTreeSet<&'a str>) {
    match ty {
        Ty::Array(inner, _) | Ty::Box(inner) => by_value(inner, held),
        Ty::Tuple(tys) => tys.iter().for_each(|ty| by_value(ty, held)),
        Ty::Named(name, args) => {
            held.insert(name);
            args.iter().for_each(|ty| by_value(ty, held));
        }
        _ => {}
    }
}

impl Rep {
    /// The type of the schema.
    pub(super) fn ty(&self) -> Ty {
        let boxed = |rep: &Rep| Box::new(rep.ty());
        let many = |reps: &[Rep]| reps.iter().map(Rep::ty).collect();
        match self {
            Rep::Prim(prim) => Ty::Prim(*prim),
            Rep::String => Ty::String,
            Rep::Duration => Ty::Duration,
            Rep::Unit => Ty::unit(),
            Rep::Slice(item) | Rep::Set(item) => Ty::Vec(boxed(item)),
            Rep::Map(key, value) | Rep::Entries(key, value) => Ty::Map(boxed(key), boxed(value)),
            Rep::Array(item, len) => Ty::Array(boxed(item), *len),
            Rep::Pointer(inner) | Rep::Nilable(inner) => Ty::Option(boxed(inner)),
            Rep::Inline(inner) | Rep::Boxed(inner) => Ty::Box(boxed(inner)),
            Rep::Result(ok, err) => Ty::Result(boxed(ok), boxed(err)),
            Rep::Tuple(reps) => Ty::Tuple(many(reps)),
            Rep::Named(name, args) => Ty::Named(name.clone(), many(args)),
            Rep::Param(index) => Ty::Param(*index),
        }
    }

    /// The type as Go writes it.
    pub(super) fn go(&self, names: &Names) -> String {
        let list = |reps: &[Rep]| {
            let types: Vec<String> = reps.iter().map(|rep| rep.go(names)).collect();
            types.join(", ")
        };
        match self {
            Rep::Prim(prim) => prim_type(*prim).to_owned(),
            Rep::String => "string".to_owned(),
            Rep::Duration => "time.Duration".to_owned(),
            Rep::Unit => "struct{}".to_owned(),
            Rep::Slice(item) if **item == Rep::Prim(Prim::U8) => "[]byte".to_owned(),
            Rep::Slice(item) => format!("[]{}", item.go(names)),
            Rep::Set(item) => format!("map[{}]struct{{}}", item.go(names)),
            Rep::Map(key, value) => format!("map[{}]{}", key.go(names), value.go(names)),
            Rep::Entries(key, value) => {
                format!("[]cell.Entry[{}, {}]", key.go(names), value.go(names))
            }
            Rep::Array(item, len) => format!("[{len}]{}", item.go(names)),
            Rep::Pointer(inner) | Rep::Boxed(inner) => format!("*{}", inner.go(names)),
            Rep::Nilable(inner) | Rep::Inline(inner) => inner.go(names),
            Rep::Result(ok, err) => format!("cell.Result[{}, {}]", ok.go(names), err.go(names)),
            Rep::Tuple(reps) => format!("cell.Tuple{}[{}]", reps.len(), list(reps)),
            Rep::Named(name, args) if args.is_empty() => names::exported(name),
            Rep::Named(name, args) => format!("{}[{}]", names::exported(name), list(args)),
            Rep::Param(index) => names.parameter(*index),
        }
    }

    /// A name for functions about the type. Two types may get the same.
    pub(super) fn label(&self) -> String {
        let list = |reps: &[Rep]| reps.iter().map(Rep::label).collect::<String>();
        match self {
            Rep::Prim(prim) => prim_label(*prim).to_owned(),
            Rep::String => "String".to_owned(),
            Rep::Duration => "Duration".to_owned(),
            Rep::Unit => "Unit".to_owned(),
            Rep::Slice(item) => format!("Slice{}", item.label()),
            Rep::Set(item) => format!("Set{}", item.label()),
            Rep::Map(key, value) => format!("Map{}{}", key.label(), value.label()),
            Rep::Entries(key, value) => format!("Entries{}{}", key.label(), value.label()),
            Rep::Array(item, len) => format!("Array{len}{}", item.label()),
            Rep::Pointer(inner) | Rep::Nilable(inner) => format!("Option{}", inner.label()),
            Rep::Inline(inner) => format!("Box{}", inner.label()),
            Rep::Boxed(inner) => format!("Pointer{}", inner.label()),
            Rep::Result(ok, err) => format!("Result{}{}", ok.label(), err.label()),
            Rep::Tuple(reps) => format!("Tuple{}{}", reps.len(), list(reps)),
            Rep::Named(name, args) => format!("{}{}", names::exported(name), list(args)),
            Rep::Param(index) => format!("T{index}"),
        }
    }
}

fn prim_type(prim: Prim) -> &'static str {
    match prim {
        Prim::Bool => "bool",
        Prim::U8 => "uint8",
        Prim::U16 => "uint16",
        Prim::U32 => "uint32",
        Prim::U64 => "uint64",
        Prim::U128 => "cell.Uint128",
        Prim::I8 => "int8",
        Prim::I16 => "int16",
        Prim::I32 => "int32",
        Prim::I64 => "int64",
        Prim::I128 => "cell.Int128",
        Prim::F32 => "float32",
        Prim::F64 => "float64",
        Prim::Char => "rune",
    }
}

/// What the shared package's reader and writer call it.
pub(super) fn prim_label(prim: Prim) -> &'static str {
    match prim {
        Prim::Bool => "Bool",
        Prim::U8 => "U8",
        Prim::U16 => "U16",
        Prim::U32 => "U32",
        Prim::U64 => "U64",
        Prim::U128 => "U128",
        Prim::I8 => "I8",
        Prim::I16 => "I16",
        Prim::I32 => "I32",
        Prim::I64 => "I64",
        Prim::I128 => "I128",
        Prim::F32 => "F32",
        Prim::F64 => "F64",
        Prim::Char => "Char",
    }
}
