//! What a handler returns.

use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Type, TypeParamBound};

/// What a handler returns.
pub(crate) enum Outcome {
    /// Nothing is written.
    Nothing,
    /// A value.
    Value(Type),
    /// `Result<T, E>`.
    Fallible(Box<(Type, Type)>),
    /// A stream.
    Stream(Box<Items>),
    /// `Result<T>`: an alias that hides the error.
    Alias(Type),
    /// `impl Stream` without its item.
    StreamOfWhat(Type),
}

/// A stream that a handler returns.
pub(crate) struct Items {
    pub(crate) item: Type,
    /// The items are `Result<T, E>`.
    pub(crate) item_error: Option<Type>,
    /// The stream itself is in a `Result<_, E>`.
    pub(crate) open_error: Option<Type>,
}

impl Items {
    /// The route's error.
    pub(crate) fn error(&self) -> Option<&Type> {
        self.item_error.as_ref().or(self.open_error.as_ref())
    }
}

impl Outcome {
    /// Reads the return type. A type that the module defines itself is not the runtime's.
    pub(crate) fn of(output: &ReturnType, own_types: &[String]) -> Outcome {
        let ReturnType::Type(_, ty) = output else {
            return Outcome::Nothing;
        };
        let own_stream = own_types.iter().any(|own| own == "Stream");
        match stream(ty, own_stream) {
            Stream::Of(item) => items(item, None),
            Stream::OfWhat => Outcome::StreamOfWhat((**ty).clone()),
            Stream::Not => match result(ty) {
                Fallible::Of(value, error) => match stream(value, own_stream) {
                    Stream::Of(item) => items(item, Some(error.clone())),
                    Stream::OfWhat => Outcome::StreamOfWhat(value.clone()),
                    Stream::Not => Outcome::Fallible(Box::new((value.clone(), error.clone()))),
                },
                Fallible::Alias => Outcome::Alias((**ty).clone()),
                Fallible::Not => Outcome::Value((**ty).clone()),
            },
        }
    }
}

fn items(item: &Type, open_error: Option<Type>) -> Outcome {
    let (item, item_error) = match result(item) {
        Fallible::Of(item, error) => (item, Some(error.clone())),
        Fallible::Alias => return Outcome::Alias(item.clone()),
        Fallible::Not => (item, None),
    };
    Outcome::Stream(Box::new(Items {
        item: item.clone(),
        item_error,
        open_error,
    }))
}

enum Stream<'a> {
    Of(&'a Type),
    OfWhat,
    Not,
}

/// `impl Stream<Item = T>`, by whatever path, or `cell::Stream<T>`.
fn stream(ty: &Type, own_stream: bool) -> Stream<'_> {
    match ty {
        Type::ImplTrait(bounds) => {
            let named = bounds.bounds.iter().find_map(|bound| match bound {
                TypeParamBound::Trait(bound) => {
                    let last = bound.path.segments.last()?;
                    (last.ident == "Stream").then_some(last)
                }
                _ => None,
            });
            named.map_or(Stream::Not, |segment| {
                associated_item(segment).map_or(Stream::OfWhat, Stream::Of)
            })
        }
        Type::Path(path) if path.qself.is_none() => {
            let mut segments = path.path.segments.iter().rev();
            let Some(last) = segments.next().filter(|last| last.ident == "Stream") else {
                return Stream::Not;
            };
            let is_runtimes = segments
                .next()
                .map_or(!own_stream, |module| module.ident == "cell");
            match &last.arguments {
                PathArguments::AngleBracketed(arguments)
                    if is_runtimes && arguments.args.len() == 1 =>
                {
                    match arguments.args.first() {
                        Some(GenericArgument::Type(item)) => Stream::Of(item),
                        _ => Stream::Not,
                    }
                }
                _ => Stream::Not,
            }
        }
        _ => Stream::Not,
    }
}

fn associated_item(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(item) if item.ident == "Item" => Some(&item.ty),
        _ => None,
    })
}

enum Fallible<'a> {
    Of(&'a Type, &'a Type),
    Alias,
    Not,
}

fn result(ty: &Type) -> Fallible<'_> {
    let Type::Path(path) = ty else {
        return Fallible::Not;
    };
    let Some(last) = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == "Result")
    else {
        return Fallible::Not;
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return Fallible::Alias;
    };
    let mut arguments = arguments.args.iter();
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(GenericArgument::Type(value)), Some(GenericArgument::Type(error)), None) => {
            Fallible::Of(value, error)
        }
        _ => Fallible::Alias,
    }
}
