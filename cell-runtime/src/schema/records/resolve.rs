//! A service's record → its snapshot: follow the names from the routes, give each definition its short name.

use std::collections::BTreeMap;

use super::Records;
use super::raw::{Definition, RawField, RawRoute, Service};
use crate::schema::limits::TYPES_MAX;
use crate::schema::{
    ARCHIVE, Error, FORMAT, Field, Fingerprint, Kind, Route, Shape, Snapshot, Ty, TypeDef, Variant,
};

pub(super) fn service(records: &Records, id: Option<&str>) -> Result<Snapshot, Error> {
    let service = find(records, id)?;
    let reached = reach(records, service)
        .map_err(|error| error.within(format_args!("service `{}`", service.name)))?;
    let snapshot = snapshot(service, &reached)?;
    snapshot
        .finish()
        .map_err(|error| error.within(format_args!("service `{}`", service.name)))
}

fn find<'a>(records: &'a Records, id: Option<&str>) -> Result<&'a Service, Error> {
    let ids = || {
        let ids: Vec<_> = records.services().map(|id| format!("`{id}`")).collect();
        ids.join(", ")
    };
    let found = match id {
        Some(id) => records.services.get(id).ok_or_else(|| {
            Error::new(format!("there is no schema record of the service `{id}`"))
                .hint("is it a module with `#[cell::service]`?")
        })?,
        None => match records.services.len() {
            0 => {
                return Err(Error::new(
                    "the binary serves nothing: it has no `#[cell::service]`",
                ));
            }
            1 => records
                .services
                .values()
                .next()
                .map_or(&[][..], Vec::as_slice),
            _ => {
                return Err(
                    Error::new(format!("the binary has several services: {}", ids()))
                        .hint("a cell serves one: move the others to packages of their own"),
                );
            }
        },
    };
    match found {
        [one] => Ok(one),
        _ => Err(
            Error::new(format!("several services have one path: {}", ids()))
                .hint("rename one of the modules"),
        ),
    }
}

/// Every definition that the routes reach, by full path.
fn reach<'a>(
    records: &'a Records,
    service: &Service,
) -> Result<BTreeMap<&'a str, &'a Definition>, Error> {
    let mut reached = BTreeMap::new();
    let mut wanted: Vec<(String, String)> = Vec::new();
    for route in &service.routes {
        for ty in route_tys(route) {
            let from = format!("route `{}`", route.name);
            ty.each_name(&mut |id, _| wanted.push((id.to_owned(), from.clone())));
        }
    }
    while let Some((id, from)) = wanted.pop() {
        if reached.contains_key(id.as_str()) {
            continue;
        }
        if reached.len() == TYPES_MAX {
            return Err(Error::new(format!("reaches more than {TYPES_MAX} types")));
        }
        let (id, definition) = definition(records, &id, &from)?;
        for field in all_fields(definition) {
            let from = format!("`{}.{}`", definition.name, field.name);
            field
                .ty
                .each_name(&mut |id, _| wanted.push((id.to_owned(), from.clone())));
        }
        reached.insert(id, definition);
    }
    Ok(reached)
}

fn definition<'a>(
    records: &'a Records,
    id: &str,
    from: &str,
) -> Result<(&'a str, &'a Definition), Error> {
    let (id, definitions) = records.definitions.get_key_value(id).ok_or_else(|| {
        Error::new(format!(
            "{from} needs the type `{id}`, which has no schema record"
        ))
        .hint("derive `cell::Protein` for it and rebuild")
    })?;
    match definitions.as_slice() {
        [one] => Ok((id, one)),
        several => {
            let places: Vec<_> = several.iter().map(|def| def.at.as_str()).collect();
            Err(Error::new(format!(
                "{from} needs `{id}`, and {} different types have that path, at {}",
                several.len(),
                places.join(" and ")
            ))
            .hint("rename one of them, or move it out of its function"))
        }
    }
}

fn route_tys(route: &RawRoute) -> impl Iterator<Item = &Ty> {
    let args = route.args.iter().map(|arg| &arg.ty);
    args.chain([&route.ok])
        .chain(&route.err)
        .chain(&route.takes)
        .chain(&route.yields)
}

fn all_fields(definition: &Definition) -> impl Iterator<Item = &RawField> {
    let variants = definition.variants.iter();
    definition
        .fields
        .iter()
        .chain(variants.flat_map(|variant| &variant.fields))
}

fn snapshot(service: &Service, reached: &BTreeMap<&str, &Definition>) -> Result<Snapshot, Error> {
    let short = |id: &str| -> Result<String, Error> {
        reached
            .get(id)
            .map(|definition| definition.name.clone())
            .ok_or_else(|| Error::new(format!("the type `{id}` has no schema record")))
    };
    // Two paths of one short name may be one type twice (a crate's own, and the same in a binding): then they are one.
    let mut types: BTreeMap<String, (TypeDef, &str)> = BTreeMap::new();
    for (id, definition) in reached {
        let def = type_def(definition, &short)?;
        match types.get(&definition.name) {
            None => {
                types.insert(definition.name.clone(), (def, id));
            }
            Some((same, _)) if same_shape(same, &def) => {}
            Some((_, other)) => {
                return Err(Error::new(format!(
                    "service `{}` reaches two types named `{}`: `{other}` and `{id}`",
                    service.name, definition.name
                ))
                .hint(format!(
                    "give one of them another name for the wire: `#[protein(name = \"Other{}\")]`",
                    definition.name
                )));
            }
        }
    }
    let mut routes = Vec::new();
    for route in &service.routes {
        routes.push(self::route(route, &short)?);
    }
    Ok(Snapshot {
        format: FORMAT,
        name: service.name.clone(),
        fingerprint: Fingerprint::default(),
        archive: ARCHIVE.to_owned(),
        docs: service.docs.clone(),
        types: types.into_values().map(|(def, _)| def).collect(),
        routes,
        layouts: Vec::new(),
    })
}

fn same_shape(a: &TypeDef, b: &TypeDef) -> bool {
    let bare = |def: &TypeDef| {
        let mut def = def.clone();
        def.docs.clear();
        for variant in &mut def.variants {
            variant.docs.clear();
        }
        let variants = def
            .variants
            .iter_mut()
            .flat_map(|variant| &mut variant.fields);
        for field in def.fields.iter_mut().chain(variants) {
            field.docs.clear();
        }
        def
    };
    bare(a) == bare(b)
}

type Short<'a> = &'a dyn Fn(&str) -> Result<String, Error>;

fn type_def(definition: &Definition, short: Short<'_>) -> Result<TypeDef, Error> {
    let mut variants = Vec::new();
    for variant in &definition.variants {
        variants.push(Variant {
            name: variant.name.clone(),
            shape: variant.shape,
            docs: variant.docs.clone(),
            fields: fields(&variant.fields, short)?,
        });
    }
    Ok(TypeDef {
        name: definition.name.clone(),
        kind: definition.kind,
        params: definition.params,
        shape: match definition.kind {
            Kind::Struct => definition.shape,
            Kind::Enum => Shape::Unit,
        },
        docs: definition.docs.clone(),
        fields: fields(&definition.fields, short)?,
        variants,
    })
}

fn route(route: &RawRoute, short: Short<'_>) -> Result<Route, Error> {
    let args = fields(&route.args, short)?;
    let rename = |ty: &Ty| ty.map(&Ty::Param, short);
    Ok(Route {
        name: route.name.clone(),
        fingerprint: Fingerprint::default(),
        docs: route.docs.clone(),
        req: Ty::Tuple(args.iter().map(|arg| arg.ty.clone()).collect()),
        args,
        res: rename(&route.ok)?,
        err: route.err.as_ref().map(rename).transpose()?,
        takes: route.takes.as_ref().map(rename).transpose()?,
        yields: route.yields.as_ref().map(rename).transpose()?,
    })
}

fn fields(fields: &[RawField], short: Short<'_>) -> Result<Vec<Field>, Error> {
    fields
        .iter()
        .map(|field| {
            Ok(Field {
                name: field.name.clone(),
                ty: field.ty.map(&Ty::Param, short)?,
                docs: field.docs.clone(),
            })
        })
        .collect()
}
