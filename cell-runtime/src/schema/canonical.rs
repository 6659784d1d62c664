//! The canonical bytes that fingerprints are taken over; `docs/schema.md` specifies them with vectors.
//!
//! One line an item, in an order that does not depend on the source's. Identifiers and type expressions hold neither
//! spaces nor line ends, so a line reads in one way only. Recursion needs no rule of its own: definitions refer to each
//! other by name, and each stands in the bytes once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::{Field, Fingerprint, Kind, Route, Shape, Snapshot, Ty, TypeDef};

/// The canonical bytes of a whole schema.
#[must_use]
pub fn canonical(snapshot: &Snapshot) -> Vec<u8> {
    let routes: Vec<&Route> = snapshot.routes.iter().collect();
    bytes("cell-schema 1", snapshot, &routes)
}

/// The canonical bytes of one route with the definitions that it reaches.
#[must_use]
pub fn canonical_route(snapshot: &Snapshot, route: &Route) -> Vec<u8> {
    bytes("cell-route 1", snapshot, &[route])
}

/// The fingerprint of a whole schema.
#[must_use]
pub(crate) fn fingerprint(snapshot: &Snapshot) -> Fingerprint {
    Fingerprint::of(&canonical(snapshot))
}

/// The fingerprint of one route.
#[must_use]
pub(crate) fn route_fingerprint(snapshot: &Snapshot, route: &Route) -> Fingerprint {
    Fingerprint::of(&canonical_route(snapshot, route))
}

/// The short names of the definitions that routes reach.
pub(crate) fn reached<'a>(snapshot: &'a Snapshot, routes: &[&'a Route]) -> BTreeSet<&'a str> {
    let defs: BTreeMap<&str, &TypeDef> = snapshot
        .types
        .iter()
        .map(|def| (def.name.as_str(), def))
        .collect();
    let mut wanted: Vec<&str> = Vec::new();
    for route in routes {
        for ty in route_tys(route) {
            ty.each_name(&mut |name, _| wanted.push(name));
        }
    }
    let mut reached = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !reached.insert(name) {
            continue;
        }
        for field in defs.get(name).into_iter().flat_map(|def| all_fields(def)) {
            field.ty.each_name(&mut |name, _| wanted.push(name));
        }
    }
    reached
}

/// The type expressions of a route.
pub(crate) fn route_tys(route: &Route) -> impl Iterator<Item = &Ty> {
    let args = route.args.iter().map(|arg| &arg.ty);
    args.chain([&route.res])
        .chain(&route.err)
        .chain(&route.takes)
        .chain(&route.yields)
}

/// The fields of a struct, or of all variants of an enum.
pub(crate) fn all_fields(def: &TypeDef) -> impl Iterator<Item = &Field> {
    let variants = def.variants.iter().flat_map(|variant| &variant.fields);
    def.fields.iter().chain(variants)
}

fn bytes(head: &str, snapshot: &Snapshot, routes: &[&Route]) -> Vec<u8> {
    let reached = reached(snapshot, routes);
    let mut types: Vec<&TypeDef> = snapshot
        .types
        .iter()
        .filter(|def| reached.contains(def.name.as_str()))
        .collect();
    types.sort_by_key(|def| def.name.as_str());
    let mut routes = routes.to_vec();
    routes.sort_by_key(|route| route.name.as_str());

    let mut text = Text(String::new());
    text.line(format_args!("{head}"));
    text.line(format_args!("archive {}", snapshot.archive));
    text.line(format_args!("service {}", snapshot.name));
    for def in types {
        text.type_def(def);
    }
    for route in routes {
        text.line(format_args!("route {}", route.name));
        for arg in &route.args {
            text.line(format_args!("arg {} {}", arg.name, arg.ty));
        }
        text.line(format_args!("ok {}", route.res));
        if let Some(err) = &route.err {
            text.line(format_args!("err {err}"));
        }
        if let Some(takes) = &route.takes {
            text.line(format_args!("takes {takes}"));
        }
        if let Some(yields) = &route.yields {
            text.line(format_args!("yields {yields}"));
        }
    }
    text.0.into_bytes()
}

struct Text(String);

impl Text {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    fn type_def(&mut self, def: &TypeDef) {
        match def.kind {
            Kind::Struct => {
                let shape = shape(def.shape);
                self.line(format_args!("struct {} {} {shape}", def.name, def.params));
                self.fields(&def.fields);
            }
            Kind::Enum => {
                self.line(format_args!("enum {} {}", def.name, def.params));
                for variant in &def.variants {
                    self.line(format_args!(
                        "variant {} {}",
                        variant.name,
                        shape(variant.shape)
                    ));
                    self.fields(&variant.fields);
                }
            }
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.line(format_args!("field {} {}", field.name, field.ty));
        }
    }
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Named => "named",
        Shape::Tuple => "tuple",
        Shape::Unit => "unit",
    }
}
