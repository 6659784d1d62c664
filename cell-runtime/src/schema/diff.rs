//! What changed between two schemas, like a reviewer would say it: which field of which type, and who notices.
//!
//! "On the wire" is about bytes: whether a message of one side still reads as the same message on the other. Peers
//! compare fingerprints before any message, so every change but a documentation one is refused until both sides follow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Field, Kind, Route, Shape, Snapshot, Ty, TypeDef};

/// Who notices a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Nobody who does not use what is new.
    None,
    /// Consumers' source: names changed, the bytes did not.
    SourceOnly,
    /// The bytes changed.
    BreakingOnTheWire,
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Impact::None => "none",
            Impact::SourceOnly => "source only",
            Impact::BreakingOnTheWire => "breaking on the wire",
        })
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// What changed: `Order.price`, `place`, `place.id`.
    pub place: String,
    /// How: `is now f64, was u32`.
    pub what: String,
    /// Who notices.
    pub impact: Impact,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {} ({})", self.place, self.what, self.impact)
    }
}

/// What changed from `old` to `new`, documentation apart: nothing exactly when the fingerprints agree.
#[must_use]
pub fn diff(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    if old.name != new.name {
        changes.add(
            &new.name,
            format!("was the service `{}`", old.name),
            Impact::BreakingOnTheWire,
        );
    }
    let renames = renames(old, new);
    changes.routes(old, new, &renames);
    changes.types(old, new, &renames);
    changes.0
}

/// The gravest impact of several changes.
#[must_use]
pub fn impact(changes: &[Change]) -> Impact {
    let impacts = changes.iter().map(|change| change.impact);
    impacts.max().unwrap_or(Impact::None)
}

/// Old names of types that are gone → the new name of the only type that is new and otherwise the same.
fn renames(old: &Snapshot, new: &Snapshot) -> BTreeMap<String, String> {
    let gone = old
        .types
        .iter()
        .filter(|def| new.type_def(&def.name).is_none());
    let fresh: Vec<_> = new
        .types
        .iter()
        .filter(|def| old.type_def(&def.name).is_none())
        .collect();
    let mut taken = BTreeSet::new();
    let mut renames = BTreeMap::new();
    for def in gone {
        let mut same = fresh.iter().filter(|other| same_body(def, other));
        if let (Some(other), None) = (same.next(), same.next())
            && taken.insert(&other.name)
        {
            renames.insert(def.name.clone(), other.name.clone());
        }
    }
    renames
}

/// Whether two types differ in their name (and what they say of themselves) alone.
fn same_body(a: &TypeDef, b: &TypeDef) -> bool {
    let own = BTreeMap::from([(a.name.clone(), b.name.clone())]);
    let same_fields = |a: &[Field], b: &[Field]| {
        a.len() == b.len()
            && a.iter()
                .zip(b)
                .all(|(a, b)| a.name == b.name && renamed(&a.ty, &own) == b.ty)
    };
    a.kind == b.kind
        && a.shape == b.shape
        && a.params == b.params
        && same_fields(&a.fields, &b.fields)
        && a.variants.len() == b.variants.len()
        && a.variants.iter().zip(&b.variants).all(|(a, b)| {
            a.name == b.name && a.shape == b.shape && same_fields(&a.fields, &b.fields)
        })
}

fn renamed(ty: &Ty, renames: &BTreeMap<String, String>) -> Ty {
    let name = |name: &str| Ok(renames.get(name).map_or(name, String::as_str).to_owned());
    ty.map(&Ty::Param, &name)
        .unwrap_or_else(|_: super::Error| ty.clone())
}

/// The type whose bytes are the same: sets are vectors, maps are vectors of pairs.
fn on_the_wire(ty: &Ty) -> Ty {
    let boxed = |ty: &Ty| Box::new(on_the_wire(ty));
    match ty {
        Ty::Set(item) | Ty::Vec(item) => Ty::Vec(boxed(item)),
        Ty::Map(key, value) => {
            let entry = Ty::Tuple(vec![on_the_wire(key), on_the_wire(value)]);
            Ty::Vec(Box::new(entry))
        }
        Ty::Array(item, len) => Ty::Array(boxed(item), *len),
        Ty::Option(inner) => Ty::Option(boxed(inner)),
        Ty::Box(inner) => Ty::Box(boxed(inner)),
        Ty::Result(ok, err) => Ty::Result(boxed(ok), boxed(err)),
        Ty::Tuple(tys) => Ty::Tuple(tys.iter().map(on_the_wire).collect()),
        Ty::Named(name, args) => Ty::Named(name.clone(), args.iter().map(on_the_wire).collect()),
        Ty::Prim(_) | Ty::String | Ty::Duration | Ty::Param(_) => ty.clone(),
    }
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, place: &str, what: impl Into<String>, impact: Impact) {
        self.0.push(Change {
            place: place.to_owned(),
            what: what.into(),
            impact,
        });
    }

    fn routes(&mut self, old: &Snapshot, new: &Snapshot, renames: &BTreeMap<String, String>) {
        for route in &old.routes {
            match new.routes.iter().find(|other| other.name == route.name) {
                Some(other) => self.route(route, other, renames),
                None => self.add(&route.name, "is gone", Impact::BreakingOnTheWire),
            }
        }
        for route in &new.routes {
            if !old.routes.iter().any(|other| other.name == route.name) {
                self.add(&route.name, "is new", Impact::None);
            }
        }
    }

    fn route(&mut self, old: &Route, new: &Route, renames: &BTreeMap<String, String>) {
        self.fields(&new.name, "argument", &old.args, &new.args, renames);
        self.ty(&new.name, "answers", &old.res, &new.res, renames);
        for (verb, starts, stops, old, new_ty) in [
            (
                "fails with",
                "can now fail with",
                "no longer fails with",
                &old.err,
                &new.err,
            ),
            (
                "takes a stream of",
                "now takes a stream of",
                "no longer takes a stream of",
                &old.takes,
                &new.takes,
            ),
            (
                "streams back",
                "now streams back",
                "no longer streams back",
                &old.yields,
                &new.yields,
            ),
        ] {
            match (old, new_ty) {
                (Some(old), Some(ty)) => self.ty(&new.name, verb, old, ty, renames),
                (None, None) => {}
                (None, Some(ty)) => {
                    self.add(
                        &new.name,
                        format!("{starts} {ty}"),
                        Impact::BreakingOnTheWire,
                    );
                }
                (Some(ty), None) => {
                    self.add(
                        &new.name,
                        format!("{stops} {ty}"),
                        Impact::BreakingOnTheWire,
                    );
                }
            }
        }
    }

    fn ty(
        &mut self,
        place: &str,
        verb: &str,
        old: &Ty,
        new: &Ty,
        renames: &BTreeMap<String, String>,
    ) {
        let same = renamed(old, renames);
        if same == *new {
            return;
        }
        let impact = match on_the_wire(&same) == on_the_wire(new) {
            true => Impact::SourceOnly,
            false => Impact::BreakingOnTheWire,
        };
        self.add(place, format!("{verb} {new}, was {old}"), impact);
    }

    fn types(&mut self, old: &Snapshot, new: &Snapshot, renames: &BTreeMap<String, String>) {
        for def in &old.types {
            let name = renames.get(&def.name).unwrap_or(&def.name);
            if name != &def.name {
                self.add(
                    &def.name,
                    format!("is now named `{name}`"),
                    Impact::SourceOnly,
                );
            }
            match new.type_def(name) {
                Some(other) => self.type_def(def, other, renames),
                // Whatever used it has changed as well, and says what that does to the bytes.
                None => self.add(name, "is gone", Impact::SourceOnly),
            }
        }
        for def in &new.types {
            let was = renames.values().any(|name| *name == def.name);
            if !was && old.type_def(&def.name).is_none() {
                self.add(&def.name, "is new", Impact::None);
            }
        }
    }

    fn type_def(&mut self, old: &TypeDef, new: &TypeDef, renames: &BTreeMap<String, String>) {
        let name = &new.name;
        if old.kind != new.kind {
            let kind = |kind: Kind| match kind {
                Kind::Struct => "a struct",
                Kind::Enum => "an enum",
            };
            let what = format!("is now {}, was {}", kind(new.kind), kind(old.kind));
            return self.add(name, what, Impact::BreakingOnTheWire);
        }
        if old.params != new.params {
            let what = format!("has {} type parameters, had {}", new.params, old.params);
            self.add(name, what, Impact::SourceOnly);
        }
        self.shape(name, old.shape, new.shape);
        if old.shape == new.shape {
            self.fields(name, "field", &old.fields, &new.fields, renames);
        } else {
            self.positions(name, &old.fields, &new.fields, renames);
        }
        self.variants(old, new, renames);
    }

    fn shape(&mut self, place: &str, old: Shape, new: Shape) {
        let words = |shape: Shape| match shape {
            Shape::Named => "named fields",
            Shape::Tuple => "numbered fields",
            Shape::Unit => "no fields",
        };
        if old != new {
            let what = format!("has {}, had {}", words(new), words(old));
            self.add(place, what, Impact::SourceOnly);
        }
    }

    fn variants(&mut self, old: &TypeDef, new: &TypeDef, renames: &BTreeMap<String, String>) {
        let position = |def: &TypeDef, name: &str| def.variants.iter().position(|v| v.name == name);
        for (index, variant) in old.variants.iter().enumerate() {
            let place = format!("{}::{}", new.name, variant.name);
            if let Some(at) = position(new, &variant.name) {
                let other = &new.variants[at];
                if at != index {
                    let what = format!("is variant {at}, was {index}");
                    self.add(&place, what, Impact::BreakingOnTheWire);
                }
                self.shape(&place, variant.shape, other.shape);
                if variant.shape == other.shape {
                    self.fields(&place, "field", &variant.fields, &other.fields, renames);
                } else {
                    self.positions(&place, &variant.fields, &other.fields, renames);
                }
                continue;
            }
            match new.variants.get(index) {
                Some(other) if position(old, &other.name).is_none() => {
                    let what = format!("is now named `{}`", other.name);
                    self.add(&place, what, Impact::SourceOnly);
                    self.positions(&place, &variant.fields, &other.fields, renames);
                }
                _ => self.add(&place, "is gone", Impact::BreakingOnTheWire),
            }
        }
        for (index, variant) in new.variants.iter().enumerate() {
            let replaces = old
                .variants
                .get(index)
                .is_some_and(|other| position(new, &other.name).is_none());
            if position(old, &variant.name).is_none() && !replaces {
                let place = format!("{}::{}", new.name, variant.name);
                self.add(&place, "is new", Impact::BreakingOnTheWire);
            }
        }
    }

    /// By name, then what is left by position.
    fn fields(
        &mut self,
        place: &str,
        what: &str,
        old: &[Field],
        new: &[Field],
        renames: &BTreeMap<String, String>,
    ) {
        let position = |fields: &[Field], name: &str| fields.iter().position(|f| f.name == name);
        for (index, field) in old.iter().enumerate() {
            let inner = format!("{place}.{}", field.name);
            if let Some(at) = position(new, &field.name) {
                if at != index {
                    let moved = format!("is {what} {at}, was {index}");
                    self.add(&inner, moved, Impact::BreakingOnTheWire);
                }
                self.ty(&inner, "is now", &field.ty, &new[at].ty, renames);
                continue;
            }
            match new.get(index) {
                Some(other) if position(old, &other.name).is_none() => {
                    let named = format!("is now named `{}`", other.name);
                    self.add(&inner, named, Impact::SourceOnly);
                    self.ty(&inner, "is now", &field.ty, &other.ty, renames);
                }
                _ => self.add(&inner, "is gone", Impact::BreakingOnTheWire),
            }
        }
        for (index, field) in new.iter().enumerate() {
            let replaces = old
                .get(index)
                .is_some_and(|other| position(new, &other.name).is_none());
            if position(old, &field.name).is_none() && !replaces {
                let inner = format!("{place}.{}", field.name);
                self.add(
                    &inner,
                    format!("is new: {}", field.ty),
                    Impact::BreakingOnTheWire,
                );
            }
        }
    }

    /// By position alone: the names have changed altogether, and that has been said.
    fn positions(
        &mut self,
        place: &str,
        old: &[Field],
        new: &[Field],
        renames: &BTreeMap<String, String>,
    ) {
        let numbered = |fields: &[Field]| -> Vec<Field> {
            let fields = fields.iter().enumerate();
            fields
                .map(|(index, field)| Field {
                    name: index.to_string(),
                    ..field.clone()
                })
                .collect()
        };
        self.fields(place, "field", &numbered(old), &numbered(new), renames);
    }
}
