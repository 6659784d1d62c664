//! Random definitions and routes that rustc takes.

use cell_sdk::schema::{Field, Fingerprint, Kind, Prim, Route, Shape, Ty, TypeDef, Variant};

use super::{Model, Rng};

const TYPES: [&str; 14] = [
    "Order", "Item", "Line", "State", "Node", "Event", "Money", "Page", "Entry", "Token", "Shape",
    "Frame", "Window", "Trace",
];
const FIELDS: [&str; 16] = [
    "id", "name", "count", "price", "kind", "tags", "next", "parent", "created", "owner", "note",
    "flags", "weight", "level", "path", "extra",
];
const VARIANTS: [&str; 10] = [
    "Empty", "One", "Many", "Text", "Number", "Moved", "Closed", "Failed", "Open", "Other",
];
const ROUTES: [&str; 8] = [
    "get", "put", "list", "find", "open", "close", "watch", "merge",
];

/// Where a type may be used: what it may refer to.
struct Scope<'a> {
    /// Definitions that are complete already.
    known: &'a [TypeDef],
    /// The definition that is being made, and how many parameters it has.
    own: Option<(&'a str, usize)>,
}

pub(super) fn model(name: &str, rng: &mut Rng) -> Model {
    let mut types: Vec<TypeDef> = Vec::new();
    let first = rng.below(TYPES.len());
    for index in 0..3 + rng.below(5) {
        let type_name = TYPES[(first + index) % TYPES.len()];
        let def = definition(type_name, &types, rng);
        types.push(def);
    }
    // Every definition is reached by a route, as an argument or a result.
    let mut routes: Vec<Route> = Vec::new();
    let count = 2 + rng.below(3);
    for name in &ROUTES[..count] {
        let scope = Scope {
            known: &types,
            own: None,
        };
        let args = (0..rng.below(3))
            .map(|_| ty(&scope, 2, rng))
            .collect::<Vec<_>>();
        let res = ty(&scope, 2, rng);
        let err = rng.chance(40).then(|| ty(&scope, 1, rng));
        routes.push(route(name, args, res, err));
    }
    for (index, def) in types.iter().enumerate() {
        let scope = Scope {
            known: &[],
            own: None,
        };
        let args = (0..def.params).map(|_| ty(&scope, 1, rng)).collect();
        let named = Ty::Named(def.name.clone(), args);
        let route = &mut routes[index % count];
        let name = format!("the_{}", def.name.to_lowercase());
        route.args.push(field(&name, named));
    }
    for route in &mut routes {
        route.req = Ty::Tuple(route.args.iter().map(|arg| arg.ty.clone()).collect());
    }
    Model {
        name: name.to_owned(),
        types,
        routes,
    }
}

fn route(name: &str, args: Vec<Ty>, res: Ty, err: Option<Ty>) -> Route {
    let names = ["a", "b", "c"];
    Route {
        name: name.to_owned(),
        fingerprint: Fingerprint(0),
        docs: String::new(),
        args: args
            .into_iter()
            .zip(names)
            .map(|(ty, name)| field(name, ty))
            .collect(),
        req: Ty::unit(),
        // A handler that returns a `Result` says so by its error.
        res: match res {
            Ty::Result(..) => Ty::Vec(Box::new(res)),
            res => res,
        },
        err,
        takes: None,
        yields: None,
    }
}

pub(super) fn field(name: &str, ty: Ty) -> Field {
    Field {
        name: name.to_owned(),
        ty,
        docs: String::new(),
    }
}

fn definition(name: &str, known: &[TypeDef], rng: &mut Rng) -> TypeDef {
    let params = if rng.chance(25) { 1 + rng.below(2) } else { 0 };
    let scope = Scope {
        known,
        own: Some((name, params)),
    };
    let mut def = TypeDef {
        name: name.to_owned(),
        kind: Kind::Struct,
        params,
        shape: Shape::Unit,
        docs: String::new(),
        fields: Vec::new(),
        variants: Vec::new(),
    };
    if rng.chance(55) {
        (def.shape, def.fields) = shape(&scope, rng);
        if params > 0 && def.shape == Shape::Unit {
            def.shape = Shape::Tuple;
        }
        use_params(params, def.shape, &mut def.fields);
        return def;
    }
    def.kind = Kind::Enum;
    let first = rng.below(VARIANTS.len());
    let variant = |name: &str, shape, fields| Variant {
        name: name.to_owned(),
        shape,
        docs: String::new(),
        fields,
    };
    // The first has no fields: a type that refers to itself needs a way to end.
    def.variants
        .push(variant(VARIANTS[first], Shape::Unit, Vec::new()));
    for index in 1..2 + rng.below(4) {
        let (shape, fields) = shape(&scope, rng);
        def.variants.push(variant(
            VARIANTS[(first + index) % VARIANTS.len()],
            shape,
            fields,
        ));
    }
    if params > 0 {
        let mut fields = Vec::new();
        use_params(params, Shape::Tuple, &mut fields);
        def.variants.push(variant("Params", Shape::Tuple, fields));
    }
    def
}

/// Rust refuses a parameter that no field mentions.
fn use_params(params: usize, shape: Shape, fields: &mut Vec<Field>) {
    for index in 0..params {
        let name = match shape {
            Shape::Named => format!("param_{index}"),
            _ => fields.len().to_string(),
        };
        fields.push(field(&name, Ty::Param(index)));
    }
}

fn shape(scope: &Scope<'_>, rng: &mut Rng) -> (Shape, Vec<Field>) {
    let count = rng.below(5);
    let first = rng.below(FIELDS.len());
    match rng.below(10) {
        0 => (Shape::Unit, Vec::new()),
        1..4 => {
            let fields =
                (0..count.max(1)).map(|index| field(&index.to_string(), ty(scope, 3, rng)));
            (Shape::Tuple, fields.collect())
        }
        _ => {
            let fields = (0..count)
                .map(|index| field(FIELDS[(first + index) % FIELDS.len()], ty(scope, 3, rng)));
            (Shape::Named, fields.collect())
        }
    }
}

pub(super) fn simple(rng: &mut Rng) -> Ty {
    match rng.below(20) {
        0 => Ty::Duration,
        1 => Ty::unit(),
        2..7 => Ty::String,
        _ => Ty::Prim(*rng.pick(&Prim::ALL)),
    }
}

/// What Rust orders and every language can look up.
fn key(rng: &mut Rng) -> Ty {
    let prims = [
        Prim::Bool,
        Prim::U8,
        Prim::U16,
        Prim::U32,
        Prim::U64,
        Prim::U128,
        Prim::I8,
        Prim::I16,
        Prim::I32,
        Prim::I64,
        Prim::I128,
        Prim::Char,
    ];
    match rng.below(10) {
        0..4 => Ty::String,
        4 => Ty::Tuple(vec![Ty::Prim(*rng.pick(&prims)), Ty::String]),
        _ => Ty::Prim(*rng.pick(&prims)),
    }
}

fn ty(scope: &Scope<'_>, depth: usize, rng: &mut Rng) -> Ty {
    if depth == 0 {
        return simple(rng);
    }
    let inner = |rng: &mut Rng| Box::new(ty(scope, depth - 1, rng));
    match rng.below(24) {
        0 | 1 => Ty::Vec(inner(rng)),
        2 | 3 => Ty::Option(inner(rng)),
        4 => Ty::Box(inner(rng)),
        5 => Ty::Array(inner(rng), rng.below(4) as u64),
        6 => Ty::Set(Box::new(key(rng))),
        7 | 8 => Ty::Map(Box::new(key(rng)), inner(rng)),
        9 => Ty::Result(inner(rng), inner(rng)),
        10 | 11 => Ty::Tuple((0..1 + rng.below(3)).map(|_| *inner(rng)).collect()),
        12 => match scope.own {
            Some((_, params)) if params > 0 => Ty::Param(rng.below(params)),
            _ => simple(rng),
        },
        13 => match scope.own {
            // Only with its own parameters: with others there would be ever more types.
            Some((name, params)) => {
                let own = Ty::Named(name.to_owned(), (0..params).map(Ty::Param).collect());
                match rng.chance(50) {
                    true => Ty::Vec(Box::new(own)),
                    false => Ty::Option(Box::new(Ty::Box(Box::new(own)))),
                }
            }
            None => simple(rng),
        },
        14..17 if !scope.known.is_empty() => {
            let def = rng.pick(scope.known);
            Ty::Named(
                def.name.clone(),
                (0..def.params).map(|_| *inner(rng)).collect(),
            )
        }
        _ => simple(rng),
    }
}
