//! What stands in for a definition with mistakes, so that whoever uses the type sees no second error.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand::Parameters;
use super::parse::Message;

/// An implementation that is never run.
pub(crate) fn stub(message: &Message<'_>) -> TokenStream {
    let private = message.arguments.private();
    let ident = message.ident;
    let parameters = Parameters::new(message.generics, &private);
    let (impl_generics, type_generics, where_clause) = parameters.split();
    quote! {
        #[automatically_derived]
        impl #impl_generics #private::Protein for #ident #type_generics #where_clause {
            const TY: &'static ::core::primitive::str = "";
            type Archived = ();
            type Resolver = ();
            fn encode<__S: #private::Sink + ?::core::marker::Sized>(
                _: &Self,
                _: &mut __S,
            ) -> ::core::result::Result<(), __S::Error> {
                ::core::unreachable!()
            }
            fn resolve(_: &Self, _: (), _: #private::rkyv::Place<()>) {}
            fn decode(_: &()) -> Self {
                ::core::unreachable!()
            }
        }
    }
}
