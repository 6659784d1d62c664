//! The snapshot's JSON, and what must hold before one is believed.

use std::collections::BTreeSet;

use super::limits::{
    DOCS_BYTES_MAX, FIELDS_MAX, PARAMS_MAX, ROUTES_MAX, SNAPSHOT_BYTES_MAX, TYPES_MAX, VARIANTS_MAX,
};
use super::{
    ARCHIVE, Error, FORMAT, Field, Fingerprint, Kind, Route, Shape, Snapshot, Ty, TypeDef,
    canonical, is_builtin, is_identifier, layout,
};

impl Snapshot {
    /// The JSON that `<cell>.json` holds: stable, indented, with a line end at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no strings could fail, and there is none.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Reads a snapshot that may come from a stranger: everything in it is checked, and what can be computed from the
    /// rest (fingerprints, layouts, order) must agree with it.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        if json.len() > SNAPSHOT_BYTES_MAX {
            return Err(Error::new(format!(
                "the snapshot has {} bytes, more than {SNAPSHOT_BYTES_MAX}",
                json.len()
            )));
        }
        /// Read first: an unknown format must not be reported as an unknown field.
        #[derive(serde::Deserialize)]
        struct Head {
            format: u32,
            #[serde(default)]
            archive: String,
        }
        let unreadable = |cause| Error::new(format!("the snapshot cannot be read: {cause}"));
        let head: Head = serde_json::from_str(json).map_err(unreadable)?;
        if head.format > FORMAT {
            return Err(Error::new(format!(
                "a newer cargo-cell wrote it: it has format {}, and this version reads format {FORMAT}",
                head.format
            ))
            .hint("update cargo-cell to the version that wrote it"));
        }
        if head.format != FORMAT || head.archive != ARCHIVE {
            return Err(Error::new(format!(
                "the snapshot has format {} and archive `{}`; this version reads format {FORMAT} and archive `{ARCHIVE}`",
                head.format,
                head.archive.escape_debug()
            ))
            .hint("use the version of cargo-cell that wrote it"));
        }
        let read: Snapshot = serde_json::from_str(json).map_err(unreadable)?;
        let computed = read.clone().finish()?;
        if computed.fingerprint != read.fingerprint {
            return Err(Error::new(format!(
                "the snapshot of `{}` says fingerprint {}, and what it describes has {}",
                computed.name, read.fingerprint, computed.fingerprint
            ))
            .hint("it was edited by hand or damaged; run `cargo cell lock` in the workspace of the cell"));
        }
        if computed != read {
            return Err(Error::new(format!(
                "the snapshot of `{}` contradicts itself in order, fingerprints of routes or layouts",
                computed.name
            ))
            .hint("it was edited by hand or damaged; run `cargo cell lock` in the workspace of the cell"));
        }
        Ok(read)
    }

    /// The content of `<cell>.lock`: the fingerprint and a line end.
    #[must_use]
    pub fn to_lock(&self) -> String {
        format!("{}\n", self.fingerprint)
    }

    /// Sorts, checks and computes: a snapshot that is correct from one that says only what there is.
    pub(crate) fn finish(mut self) -> Result<Self, Error> {
        self.types.sort_by(|a, b| a.name.cmp(&b.name));
        self.routes.sort_by(|a, b| a.name.cmp(&b.name));
        self.check()?;
        let fingerprints: Vec<Fingerprint> = self
            .routes
            .iter()
            .map(|route| canonical::route_fingerprint(&self, route))
            .collect();
        for (route, fingerprint) in self.routes.iter_mut().zip(fingerprints) {
            route.fingerprint = fingerprint;
        }
        self.fingerprint = canonical::fingerprint(&self);
        self.layouts = layout::table(&self)?;
        Ok(self)
    }

    fn check(&self) -> Result<(), Error> {
        identifier(&self.name, "the service")?;
        docs(&self.docs)?;
        at_most(self.types.len(), TYPES_MAX, "types")?;
        at_most(self.routes.len(), ROUTES_MAX, "routes")?;
        distinct(self.types.iter().map(|def| &def.name), "type")?;
        distinct(self.routes.iter().map(|route| &route.name), "route")?;
        for def in &self.types {
            self.check_type(def).map_err(|error| {
                error.within(format_args!("type `{}`", def.name.escape_debug()))
            })?;
        }
        for route in &self.routes {
            self.check_route(route).map_err(|error| {
                error.within(format_args!("route `{}`", route.name.escape_debug()))
            })?;
        }
        let routes: Vec<&Route> = self.routes.iter().collect();
        let reached = canonical::reached(self, &routes);
        match self
            .types
            .iter()
            .find(|def| !reached.contains(def.name.as_str()))
        {
            Some(def) => Err(Error::new(format!(
                "no route reaches the type `{}`",
                def.name
            ))),
            None => Ok(()),
        }
    }

    fn check_type(&self, def: &TypeDef) -> Result<(), Error> {
        identifier(&def.name, "a type")?;
        if is_builtin(&def.name) {
            return Err(
                Error::new("its name means something else in every schema").hint(format!(
                    "give it another: `#[protein(name = \"My{}\")]`",
                    def.name
                )),
            );
        }
        docs(&def.docs)?;
        at_most(def.params, PARAMS_MAX, "type parameters")?;
        match def.kind {
            Kind::Struct => {
                if !def.variants.is_empty() {
                    return Err(Error::new("a struct has no variants"));
                }
                self.check_fields(def.shape, &def.fields, def.params)
            }
            Kind::Enum => {
                if !def.fields.is_empty() || def.shape != Shape::Unit {
                    return Err(Error::new("an enum has no fields of its own"));
                }
                if def.variants.is_empty() {
                    return Err(Error::new("an enum without variants has no values"));
                }
                at_most(def.variants.len(), VARIANTS_MAX, "variants")?;
                distinct(def.variants.iter().map(|variant| &variant.name), "variant")?;
                for variant in &def.variants {
                    identifier(&variant.name, "a variant")?;
                    docs(&variant.docs)?;
                    self.check_fields(variant.shape, &variant.fields, def.params)
                        .map_err(|error| {
                            error.within(format_args!("variant `{}`", variant.name))
                        })?;
                }
                Ok(())
            }
        }
    }

    fn check_fields(&self, shape: Shape, fields: &[Field], params: usize) -> Result<(), Error> {
        at_most(fields.len(), FIELDS_MAX, "fields")?;
        distinct(fields.iter().map(|field| &field.name), "field")?;
        if shape == Shape::Unit && !fields.is_empty() {
            return Err(Error::new("what is written without braces has no fields"));
        }
        for (index, field) in fields.iter().enumerate() {
            match shape {
                Shape::Tuple if field.name != index.to_string() => {
                    return Err(Error::new(format!(
                        "field {index} is named `{}`",
                        field.name.escape_debug()
                    )));
                }
                Shape::Tuple => {}
                Shape::Named | Shape::Unit => identifier(&field.name, "a field")?,
            }
            docs(&field.docs)?;
            self.check_ty(&field.ty, params)
                .map_err(|error| error.within(format_args!("field `{}`", field.name)))?;
        }
        Ok(())
    }

    fn check_route(&self, route: &Route) -> Result<(), Error> {
        identifier(&route.name, "a route")?;
        docs(&route.docs)?;
        self.check_fields(Shape::Named, &route.args, 0)?;
        let tuple = Ty::Tuple(route.args.iter().map(|arg| arg.ty.clone()).collect());
        if route.req != tuple {
            return Err(Error::new(format!(
                "its request is `{}`, and its arguments make `{tuple}`",
                route.req
            )));
        }
        self.check_ty(&route.res, 0)?;
        if let Some(yields) = &route.yields
            && route.res != Ty::Tuple(Vec::new())
        {
            return Err(Error::new(format!(
                "it streams `{yields}` back, and answers `{}` besides",
                route.res
            )));
        }
        let more = route.err.iter().chain(&route.takes).chain(&route.yields);
        more.into_iter().try_for_each(|ty| self.check_ty(ty, 0))
    }

    fn check_ty(&self, ty: &Ty, params: usize) -> Result<(), Error> {
        match ty {
            Ty::Param(index) if *index >= params => {
                return Err(Error::new(format!("there is no type parameter `${index}`")));
            }
            Ty::Named(name, args) => {
                let def = self
                    .type_def(name)
                    .ok_or_else(|| Error::new(format!("there is no type `{name}`")))?;
                if def.params != args.len() {
                    return Err(Error::new(format!(
                        "`{name}` has {} type parameters, and {} arguments are given",
                        def.params,
                        args.len()
                    )));
                }
            }
            _ => {}
        }
        ty.children()
            .try_for_each(|child| self.check_ty(child, params))
    }
}

fn identifier(name: &str, what: &str) -> Result<(), Error> {
    if is_identifier(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(Error::new(format!(
        "`{}` cannot name {what}: only ASCII letters, digits and `_` can be carried into every language",
        shown.escape_debug()
    ))
    .hint("rename it, or give a type another name with `#[protein(name = \"…\")]`"))
}

fn docs(docs: &str) -> Result<(), Error> {
    at_most(docs.len(), DOCS_BYTES_MAX, "bytes of documentation")
}

fn at_most(count: usize, max: usize, what: &str) -> Result<(), Error> {
    match count > max {
        true => Err(Error::new(format!("has {count} {what}, more than {max}"))),
        false => Ok(()),
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>, what: &str) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::new(format!(
                "has two {what}s `{}`",
                name.escape_debug()
            )));
        }
    }
    Ok(())
}
