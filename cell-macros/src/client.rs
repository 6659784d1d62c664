//! `cell::client!`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::LitStr;

/// A module that includes the generated binding. Whether the file exists is the one thing looked at outside of the
/// tokens, so that a missing one is a single error that says what to run.
pub(crate) fn include(input: TokenStream) -> TokenStream {
    let name: LitStr = match syn::parse2(input) {
        Ok(name) => name,
        Err(error) => {
            let error = syn::Error::new(
                error.span(),
                "write the cell's name: cell::client!(\"button_service\")",
            );
            return error.to_compile_error();
        }
    };
    let cell = name.value();
    if syn::parse_str::<syn::Ident>(&cell).is_err() {
        return syn::Error::new(
            name.span(),
            "a cell's name is an identifier, like \"button_service\"",
        )
        .to_compile_error();
    }
    let module = format_ident!("{cell}", span = name.span());
    let path = format!("cells/{cell}.rs");
    let missing = std::env::var_os("CARGO_MANIFEST_DIR")
        .is_some_and(|root| !std::path::Path::new(&root).join(&path).is_file());
    if missing {
        let message =
            format!("no binding for cell `{cell}`: {path} is missing; run `cargo cell build`");
        return syn::Error::new(name.span(), message).to_compile_error();
    }
    let path = format!("/{path}");
    // The names and docs in a binding are the schema's: the lints of who includes it have no say in them.
    quote! {
        #[allow(dead_code, missing_docs, nonstandard_style, unreachable_pub, clippy::all, clippy::pedantic)]
        pub mod #module {
            ::core::include!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path));
        }
    }
}
