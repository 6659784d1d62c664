//! What a type of the schema is in Python, with all that its archive needs to be read and written.

use std::collections::{BTreeMap, BTreeSet};

use cell_runtime::schema::layout::{Archived, Form, Layouts};
use cell_runtime::schema::{Error, Kind, Prim, Snapshot, Ty, TypeDef};

use super::names::Names;

/// How long an array may be. A value of more parts could not be read anyway.
const ARRAY_MAX: u64 = 4 << 20;
/// Up to this length an array's type says how long it is.
pub(super) const TUPLE_MAX: u64 = 8;

/// A Python type that stands for a type of the schema. One of the schema can be two in Python (a vector of a type parameter is
/// always a list, one of bytes is `bytes`), so codecs are made for these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rep {
    Prim(Prim),
    String,
    Duration,
    /// `None`
    Unit,
    /// A vector as `bytes`.
    Bytes,
    /// An array as `bytes`.
    Fixed(u64),
    /// `list[T]`
    List(Box<Rep>),
    /// `frozenset[T]`
    Set(Box<Rep>),
    /// `dict[K, V]`
    Dict(Box<Rep>, Box<Rep>),
    /// A map as `list[tuple[K, V]]`: its keys cannot be those of a dictionary.
    Pairs(Box<Rep>, Box<Rep>),
    /// `tuple[T, T]`
    Array(Box<Rep>, u64),
    /// `T | None`
    Option(Box<Rep>),
    /// `Some[T] | None`: `T` may be `None` itself.
    Some(Box<Rep>),
    Boxed(Box<Rep>),
    Result(Box<Rep>, Box<Rep>),
    Tuple(Vec<Rep>),
    Named(String, Vec<Rep>),
    Param(usize),
}

/// What the arguments that a type parameter gets have in common.
#[derive(Debug, Clone, Copy)]
struct Facts {
    may_be_none: bool,
    is_key: bool,
    is_sorted: bool,
}

/// Finds what types are in Python.
pub(super) struct Lowering<'a> {
    defs: BTreeMap<&'a str, &'a TypeDef>,
    parameters: BTreeMap<&'a str, Vec<Facts>>,
}

impl<'a> Lowering<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Result<Self, Error> {
        let defs = snapshot.types.iter().map(|def| (def.name.as_str(), def));
        let mut lowering = Lowering {
            defs: defs.collect(),
            parameters: BTreeMap::new(),
        };
        let mut layouts = Layouts::new(snapshot);
        let routes = snapshot.routes.iter();
        let roots = routes.flat_map(|route| {
            [&route.req, &route.res]
                .into_iter()
                .chain(&route.err)
                .chain(&route.takes)
                .chain(&route.yields)
        });
        let reached = layouts.reach(roots)?;
        let mut parameters: BTreeMap<&str, Vec<Facts>> = BTreeMap::new();
        for (name, args) in reached.keys().filter_map(|ty| match ty {
            Ty::Named(name, args) if !args.is_empty() => Some((name, args)),
            _ => None,
        }) {
            let Some(def) = lowering.defs.get(name.as_str()) else {
                continue;
            };
            let none = Facts {
                may_be_none: false,
                is_key: true,
                is_sorted: true,
            };
            let facts = parameters
                .entry(def.name.as_str())
                .or_insert_with(|| vec![none; def.params]);
            for (fact, arg) in facts.iter_mut().zip(args) {
                fact.may_be_none |= may_be_none(arg, &[]);
                fact.is_key &= is_key(arg, &mut layouts, &mut BTreeSet::new())?;
                fact.is_sorted &= is_sorted(arg, &[]);
            }
        }
        lowering.parameters = parameters;
        Ok(lowering)
    }

    pub(super) fn def(&self, name: &str) -> Result<&'a TypeDef, Error> {
        let def = self.defs.get(name).copied();
        def.ok_or_else(|| Error::new(format!("there is no type `{name}`")))
    }

    /// The types of a definition's fields. `args` fill in its parameters.
    pub(super) fn field(
        &self,
        def: &TypeDef,
        ty: &Ty,
        args: &[Rep],
        layouts: &mut Layouts<'_>,
    ) -> Result<Rep, Error> {
        let none = Vec::new();
        let facts = self.parameters.get(def.name.as_str()).unwrap_or(&none);
        Ok(lower(ty, facts, layouts)?.fill(args))
    }

    /// A type of a route.
    pub(super) fn route(&self, ty: &Ty, layouts: &mut Layouts<'_>) -> Result<Rep, Error> {
        lower(ty, &[], layouts)
    }
}

fn lower(ty: &Ty, facts: &[Facts], layouts: &mut Layouts<'_>) -> Result<Rep, Error> {
    let mut boxed = |ty: &Ty| lower(ty, facts, layouts).map(Box::new);
    Ok(match ty {
        Ty::Prim(prim) => Rep::Prim(*prim),
        Ty::String => Rep::String,
        Ty::Duration => Rep::Duration,
        Ty::Vec(item) if **item == Ty::Prim(Prim::U8) => Rep::Bytes,
        Ty::Vec(item) => Rep::List(boxed(item)?),
        Ty::Set(item) if is_sorted(item, facts) => Rep::Set(boxed(item)?),
        Ty::Set(item) => Rep::List(boxed(item)?),
        Ty::Map(key, value) => {
            let is_key = match &**key {
                Ty::Param(index) => facts.get(*index).is_some_and(|facts| facts.is_key),
                key if has_params(key) => false,
                key => self::is_key(key, layouts, &mut BTreeSet::new())?,
            };
            let mut boxed = |ty: &Ty| lower(ty, facts, layouts).map(Box::new);
            match is_key {
                true => Rep::Dict(boxed(key)?, boxed(value)?),
                false => Rep::Pairs(boxed(key)?, boxed(value)?),
            }
        }
        Ty::Array(_, len) if *len > ARRAY_MAX => {
            return Err(Error::new(format!(
                "`{ty}` is too long for Python: at most {ARRAY_MAX} elements"
            ))
            .hint("make it a `Vec`"));
        }
        Ty::Array(item, len) if **item == Ty::Prim(Prim::U8) => Rep::Fixed(*len),
        Ty::Array(item, len) => Rep::Array(boxed(item)?, *len),
        Ty::Box(inner) => Rep::Boxed(boxed(inner)?),
        Ty::Option(inner) if may_be_none(inner, facts) => Rep::Some(boxed(inner)?),
        Ty::Option(inner) => Rep::Option(boxed(inner)?),
        Ty::Result(ok, err) => Rep::Result(boxed(ok)?, boxed(err)?),
        Ty::Tuple(tys) if tys.is_empty() => Rep::Unit,
        Ty::Tuple(tys) => Rep::Tuple(
            tys.iter()
                .map(|ty| lower(ty, facts, layouts))
                .collect::<Result<_, _>>()?,
        ),
        Ty::Param(index) => Rep::Param(*index),
        Ty::Named(name, tys) => {
            let args = tys
                .iter()
                .map(|ty| lower(ty, facts, layouts))
                .collect::<Result<_, _>>()?;
            Rep::Named(name.clone(), args)
        }
    })
}

fn has_params(ty: &Ty) -> bool {
    matches!(ty, Ty::Param(_)) || ty.children().any(has_params)
}

/// Whether a value may be `None` in Python.
fn may_be_none(ty: &Ty, facts: &[Facts]) -> bool {
    match ty {
        Ty::Option(_) => true,
        Ty::Tuple(tys) => tys.is_empty(),
        Ty::Box(inner) => may_be_none(inner, facts),
        Ty::Param(index) => facts.get(*index).is_none_or(|facts| facts.may_be_none),
        _ => false,
    }
}

/// Whether Python orders values as Rust does: those of a set, which has no order in Python.
fn is_sorted(ty: &Ty, facts: &[Facts]) -> bool {
    match ty {
        Ty::Prim(prim) => !matches!(prim, Prim::F32 | Prim::F64),
        Ty::String | Ty::Duration => true,
        Ty::Vec(item) => **item == Ty::Prim(Prim::U8),
        Ty::Array(item, _) => is_sorted(item, facts),
        Ty::Tuple(tys) => !tys.is_empty() && tys.iter().all(|ty| is_sorted(ty, facts)),
        Ty::Param(index) => facts.get(*index).is_some_and(|facts| facts.is_sorted),
        _ => false,
    }
}

/// Whether values can be the keys of a dictionary. Those of a float cannot: 0.0 and -0.0 would be one.
fn is_key(ty: &Ty, layouts: &mut Layouts<'_>, seen: &mut BTreeSet<Ty>) -> Result<bool, Error> {
    Ok(match ty {
        Ty::Prim(prim) => !matches!(prim, Prim::F32 | Prim::F64),
        Ty::String | Ty::Duration => true,
        Ty::Vec(item) => **item == Ty::Prim(Prim::U8),
        Ty::Set(item) => is_sorted(item, &[]),
        Ty::Map(..) | Ty::Param(_) => false,
        // A vector or a set of its parameter is a list.
        Ty::Named(_, args) if !args.is_empty() => false,
        Ty::Named(..) if !seen.insert(ty.clone()) => true,
        Ty::Named(..) => {
            let archived = layouts.of(ty)?;
            let mut inside = Vec::new();
            archived.each_part(&mut |part| inside.push(part.clone()));
            all_keys(inside.iter(), layouts, seen)?
        }
        _ => all_keys(ty.children(), layouts, seen)?,
    })
}

fn all_keys<'b>(
    mut tys: impl Iterator<Item = &'b Ty>,
    layouts: &mut Layouts<'_>,
    seen: &mut BTreeSet<Ty>,
) -> Result<bool, Error> {
    tys.try_fold(true, |all, ty| Ok(all && is_key(ty, layouts, seen)?))
}

impl Rep {
    /// The same with the parameters filled in.
    fn fill(self, args: &[Rep]) -> Rep {
        let boxed = |rep: Box<Rep>| Box::new(rep.fill(args));
        let many = |reps: Vec<Rep>| reps.into_iter().map(|rep| rep.fill(args)).collect();
        match self {
            Rep::Param(index) => args.get(index).cloned().unwrap_or(Rep::Param(index)),
            Rep::List(item) => Rep::List(boxed(item)),
            Rep::Set(item) => Rep::Set(boxed(item)),
            Rep::Dict(key, value) => Rep::Dict(boxed(key), boxed(value)),
            Rep::Pairs(key, value) => Rep::Pairs(boxed(key), boxed(value)),
            Rep::Array(item, len) => Rep::Array(boxed(item), len),
            Rep::Option(inner) => Rep::Option(boxed(inner)),
            Rep::Some(inner) => Rep::Some(boxed(inner)),
            Rep::Boxed(inner) => Rep::Boxed(boxed(inner)),
            Rep::Result(ok, err) => Rep::Result(boxed(ok), boxed(err)),
            Rep::Tuple(reps) => Rep::Tuple(many(reps)),
            Rep::Named(name, reps) => Rep::Named(name, many(reps)),
            other => other,
        }
    }

    /// The type of the schema.
    pub(super) fn ty(&self) -> Ty {
        let boxed = |rep: &Rep| Box::new(rep.ty());
        let many = |reps: &[Rep]| reps.iter().map(Rep::ty).collect();
        let byte = || Box::new(Ty::Prim(Prim::U8));
        match self {
            Rep::Prim(prim) => Ty::Prim(*prim),
            Rep::String => Ty::String,
            Rep::Duration => Ty::Duration,
            Rep::Unit => Ty::unit(),
            Rep::Bytes => Ty::Vec(byte()),
            Rep::Fixed(len) => Ty::Array(byte(), *len),
            Rep::List(item) | Rep::Set(item) => Ty::Vec(boxed(item)),
            Rep::Dict(key, value) | Rep::Pairs(key, value) => Ty::Map(boxed(key), boxed(value)),
            Rep::Array(item, len) => Ty::Array(boxed(item), *len),
            Rep::Option(inner) | Rep::Some(inner) => Ty::Option(boxed(inner)),
            Rep::Boxed(inner) => Ty::Box(boxed(inner)),
            Rep::Result(ok, err) => Ty::Result(boxed(ok), boxed(err)),
            Rep::Tuple(reps) => Ty::Tuple(many(reps)),
            Rep::Named(name, args) => Ty::Named(name.clone(), many(args)),
            Rep::Param(index) => Ty::Param(*index),
        }
    }

    /// The type as Python writes it.
    pub(super) fn python(&self, style: &Style<'_>) -> Result<String, Error> {
        let shared = style.shared;
        let [array, frozenset, dict, tuple] =
            ["list", "frozenset", "dict", "tuple"].map(|name| style.builtin(name));
        let list = |reps: &[Rep]| -> Result<String, Error> {
            let types: Result<Vec<String>, Error> =
                reps.iter().map(|rep| rep.python(style)).collect();
            Ok(types?.join(", "))
        };
        Ok(match self {
            Rep::Prim(Prim::Bool) => style.builtin("bool"),
            Rep::Prim(Prim::F32 | Prim::F64) => style.builtin("float"),
            Rep::Prim(Prim::Char) | Rep::String => style.builtin("str"),
            Rep::Prim(_) => style.builtin("int"),
            Rep::Duration => format!("{shared}Duration"),
            Rep::Unit => "None".to_owned(),
            Rep::Bytes | Rep::Fixed(_) => style.builtin("bytes"),
            Rep::List(item) => match style.takes {
                Some(abc) => format!("{abc}Sequence[{}]", item.python(style)?),
                None => format!("{array}[{}]", item.python(style)?),
            },
            Rep::Set(item) => match style.takes {
                Some(abc) => format!("{abc}Set[{}]", item.python(style)?),
                None => format!("{frozenset}[{}]", item.python(style)?),
            },
            Rep::Dict(key, value) => {
                let (key, value) = (key.python(style)?, value.python(style)?);
                match style.takes {
                    Some(abc) => format!("{abc}Mapping[{key}, {value}]"),
                    None => format!("{dict}[{key}, {value}]"),
                }
            }
            Rep::Pairs(key, value) => {
                let pair = format!("{tuple}[{}, {}]", key.python(style)?, value.python(style)?);
                match style.takes {
                    Some(abc) => format!("{abc}Sequence[{pair}]"),
                    None => format!("{array}[{pair}]"),
                }
            }
            Rep::Array(_, 0) => format!("{tuple}[()]"),
            Rep::Array(item, len) if *len <= TUPLE_MAX => {
                let item = item.python(style)?;
                let items = vec![item; usize::try_from(*len).unwrap_or_default()];
                format!("{tuple}[{}]", items.join(", "))
            }
            Rep::Array(item, _) => format!("{tuple}[{}, ...]", item.python(style)?),
            Rep::Option(inner) => format!("{} | None", inner.python(style)?),
            Rep::Some(inner) => format!("{shared}Some[{}] | None", inner.python(style)?),
            Rep::Boxed(inner) => inner.python(style)?,
            Rep::Result(ok, err) => format!(
                "{shared}Ok[{}] | {shared}Err[{}]",
                ok.python(style)?,
                err.python(style)?
            ),
            Rep::Tuple(reps) => format!("{tuple}[{}]", list(reps)?),
            Rep::Named(name, args) => {
                let def = style.lowering.def(name)?;
                let class = format!("{}{}", style.own, super::names::class(name));
                let used = parameters(def, style.names);
                let inner = Style {
                    takes: None,
                    ..*style
                };
                let args: Result<Vec<String>, Error> = used
                    .iter()
                    .filter_map(|index| args.get(*index))
                    .map(|arg| arg.python(&inner))
                    .collect();
                let args = args?;
                match args.is_empty() {
                    true => class,
                    false => format!("{class}[{}]", args.join(", ")),
                }
            }
            Rep::Param(index) => style.names.parameter(*index),
        })
    }

    /// The archived form.
    pub(super) fn layout(
        &self,
        layouts: &mut Layouts<'_>,
    ) -> Result<std::sync::Arc<Archived>, Error> {
        layouts.of(&self.ty())
    }

    /// Whether a value has neither bytes nor anything to choose: there is nothing to write.
    pub(super) fn is_nothing(&self, layouts: &mut Layouts<'_>) -> Result<bool, Error> {
        let archived = self.layout(layouts)?;
        Ok(archived.size == 0 && !matches!(archived.form, Form::Array(..)))
    }
}

/// How types are written where they stand.
#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    pub(super) names: &'a Names,
    pub(super) lowering: &'a Lowering<'a>,
    /// What stands before the schema's own types.
    pub(super) own: &'a str,
    /// What stands before the shared package's types.
    pub(super) shared: &'a str,
    /// Whether it is in a class whose methods may be called like types that are built in.
    pub(super) is_among_methods: bool,
    /// What stands before the types that an argument may have instead of a list, where it is one.
    pub(super) takes: Option<&'a str>,
}

impl Style<'_> {
    /// A type that is built in, under a name that no method hides.
    pub(super) fn builtin(&self, name: &str) -> String {
        match self.is_among_methods && self.names.is_hidden(name) {
            true => format!("_builtins.{name}"),
            false => name.to_owned(),
        }
    }
}

/// The parameters that a definition has in Python, in the order in which they are given.
pub(super) fn parameters(def: &TypeDef, names: &Names) -> Vec<usize> {
    if def.kind == Kind::Struct {
        return (0..def.params).collect();
    }
    // A union has those of its members, in the order in which they come.
    let mut used = Vec::new();
    if names.is_plain(def) {
        return used;
    }
    for variant in &def.variants {
        for index in used_by(variant.fields.iter().map(|field| &field.ty)) {
            if !used.contains(&index) {
                used.push(index);
            }
        }
    }
    used
}

/// The parameters that types mention, in ascending order.
pub(super) fn used_by<'b>(tys: impl Iterator<Item = &'b Ty>) -> BTreeSet<usize> {
    fn visit(ty: &Ty, used: &mut BTreeSet<usize>) {
        if let Ty::Param(index) = ty {
            used.insert(*index);
        }
        ty.children().for_each(|child| visit(child, used));
    }
    let mut used = BTreeSet::new();
    tys.for_each(|ty| visit(ty, &mut used));
    used
}
