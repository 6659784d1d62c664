//! `cell::shader!`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{LitStr, Token};

use crate::errors::Errors;

/// A handle over the embedded files: the compiler reads them, not the macro.
pub(crate) fn embed(input: TokenStream) -> TokenStream {
    let parser = Punctuated::<LitStr, Token![,]>::parse_terminated;
    let files = match syn::parse::Parser::parse2(parser, input) {
        Ok(files) if !files.is_empty() => files,
        Ok(_) => return usage(proc_macro2::Span::call_site()),
        Err(error) => return usage(error.span()),
    };
    let mut errors = Errors::default();
    for file in &files {
        if let Some(wrong) = wrong(&file.value()) {
            errors.at(file, wrong);
        }
    }
    if !errors.is_empty() {
        return errors.to_tokens();
    }
    let absolute = files.iter().map(|file| format!("/{}", file.value()));
    let files = files.iter();
    quote! {
        ::cell_sdk::shader::Shader::hold(
            ::core::env!("CARGO_PKG_NAME"),
            &[#((#files, ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #absolute)))),*],
        )
    }
}

fn usage(at: proc_macro2::Span) -> TokenStream {
    syn::Error::new(
        at,
        "write the shader's path, from the package's folder, and then those of the files that it imports: \
         cell::shader!(\"shaders/heat.wgsl\")",
    )
    .to_compile_error()
}

/// Paths are compared as they are written: each file has one spelling.
fn wrong(path: &str) -> Option<&'static str> {
    let mut parts = path.split('/').skip_while(|part| *part == "..");
    if !path.ends_with(".wgsl") {
        Some("a shader is a `.wgsl` file")
    } else if parts.any(|part| matches!(part, "" | "." | "..")) || path.contains('\\') {
        Some(
            "write the path from the package's folder, without `.` and `//`, like \"shaders/heat.wgsl\"",
        )
    } else {
        None
    }
}
