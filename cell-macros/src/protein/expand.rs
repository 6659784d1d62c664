//! A message type's implementations. Everything is written out here instead of going through rkyv's derives: it compiles
//! faster, every error lands on the field that causes it, and each field is archived the way its type says, not the way
//! its tokens look.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{
    Fields, Generics, Ident, Index, Member, Path, Token, WhereClause, WherePredicate, parse_quote,
};

use super::at;
use super::expand_enum::expand_enum;
use super::parse::{Body, Message, plain};
use super::schema;

/// A definition's type parameters, each of them a message type.
pub(crate) struct Parameters(Generics);

impl Parameters {
    pub(crate) fn new(generics: &Generics, private: &Path) -> Parameters {
        let mut generics = generics.clone();
        for parameter in generics.type_params_mut() {
            parameter.default = None;
            parameter.eq_token = None;
            parameter.bounds.push(parse_quote!(#private::Protein));
        }
        Parameters(generics)
    }

    pub(crate) fn split(
        &self,
    ) -> (
        syn::ImplGenerics<'_>,
        syn::TypeGenerics<'_>,
        Option<&WhereClause>,
    ) {
        self.0.split_for_impl()
    }

    /// With one more type parameter.
    pub(crate) fn and(
        &self,
        parameter: syn::TypeParam,
        predicates: impl IntoIterator<Item = WherePredicate>,
    ) -> Parameters {
        let mut generics = self.0.clone();
        generics.params.push(parameter.into());
        generics.make_where_clause().predicates.extend(predicates);
        Parameters(generics)
    }

    pub(crate) fn names(&self) -> Vec<&Ident> {
        self.0
            .type_params()
            .map(|parameter| &parameter.ident)
            .collect()
    }

    /// As they stand in a definition: `<T: Bound>`.
    pub(crate) fn declaration(&self) -> &Punctuated<syn::GenericParam, Token![,]> {
        &self.0.params
    }
}

/// What both structs and enums need to know.
pub(crate) struct Context<'a> {
    pub(crate) message: &'a Message<'a>,
    pub(crate) private: Path,
    pub(crate) parameters: Parameters,
    pub(crate) archived: Ident,
}

/// The parts in which structs and enums differ.
pub(crate) struct Parts {
    /// The archived type, and what else stands beside the implementations.
    pub(crate) items: TokenStream,
    pub(crate) resolver: TokenStream,
    pub(crate) copy: TokenStream,
    pub(crate) encode: TokenStream,
    pub(crate) resolve: TokenStream,
    pub(crate) decode: TokenStream,
    pub(crate) check: TokenStream,
}

/// Everything that the derive adds.
pub(crate) fn expand(message: &Message<'_>) -> TokenStream {
    let private = message.arguments.private();
    let context = Context {
        message,
        parameters: Parameters::new(message.generics, &private),
        archived: format_ident!(
            "Archived{}",
            plain(message.ident),
            span = message.ident.span()
        ),
        private,
    };
    let parts = match &message.body {
        Body::Struct(fields) => expand_struct(&context, fields),
        Body::Enum(variants) => expand_enum(&context, variants),
        Body::Union => return TokenStream::new(),
    };
    let implementations = implementations(&context, &parts);
    let items = &parts.items;
    let record = schema::record(&context);
    quote! {
        #[doc(hidden)]
        #[allow(
            dead_code,
            non_camel_case_types,
            private_bounds,
            private_interfaces,
            unreachable_patterns,
            unused_variables,
            clippy::all,
            clippy::pedantic
        )]
        const _: () = {
            #items
            #implementations
            #record
        };
    }
}

fn implementations(context: &Context<'_>, parts: &Parts) -> TokenStream {
    let Context {
        message,
        private,
        parameters,
        archived,
    } = context;
    let ident = message.ident;
    let Parts {
        resolver,
        copy,
        encode,
        resolve,
        decode,
        check,
        ..
    } = parts;
    let (impl_generics, type_generics, where_clause) = parameters.split();
    let name = schema::type_expression(context);

    let checks = parameters.names();
    let with_check = parameters.and(
        parse_quote!(__C: #private::Check + ?::core::marker::Sized),
        checks.iter().map(
            |name| parse_quote!(<#name as #private::Protein>::Archived: #private::CheckBytes<__C>),
        ),
    );
    let (check_generics, _, check_where) = with_check.split();
    let with_sink = parameters.and(
        parse_quote!(__S: #private::Sink + ?::core::marker::Sized),
        [],
    );
    let (sink_generics, _, sink_where) = with_sink.split();
    let with_source = parameters.and(
        parse_quote!(__D: #private::Fallible + ?::core::marker::Sized),
        [],
    );
    let (source_generics, _, source_where) = with_source.split();

    quote! {
        #[automatically_derived]
        unsafe impl #impl_generics #private::Portable for #archived #type_generics #where_clause {}

        #[automatically_derived]
        unsafe impl #check_generics #private::CheckBytes<__C> for #archived #type_generics #check_where {
            unsafe fn check_bytes(
                value: *const Self,
                context: &mut __C,
            ) -> ::core::result::Result<(), __C::Error> {
                unsafe { #check }
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl #impl_generics #private::Protein for #ident #type_generics #where_clause {
            const TY: &'static ::core::primitive::str = #name;
            #copy
            type Archived = #archived #type_generics;
            type Resolver = #resolver;
            fn encode<__S: #private::Sink + ?::core::marker::Sized>(
                this: &Self,
                sink: &mut __S,
            ) -> ::core::result::Result<Self::Resolver, __S::Error> {
                ::core::result::Result::Ok(#encode)
            }
            fn resolve(this: &Self, resolver: Self::Resolver, out: #private::Place<Self::Archived>) {
                unsafe { #resolve }
            }
            fn decode(archived: &Self::Archived) -> Self {
                #decode
            }
        }

        #[automatically_derived]
        impl #impl_generics #private::rkyv::Archive for #ident #type_generics #where_clause {
            const COPY_OPTIMIZATION: #private::CopyOptimization<Self> =
                unsafe { #private::CopyOptimization::enable_if(<Self as #private::Protein>::COPY) };
            type Archived = #archived #type_generics;
            type Resolver = <Self as #private::Protein>::Resolver;
            fn resolve(&self, resolver: Self::Resolver, out: #private::Place<Self::Archived>) {
                <Self as #private::Protein>::resolve(self, resolver, out)
            }
        }

        #[automatically_derived]
        impl #sink_generics #private::rkyv::Serialize<__S> for #ident #type_generics #sink_where {
            fn serialize(
                &self,
                sink: &mut __S,
            ) -> ::core::result::Result<<Self as #private::Protein>::Resolver, __S::Error> {
                <Self as #private::Protein>::encode(self, sink)
            }
        }

        #[automatically_derived]
        impl #source_generics #private::rkyv::Deserialize<#ident #type_generics, __D> for #archived #type_generics
        #source_where
        {
            fn deserialize(&self, _: &mut __D) -> ::core::result::Result<#ident #type_generics, __D::Error> {
                ::core::result::Result::Ok(<#ident #type_generics as #private::Protein>::decode(self))
            }
        }
    }
}

/// A struct's archived form: a C struct. It and the resolver, whose parts have nothing to drop, end in a part of a known size, so that a field that is no
/// message type is reported once, where it stands, and not wherever the struct's own size is asked for.
/// A struct's archived form: a C struct. It and the resolver, whose parts have nothing to drop, end in a part of a known size, so that a field that is no
/// message type is reported once, where it stands, and not wherever the struct's own size is asked for.
fn expand_struct(context: &Context<'_>, fields: &Fields) -> Parts {
    let Context {
        message,
        private,
        parameters,
        archived,
    } = context;
    let ident = message.ident;
    let name = plain(ident);
    let members: Vec<Member> = fields.members().collect();
    let indexes: Vec<Index> = (0..members.len()).map(Index::from).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let archived_types = at::items(&types, private, "Archived");
    let resolver_types = at::resolvers(&types, private);
    let labels = members.iter().map(label);

    let declaration = parameters.declaration();
    let (_, type_generics, where_clause) = parameters.split();
    let resolver = format_ident!("Resolver{name}");
    let visibility = fields.iter().map(|field| &field.vis);
    let fields_archived = match fields {
        Fields::Named(_) => {
            quote!(#where_clause { #(#visibility #members: #archived_types,)* _end: () })
        }
        Fields::Unnamed(_) => {
            quote!((#(#visibility #archived_types,)* ()) #where_clause;)
        }
        Fields::Unit => quote!(#where_clause;),
    };
    let end = Index::from(members.len());
    let encode = types
        .iter()
        .zip(&members)
        .map(|(ty, member)| at::encode(ty, private, quote!(&this.#member, sink)));
    let resolve = types
        .iter()
        .zip(&members)
        .zip(&indexes)
        .map(|((ty, member), index)| {
            let resolver = quote!(::core::mem::ManuallyDrop::into_inner(resolver.#index));
            let place = quote!(#private::field(out, &raw mut (*out.ptr()).#member));
            at::call(
                ty,
                private,
                "resolve",
                quote!(&this.#member, #resolver, #place),
            )
        });
    let decode = types
        .iter()
        .zip(&members)
        .map(|(ty, member)| at::call(ty, private, "decode", quote!(&archived.#member)));
    Parts {
        items: quote! {
            #[repr(C)]
            pub struct #archived <#declaration> #fields_archived
            pub struct #resolver <#declaration> (#(#resolver_types,)* ()) #where_clause;
        },
        resolver: quote!(#resolver #type_generics),
        copy: copy(context, &members, fields),
        encode: quote!(#resolver { #(#indexes: #encode,)* #end: () }),
        resolve: quote!(#(#resolve;)*),
        decode: quote!(#ident { #(#members: #decode,)* }),
        check: quote! {
            #(#private::named(
                <#archived_types as #private::CheckBytes<__C>>::check_bytes(
                    &raw const (*value).#members,
                    context,
                ),
                #name,
                #labels,
            )?;)*
        },
    }
}

/// Whether slices of the struct can be copied whole: all fields can, at the same offsets, and nothing lies between.
fn copy(context: &Context<'_>, members: &[Member], fields: &Fields) -> TokenStream {
    let Context {
        message, private, ..
    } = context;
    let ident = message.ident;
    if !message.generics.params.is_empty() || members.is_empty() {
        return TokenStream::new();
    }
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let archived_types = at::items(&types, private, "Archived");
    quote! {
        const COPY: ::core::primitive::bool = #private::copyable::<#ident>(&[#(
            (
                <#types as #private::Protein>::COPY,
                ::core::mem::size_of::<#types>(),
                ::core::mem::offset_of!(#ident, #members),
                ::core::mem::align_of::<#archived_types>(),
            )
        ),*]);
    }
}

/// What an error calls the member.
pub(crate) fn label(member: &Member) -> String {
    match member {
        Member::Named(ident) => plain(ident),
        Member::Unnamed(index) => index.index.to_string(),
    }
}
