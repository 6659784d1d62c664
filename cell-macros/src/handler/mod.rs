//! `#[cell::handler]`.

use proc_macro2::TokenStream;
use quote::quote;

/// The service reads the attribute of its own functions; where the attribute is expanded by itself, no service is around.
pub(crate) fn outside_of_a_service(item: TokenStream) -> TokenStream {
    let error = match syn::parse2::<syn::ItemFn>(item.clone()) {
        Ok(function) => syn::Error::new(
            function.sig.ident.span(),
            "a handler belongs directly into a module with `#[cell::service]` above it",
        ),
        Err(_) => syn::Error::new_spanned(&item, "#[cell::handler] goes on an `async fn`"),
    };
    let error = error.to_compile_error();
    quote!(#item #error)
}
