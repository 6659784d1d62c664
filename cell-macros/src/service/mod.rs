//! `#[cell::service]`.

mod arguments;
mod check;
mod expand;
mod outcome;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;

use crate::attributes::Arguments;
use crate::errors::Errors;

/// The module with its handlers as plain functions, and what serves and describes them.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut own = Arguments::default();
    if let Err(error) = syn::meta::parser(|meta| own.parse(&meta)).parse2(arguments) {
        errors.push(error);
    }
    let module: syn::ItemMod = match syn::parse2(item.clone()) {
        Ok(module) => module,
        Err(_) => {
            errors.at(
                &item,
                "#[cell::service] goes on a module: `#[cell::service] mod my_service { … }`",
            );
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    if module.content.is_none() {
        let ident = &module.ident;
        errors.at(
            &module,
            format!("a service's code stands inside of braces: write `mod {ident} {{ … }}`, and put longer code into other modules"),
        );
        return errors.to_tokens();
    }
    let mut service = parse::Service::parse(module, own, &mut errors);
    check::check(&mut service, &mut errors);
    expand::expand(service, &errors)
}
