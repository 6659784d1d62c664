//! `derive(Protein)` and `#[protein]`.

pub(crate) mod at;
mod check;
mod expand;
mod expand_enum;
mod parse;
mod schema;
mod stub;

pub(crate) use check::check_type;
pub(crate) use parse::plain;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;

use crate::errors::Errors;
use parse::Message;

/// `#[derive(cell::Protein)]`.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    match syn::parse2(input) {
        Ok(input) => expand_input(TokenStream::new(), &input),
        Err(error) => error.to_compile_error(),
    }
}

/// `#[cell::protein]`: the item and what the derive would add. The derive is not written out, since its helper attribute
/// and this one have the same name.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut input: syn::DeriveInput = match syn::parse2(item.clone()) {
        Ok(input) => input,
        Err(error) => {
            let error =
                syn::Error::new(error.span(), "#[cell::protein] goes on a struct or an enum");
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let expansion = expand_input(arguments, &input);
    parse::strip(&mut input);
    quote!(#input #expansion)
}

fn expand_input(arguments: TokenStream, input: &syn::DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let message = Message::parse(input, &mut errors);
    let mut message = message;
    let outer = syn::meta::parser(|meta| message.arguments.parse(&meta));
    if let Err(error) = outer.parse2(arguments) {
        errors.push(error);
    }
    check::check(&message, &mut errors);
    if errors.is_empty() {
        return expand::expand(&message);
    }
    let errors = errors.to_tokens();
    let stub = stub::stub(&message);
    quote!(#errors #stub)
}
