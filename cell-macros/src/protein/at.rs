//! Generated calls that carry the span of a field's type. The compiler reports a wrong field wherever its type is used, but
//! shows identical reports once: with all of them at the type, the user sees one.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Path, Type};

/// The spans of a type's first and last token.
fn ends(ty: &Type) -> (Span, Span) {
    let mut tokens = ty.to_token_stream().into_iter();
    let first = tokens.next();
    let last = tokens.last().or_else(|| first.clone());
    let span = |token: Option<TokenTree>| token.map_or_else(Span::call_site, |token| token.span());
    (span(first), span(last))
}

/// `<Type as Protein>::name`, from end to end at the type.
pub(crate) fn item(ty: &Type, private: &Path, name: &str) -> TokenStream {
    let (first, last) = ends(ty);
    let name = syn::Ident::new(name, last);
    let open = quote_spanned!(first=> <);
    let rest = quote_spanned!(last=> as #private::Protein>::#name);
    quote::quote!(#open #ty #rest)
}

/// The same for several types.
pub(crate) fn items(types: &[&Type], private: &Path, name: &str) -> Vec<TokenStream> {
    types.iter().map(|ty| item(ty, private, name)).collect()
}

/// `<Type as Protein>::function(arguments)`, from end to end at the type.
pub(crate) fn call(
    ty: &Type,
    private: &Path,
    function: &str,
    arguments: TokenStream,
) -> TokenStream {
    let (_, last) = ends(ty);
    let function = item(ty, private, function);
    let mut arguments = Group::new(proc_macro2::Delimiter::Parenthesis, arguments);
    arguments.set_span(last);
    quote::quote!(#function #arguments)
}

/// The same, and `?`.
pub(crate) fn try_call(
    ty: &Type,
    private: &Path,
    function: &str,
    arguments: TokenStream,
) -> TokenStream {
    let (_, last) = ends(ty);
    let call = call(ty, private, function, arguments);
    let question = quote_spanned!(last=> ?);
    quote::quote!(#call #question)
}
