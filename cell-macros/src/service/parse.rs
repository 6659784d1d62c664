//! A service module, taken apart.

use syn::{Attribute, FnArg, Item, ItemFn, ItemMod, Pat, Stmt, parse_quote};

use super::arguments::{Parameter, parameters};
use super::outcome::Outcome;
use crate::attributes::Arguments;
use crate::errors::Errors;

/// A module with `#[cell::service]`.
pub(crate) struct Service {
    pub(crate) arguments: Arguments,
    /// The module without its items.
    pub(crate) module: ItemMod,
    /// Its items; handlers without their attribute.
    pub(crate) items: Vec<Item>,
    pub(crate) handlers: Vec<Handler>,
}

/// A function with `#[cell::handler]`.
pub(crate) struct Handler {
    /// Its attribute's path: what was imported for it counts as used.
    pub(crate) attribute: syn::Path,
    pub(crate) function: ItemFn,
    /// Its `#[cfg]`s, which everything that is made of it carries too.
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) parameters: Vec<Parameter>,
    /// What it returns.
    pub(crate) outcome: Outcome,
}

impl Service {
    /// Finds the handlers among the items.
    pub(crate) fn parse(mut module: ItemMod, arguments: Arguments, errors: &mut Errors) -> Service {
        let content = module
            .content
            .as_mut()
            .map(|(_, items)| std::mem::take(items));
        let mut items = content.unwrap_or_default();
        let own_types = own_types(&items);
        let mut handlers = Vec::new();
        for item in &mut items {
            let Some(attribute) = take_attribute(item) else {
                continue;
            };
            if !matches!(attribute.meta, syn::Meta::Path(_)) {
                errors.at(&attribute, "#[cell::handler] takes no arguments");
            }
            let Item::Fn(function) = item else {
                errors.at(&*item, "#[cell::handler] goes on an `async fn`");
                continue;
            };
            let cfg = function
                .attrs
                .iter()
                .filter(|attribute| attribute.path().is_ident("cfg"))
                .cloned()
                .collect();
            handlers.push(Handler {
                parameters: parameters(function, &own_types, errors),
                outcome: Outcome::of(&function.sig.output, &own_types),
                attribute: attribute.path().clone(),
                function: function.clone(),
                cfg,
            });
            use_parameters(function);
        }
        Service {
            arguments,
            module,
            items,
            handlers,
        }
    }
}

/// A parameter's name is part of the schema, so it stays even where the body has no use for it, without a warning.
fn use_parameters(function: &mut ItemFn) {
    let names = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => match &*input.pat {
            Pat::Ident(name) => Some(&name.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let uses: Vec<Stmt> = names.map(|name| parse_quote!(let _ = &#name;)).collect();
    function.block.stmts.splice(0..0, uses);
}

/// The types that the module defines itself: one that is called `Context` is not the runtime's.
fn own_types(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) => Some(item.ident.to_string()),
            Item::Enum(item) => Some(item.ident.to_string()),
            Item::Type(item) => Some(item.ident.to_string()),
            _ => None,
        })
        .collect()
}

/// Removes `#[cell::handler]` from an item that has it.
fn take_attribute(item: &mut Item) -> Option<Attribute> {
    let attributes = match item {
        Item::Fn(item) => &mut item.attrs,
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::Const(item) => &mut item.attrs,
        Item::Static(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        Item::Mod(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        Item::Type(item) => &mut item.attrs,
        _ => return None,
    };
    let index = attributes.iter().position(is_handler)?;
    Some(attributes.remove(index))
}

/// `#[handler]`, `#[cell::handler]` or a longer path that ends so.
fn is_handler(attribute: &Attribute) -> bool {
    let mut segments = attribute.path().segments.iter().rev();
    let last = segments
        .next()
        .is_some_and(|segment| segment.ident == "handler");
    last && segments
        .next()
        .is_none_or(|segment| segment.ident == "cell")
}
