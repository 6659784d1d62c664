//! What a service and its handlers may not be.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{Item, Signature};

use super::arguments::Kind;
use super::outcome::Outcome;
use super::parse::{Handler, Service};
use crate::errors::Errors;
use crate::protein::check_type;

/// The most parameters that a request's tuple has room for.
const ARGUMENTS_MAX: usize = 12;

/// Collects every mistake of the module. A route that is there already is taken out, so that the compiler does not report
/// it again.
pub(crate) fn check(service: &mut Service, errors: &mut Errors) {
    if service.handlers.is_empty() && errors.is_empty() {
        errors.at(
            &service.module.ident,
            "a service without handlers answers nothing: add `#[cell::handler] async fn …`",
        );
    }
    service.items.retain(|item| match item {
        Item::Fn(function) if function.sig.ident == "handlers" => {
            errors.at(
                &function.sig.ident,
                "`#[cell::service]` itself makes the function `handlers`: choose another name",
            );
            false
        }
        _ => true,
    });
    duplicates(service, errors);
    methods(service);
    for handler in &service.handlers {
        check_signature(&handler.function.sig, errors);
        check_count(handler, errors);
        check_output(&handler.outcome, errors);
    }
    check_state(&service.handlers, errors);
}

fn duplicates(service: &mut Service, errors: &mut Errors) {
    let mut seen = HashMap::new();
    let mut twice = Vec::new();
    for (index, handler) in service.handlers.iter().enumerate() {
        let name = handler.function.sig.ident.to_string();
        // Under `#[cfg]` only one of the two may be there.
        if handler.cfg.is_empty() && seen.insert(name.clone(), index).is_some() {
            errors.at(
                &handler.function.sig.ident,
                format!("there is a route `{name}` already: a route's name is its function's, so choose another"),
            );
            twice.push((index, name));
        }
    }
    for (index, name) in twice.into_iter().rev() {
        service.handlers.remove(index);
        let last = service
            .items
            .iter()
            .rposition(|item| matches!(item, Item::Fn(function) if function.sig.ident == name));
        if let Some(last) = last {
            service.items.remove(last);
        }
    }
}

/// A handler with `self` is reported already, and the compiler would report it again.
fn methods(service: &mut Service) {
    let receives = |signature: &Signature| signature.receiver().is_some();
    service
        .handlers
        .retain(|handler| !receives(&handler.function.sig));
    service
        .items
        .retain(|item| !matches!(item, Item::Fn(function) if receives(&function.sig)));
}

fn check_signature(signature: &Signature, errors: &mut Errors) {
    if signature.asyncness.is_none() {
        errors.at(
            signature.fn_token,
            format!("a handler is async: write `async fn {}`", signature.ident),
        );
    }
    if let Some(token) = &signature.constness {
        errors.at(token, "a handler cannot be `const`");
    }
    if let Some(token) = &signature.unsafety {
        errors.at(token, "a handler cannot be `unsafe`: anybody may call it");
    }
    if let Some(token) = &signature.abi {
        errors.at(
            token,
            "a handler has no ABI of its own: cells call it by its route",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.at(
            &signature.generics.params,
            "a handler cannot be generic: callers in other processes need one type; write it out",
        );
    }
    if let Some(token) = &signature.generics.where_clause {
        errors.at(
            token,
            "a handler cannot have a `where` clause, since it cannot be generic",
        );
    }
}

fn check_count(handler: &Handler, errors: &mut Errors) {
    let arguments: Vec<_> = handler
        .parameters
        .iter()
        .filter(|parameter| parameter.message().is_some())
        .collect();
    if let Some(parameter) = arguments.get(ARGUMENTS_MAX) {
        errors.at(
            &parameter.ident,
            format!(
                "a handler takes at most 12 arguments, this one {}: put them into a struct",
                arguments.len()
            ),
        );
    }
    let mut state = handler
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.kind, Kind::State(_)));
    if let (Some(_), Some(second)) = (state.next(), state.next()) {
        errors.at(
            &second.ty,
            "the state is here already: a handler takes `cell::State` once",
        );
    }
    let mut streams = handler
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.kind, Kind::Stream(_)));
    if let (Some(_), Some(second)) = (streams.next(), streams.next()) {
        errors.at(
            &second.ty,
            "a caller streams one kind of items: make an enum of both, or two routes",
        );
    }
}

fn check_output(outcome: &Outcome, errors: &mut Errors) {
    match outcome {
        Outcome::Nothing => {}
        Outcome::Value(ty) => check_type(ty, errors),
        Outcome::Fallible(both) => {
            check_type(&both.0, errors);
            check_type(&both.1, errors);
        }
        Outcome::Stream(stream) => {
            check_type(&stream.item, errors);
            for error in stream.item_error.iter().chain(&stream.open_error) {
                check_type(error, errors);
            }
            if let (Some(item), Some(open)) = (&stream.item_error, &stream.open_error)
                && item.to_token_stream().to_string() != open.to_token_stream().to_string()
            {
                errors.at(
                    open,
                    "a route has one error: return the same one here that the items have",
                );
            }
        }
        Outcome::Alias(ty) => errors.at(
            ty,
            "the schema needs the error's type here: write `Result<T, E>`, where `E` is a message type",
        ),
        Outcome::StreamOfWhat(ty) => errors.at(
            ty,
            "the schema needs the items' type here: write `impl Stream<Item = T>`, where `T` is a message type",
        ),
    }
}

/// All handlers of a service share one state.
fn check_state(handlers: &[Handler], errors: &mut Errors) {
    let mut states = handlers
        .iter()
        .flat_map(|handler| &handler.parameters)
        .filter_map(|parameter| match &parameter.kind {
            Kind::State(state) => Some((&parameter.ty, state.to_token_stream().to_string())),
            _ => None,
        });
    let Some((_, first)) = states.next() else {
        return;
    };
    for (ty, state) in states {
        if state != first {
            errors.at(
                ty,
                format!("a service has one state, and another handler takes `cell::State<{first}>`: put both into one struct"),
            );
        }
    }
}
