//! `#[cell::service]`.

use proc_macro2::TokenStream;

pub(crate) fn attribute(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}
