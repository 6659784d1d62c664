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

/// The types' resolvers, which have nothing to drop, as parts of another one.
pub(crate) fn resolvers(types: &[&Type], private: &Path) -> Vec<TokenStream> {
    let resolver = |ty: &&Type| {
        let (first, last) = ends(ty);
        let inner = item(ty, private, "Resolver");
        // A path is reported from its first token on, so that one has to be the type's.
        let open = quote_spanned!(first=> ::core::mem::ManuallyDrop<);
        let close = quote_spanned!(last=> >);
        quote::quote!(#open #inner #close)
    };
    types.iter().map(resolver).collect()
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

/// Writes a part, and makes its resolver one that [`resolvers`] names.
pub(crate) fn encode(ty: &Type, private: &Path, arguments: TokenStream) -> TokenStream {
    let (first, last) = ends(ty);
    let call = call(ty, private, "encode", arguments);
    let question = quote_spanned!(last=> ?);
    let mut inner = Group::new(
        proc_macro2::Delimiter::Parenthesis,
        quote::quote!(#call #question),
    );
    inner.set_span(last);
    let open = quote_spanned!(first=> ::core::mem::ManuallyDrop::new);
    quote::quote!(#open #inner)
}
