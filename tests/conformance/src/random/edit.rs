//! Single edits that change what is on the wire, or what a message's parts are called.

use cell_sdk::schema::{Kind, Prim, Shape, Ty, Variant};

use super::draw::{field, simple};
use super::{Model, Rng};

/// A kind of edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Edit {
    AddField,
    RemoveField,
    RenameField,
    RetypeField,
    WrapField,
    UnwrapField,
    ReorderFields,
    ReshapeFields,
    AddVariant,
    RemoveVariant,
    RenameVariant,
    ReorderVariants,
    RenameType,
    SwapParameters,
    AddRoute,
    RemoveRoute,
    RenameRoute,
    RetypeAnswer,
    AddError,
    RemoveError,
}

impl Edit {
    /// All of them.
    pub const ALL: [Edit; 20] = [
        Edit::AddField,
        Edit::RemoveField,
        Edit::RenameField,
        Edit::RetypeField,
        Edit::WrapField,
        Edit::UnwrapField,
        Edit::ReorderFields,
        Edit::ReshapeFields,
        Edit::AddVariant,
        Edit::RemoveVariant,
        Edit::RenameVariant,
        Edit::ReorderVariants,
        Edit::RenameType,
        Edit::SwapParameters,
        Edit::AddRoute,
        Edit::RemoveRoute,
        Edit::RenameRoute,
        Edit::RetypeAnswer,
        Edit::AddError,
        Edit::RemoveError,
    ];
}

/// The model with one edit, and what was edited; `None` where the model has no place for it.
pub fn edit(model: &Model, kind: Edit, rng: &mut Rng) -> Option<(Model, String)> {
    let mut new = model.clone();
    let what = match kind {
        Edit::AddVariant | Edit::RemoveVariant | Edit::RenameVariant | Edit::ReorderVariants => {
            variants(&mut new, kind, rng)?
        }
        Edit::RenameType => rename_type(&mut new, rng),
        Edit::AddRoute
        | Edit::RemoveRoute
        | Edit::RenameRoute
        | Edit::RetypeAnswer
        | Edit::AddError
        | Edit::RemoveError => routes(&mut new, kind, rng)?,
        _ => fields(&mut new, kind, rng)?,
    };
    for route in &mut new.routes {
        route.req = Ty::Tuple(route.args.iter().map(|arg| arg.ty.clone()).collect());
    }
    // An edit that leaves a definition unreached, or a type without a size, is another edit.
    let reached = new.snapshot().ok()?.types.len() == new.types.len();
    (new != *model && reached).then(|| (new, format!("{kind:?}: {what}")))
}

fn fields(model: &mut Model, kind: Edit, rng: &mut Rng) -> Option<String> {
    let routes = model.routes.len();
    let mut lists = model.lists();
    // A handler takes at most twelve arguments, and they have names: the last lists are those of routes.
    let end = lists.len();
    let at = rng.below(end);
    let is_route = at >= end - routes;
    let (shape, list) = &mut lists[at];
    let has_param = |ty: &Ty| mentions(ty, &|ty| matches!(ty, Ty::Param(_)));
    if kind == Edit::AddField {
        if *shape == Shape::Unit || list.len() >= 11 {
            return None;
        }
        let place = rng.below(list.len() + 1);
        let ty = simple(rng);
        list.insert(place, field("added", ty));
        number(*shape, list);
        return Some(format!("one of list {at} at {place}"));
    }
    if kind == Edit::ReshapeFields {
        return (!is_route && !list.is_empty())
            .then(|| reshape(model, at))
            .flatten();
    }
    if list.is_empty() {
        return None;
    }
    let place = rng.below(list.len());
    let what = format!("`{}` of list {at}", list[place].name);
    match kind {
        Edit::RemoveField => {
            if has_param(&list[place].ty) || (*shape == Shape::Tuple && list.len() == 1) {
                return None;
            }
            list.remove(place);
            number(*shape, list);
        }
        Edit::RenameField if *shape == Shape::Named => list[place].name.push_str("_2"),
        Edit::RenameField => return None,
        Edit::RetypeField => {
            let new = simple(rng);
            let old = &mut list[place].ty;
            // Deep inside, where there is an inside.
            let slot = innermost(old, rng);
            if has_param(slot) || matches!(slot, Ty::Named(..)) || *slot == new {
                return None;
            }
            *slot = new;
        }
        Edit::WrapField => {
            let old = Box::new(list[place].ty.clone());
            list[place].ty = match rng.below(4) {
                0 => Ty::Vec(old),
                1 => Ty::Option(old),
                2 => Ty::Array(old, 2),
                _ => Ty::Tuple(vec![*old, Ty::Prim(Prim::U8)]),
            };
        }
        Edit::UnwrapField => {
            list[place].ty = match &list[place].ty {
                Ty::Vec(of) | Ty::Array(of, _) | Ty::Set(of) | Ty::Option(of)
                    if !matches!(**of, Ty::Named(..) | Ty::Box(_)) =>
                {
                    (**of).clone()
                }
                Ty::Map(key, of) => {
                    Ty::Vec(Box::new(Ty::Tuple(vec![(**key).clone(), (**of).clone()])))
                }
                _ => return None,
            };
        }
        Edit::ReorderFields => {
            let other = rng.below(list.len());
            list.swap(place, other);
            number(*shape, list);
        }
        Edit::SwapParameters => {
            let Ty::Named(_, args) = innermost_named(&mut list[place].ty)? else {
                return None;
            };
            args.reverse();
            if args.len() == 1 {
                args[0] = Ty::Vec(Box::new(args[0].clone()));
            }
        }
        _ => return None,
    }
    Some(what)
}

/// A tuple's fields are named by their number.
fn number(shape: Shape, list: &mut [cell_sdk::schema::Field]) {
    if shape == Shape::Tuple {
        for (index, field) in list.iter_mut().enumerate() {
            field.name = index.to_string();
        }
    }
}

/// `{ a: A }` to `(A)` and back.
fn reshape(model: &mut Model, at: usize) -> Option<String> {
    let mut index = 0;
    for def in &mut model.types {
        let own = def.kind == Kind::Struct;
        let structs = own.then_some((&mut def.shape, &mut def.fields));
        let variants = def
            .variants
            .iter_mut()
            .map(|variant| (&mut variant.shape, &mut variant.fields));
        for (shape, fields) in structs.into_iter().chain(variants) {
            if index == at {
                *shape = if *shape == Shape::Named {
                    Shape::Tuple
                } else {
                    Shape::Named
                };
                for (place, field) in fields.iter_mut().enumerate() {
                    field.name = if *shape == Shape::Named {
                        format!("part_{place}")
                    } else {
                        place.to_string()
                    };
                }
                return Some(format!("list {at}"));
            }
            index += 1;
        }
    }
    None
}

fn variants(model: &mut Model, kind: Edit, rng: &mut Rng) -> Option<String> {
    let mut enums: Vec<_> = model
        .types
        .iter_mut()
        .filter(|def| def.kind == Kind::Enum)
        .collect();
    if enums.is_empty() {
        return None;
    }
    let at = rng.below(enums.len());
    let def = &mut enums[at];
    let place = rng.below(def.variants.len());
    let what = format!("`{}::{}`", def.name, def.variants[place].name);
    match kind {
        Edit::AddVariant => {
            let shape = *rng.pick(&[Shape::Unit, Shape::Tuple, Shape::Named]);
            let fields = match shape {
                Shape::Unit => Vec::new(),
                Shape::Tuple => vec![field("0", simple(rng))],
                Shape::Named => vec![field("added", simple(rng))],
            };
            let variant = Variant {
                name: "Added".to_owned(),
                shape,
                docs: String::new(),
                fields,
            };
            def.variants.insert(place, variant);
        }
        Edit::RemoveVariant => {
            let uses = def.variants[place]
                .fields
                .iter()
                .any(|field| mentions(&field.ty, &|ty| matches!(ty, Ty::Param(_))));
            if uses || def.variants.len() == 1 {
                return None;
            }
            def.variants.remove(place);
        }
        Edit::RenameVariant => def.variants[place].name.push('2'),
        _ => {
            let other = rng.below(def.variants.len());
            def.variants.swap(place, other);
        }
    }
    Some(what)
}

fn rename_type(model: &mut Model, rng: &mut Rng) -> String {
    let at = rng.below(model.types.len());
    let old = model.types[at].name.clone();
    let new = format!("{old}2");
    model.types[at].name.clone_from(&new);
    let tys = model
        .routes
        .iter_mut()
        .flat_map(|route| std::iter::once(&mut route.res).chain(&mut route.err));
    tys.for_each(|ty| rename(ty, &old, &new));
    for (_, list) in model.lists() {
        list.iter_mut()
            .for_each(|field| rename(&mut field.ty, &old, &new));
    }
    format!("`{old}`")
}

fn rename(ty: &mut Ty, old: &str, new: &str) {
    if let Ty::Named(name, _) = ty
        && name == old
    {
        new.clone_into(name);
    }
    children(ty)
        .into_iter()
        .for_each(|child| rename(child, old, new));
}

fn routes(model: &mut Model, kind: Edit, rng: &mut Rng) -> Option<String> {
    let at = rng.below(model.routes.len());
    let what = format!("`{}`", model.routes[at].name);
    match kind {
        Edit::AddRoute => {
            let mut route = model.routes[at].clone();
            route.name.push_str("_2");
            model.routes.insert(at, route);
        }
        Edit::RemoveRoute => {
            model.routes.remove(at);
        }
        Edit::RenameRoute => model.routes[at].name.push_str("_2"),
        Edit::RetypeAnswer => model.routes[at].res = simple(rng),
        Edit::AddError if model.routes[at].err.is_none() => {
            model.routes[at].err = Some(simple(rng))
        }
        Edit::RemoveError if model.routes[at].err.is_some() => model.routes[at].err = None,
        _ => return None,
    }
    Some(what)
}

fn children(ty: &mut Ty) -> Vec<&mut Ty> {
    match ty {
        Ty::Prim(_) | Ty::String | Ty::Duration | Ty::Param(_) => Vec::new(),
        Ty::Vec(a) | Ty::Array(a, _) | Ty::Option(a) | Ty::Box(a) | Ty::Set(a) => vec![a],
        Ty::Map(a, b) | Ty::Result(a, b) => vec![a, b],
        Ty::Tuple(many) | Ty::Named(_, many) => many.iter_mut().collect(),
    }
}

fn mentions(ty: &Ty, what: &dyn Fn(&Ty) -> bool) -> bool {
    what(ty) || ty.children().any(|child| mentions(child, what))
}

/// A part of a type that is not made of others; keys are left alone, since not everything can be one.
fn innermost<'a>(ty: &'a mut Ty, rng: &mut Rng) -> &'a mut Ty {
    if matches!(ty, Ty::Set(_)) || ty.children().next().is_none() {
        return ty;
    }
    match ty {
        Ty::Result(a, b) => innermost(if rng.chance(50) { a } else { b }, rng),
        Ty::Map(_, a) => innermost(a, rng),
        ty => {
            // Also a generic type's arguments.
            let mut parts = children(ty);
            let at = rng.below(parts.len());
            innermost(parts.swap_remove(at), rng)
        }
    }
}

fn innermost_named(ty: &mut Ty) -> Option<&mut Ty> {
    if matches!(ty, Ty::Named(_, args) if !args.is_empty()) {
        return Some(ty);
    }
    children(ty).into_iter().find_map(innermost_named)
}
