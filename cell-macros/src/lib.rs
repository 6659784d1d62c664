//! The macros of Cell. This file holds the entry points only; their documentation stands where `cell-runtime` re-exports
//! them, because its examples need the runtime.
//!
//! Each macro goes parse → check → expand: the check collects every mistake, and a mistake still expands to a stub, so that
//! one compile shows all of them and no echoes. Macros read tokens and write tokens, never files; `client!` alone looks
//! whether the binding that it includes exists.

mod attributes;
mod client;
mod docs;
mod errors;
mod handler;
mod protein;
mod record;
mod service;
mod shader;

use proc_macro::TokenStream;

/// See `cell_runtime::cell::Protein`.
#[proc_macro_derive(Protein, attributes(protein))]
pub fn derive_protein(input: TokenStream) -> TokenStream {
    protein::derive(input.into()).into()
}

/// See `cell_runtime::cell::protein`.
#[proc_macro_attribute]
pub fn protein(arguments: TokenStream, item: TokenStream) -> TokenStream {
    protein::attribute(arguments.into(), item.into()).into()
}

/// See `cell_runtime::cell::service`.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::attribute(arguments.into(), item.into()).into()
}

/// See `cell_runtime::cell::handler`.
#[proc_macro_attribute]
pub fn handler(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::outside_of_a_service(item.into()).into()
}

/// See `cell_runtime::cell::client`.
#[proc_macro]
pub fn client(input: TokenStream) -> TokenStream {
    client::include(input.into()).into()
}

/// See `cell_runtime::cell::shader`.
#[proc_macro]
pub fn shader(input: TokenStream) -> TokenStream {
    shader::embed(input.into()).into()
}
