//! What a handler takes.

use syn::{FnArg, GenericArgument, Ident, ItemFn, Pat, PathArguments, Type};

use crate::errors::Errors;
use crate::protein::check_type;

/// One parameter of a handler.
pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) kind: Kind,
}

/// Where its value comes from.
pub(crate) enum Kind {
    /// The request.
    Value,
    /// The request, in place: a view of the type.
    View(Box<Type>),
    /// The cell's state, of the type.
    State(Box<Type>),
    /// The call.
    Context,
    /// The items that the caller streams, of the type.
    Stream(Box<Type>),
}

impl Parameter {
    /// The message type that the parameter adds to the request.
    pub(crate) fn message(&self) -> Option<&Type> {
        match &self.kind {
            Kind::Value => Some(&self.ty),
            Kind::View(ty) => Some(ty),
            Kind::State(_) | Kind::Context | Kind::Stream(_) => None,
        }
    }
}

/// Reads a handler's parameters.
pub(crate) fn parameters(
    function: &ItemFn,
    own_types: &[String],
    errors: &mut Errors,
) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for input in &function.sig.inputs {
        let typed = match input {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => {
                errors.at(
                    receiver,
                    "a handler is no method: what calls share is passed as `state: cell::State<S>`",
                );
                continue;
            }
        };
        let Some(ident) = name(&typed.pat) else {
            errors.at(&typed.pat, "the schema needs a name here: take the value as `name: Type` and take it apart in the body");
            continue;
        };
        let kind = kind(&typed.ty, own_types);
        match &kind {
            Kind::Value => check_type(&typed.ty, errors),
            Kind::View(ty) | Kind::Stream(ty) => check_type(ty, errors),
            Kind::State(_) | Kind::Context => {}
        }
        parameters.push(Parameter {
            ident,
            ty: (*typed.ty).clone(),
            kind,
        });
    }
    parameters
}

/// `name` or `mut name`.
fn name(pattern: &Pat) -> Option<Ident> {
    match pattern {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            Some(pattern.ident.clone())
        }
        _ => None,
    }
}

fn kind(ty: &Type, own_types: &[String]) -> Kind {
    let Type::Path(path) = ty else {
        return Kind::Value;
    };
    if path.qself.is_some() {
        return Kind::Value;
    }
    let mut segments = path.path.segments.iter().rev();
    let Some(last) = segments.next() else {
        return Kind::Value;
    };
    let name = last.ident.to_string();
    let runtimes = match segments.next() {
        Some(module) => module.ident == "cell",
        None => !own_types.contains(&name),
    };
    if !runtimes {
        return Kind::Value;
    }
    let argument = match &last.arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => {
            arguments.args.first()
        }
        _ => None,
    };
    match (name.as_str(), argument) {
        ("State", Some(GenericArgument::Type(state))) => Kind::State(Box::new(state.clone())),
        ("View", Some(GenericArgument::Type(message))) => Kind::View(Box::new(message.clone())),
        ("Stream", Some(GenericArgument::Type(item))) => Kind::Stream(Box::new(item.clone())),
        ("Context", None) if matches!(last.arguments, PathArguments::None) => Kind::Context,
        _ => Kind::Value,
    }
}
