//! An enum's archived form: `repr(u8)`, each variant a C struct that starts with the tag.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Fields, Ident, Index, Type, Variant};

use super::at;
use super::expand::{Context, Parts, label};
use super::parse::plain;

/// One variant's names.
struct Names<'a> {
    variant: &'a Variant,
    types: Vec<&'a Type>,
    tag: u8,
    /// The C struct that the variant is laid out as.
    layout: Ident,
    /// That struct's fields after the tag.
    slots: Vec<Ident>,
    /// What a match arm binds the fields to.
    bindings: Vec<Ident>,
    /// What a match arm binds their resolvers to.
    resolvers: Vec<Ident>,
}

impl<'a> Names<'a> {
    fn new(tag: usize, variant: &'a Variant) -> Names<'a> {
        let count = variant.fields.len();
        Names {
            variant,
            types: variant.fields.iter().map(|field| &field.ty).collect(),
            tag: u8::try_from(tag).expect("the check refuses more than 256 variants"),
            layout: format_ident!("Variant{}", plain(&variant.ident)),
            slots: (0..count)
                .map(|index| format_ident!("slot_{index}"))
                .collect(),
            bindings: (0..count)
                .map(|index| format_ident!("field_{index}"))
                .collect(),
            resolvers: (0..count)
                .map(|index| format_ident!("resolver_{index}"))
                .collect(),
        }
    }

    /// `A`, `A { x: field_0, … }` or `A(field_0, …)`.
    fn pattern(&self, names: &[Ident]) -> TokenStream {
        let ident = &self.variant.ident;
        let members: Vec<_> = self.variant.fields.members().collect();
        quote!(#ident { #(#members: #names,)* })
    }
}

/// The parts of an enum's implementations.
pub(crate) fn expand_enum(context: &Context<'_>, variants: &[&Variant]) -> Parts {
    let names: Vec<Names<'_>> = variants
        .iter()
        .enumerate()
        .map(|(tag, variant)| Names::new(tag, variant))
        .collect();
    let ident = context.message.ident;
    let archived = &context.archived;
    let private = &context.private;
    let resolver = format_ident!("Resolver{}", plain(ident));
    let (_, type_generics, _) = context.parameters.split();
    let name = plain(ident);

    let encode = names.iter().map(|names| {
        let pattern = names.pattern(&names.bindings);
        let variant = &names.variant.ident;
        let indexes = (0..names.bindings.len()).map(Index::from);
        let Names {
            bindings, types, ..
        } = names;
        let encode = types
            .iter()
            .zip(bindings)
            .map(|(ty, binding)| at::encode(ty, private, quote!(#binding, sink)));
        quote! {
            #ident::#pattern => #resolver::#variant {
                #(#indexes: #encode,)*
            },
        }
    });
    let resolve = names
        .iter()
        .map(|names| resolve_arm(context, names, &resolver));
    let decode = names.iter().map(|names| {
        let pattern = names.pattern(&names.bindings);
        let variant = &names.variant.ident;
        let members = names.variant.fields.members();
        let Names {
            bindings, types, ..
        } = names;
        let decode = types
            .iter()
            .zip(bindings)
            .map(|(ty, binding)| at::call(ty, private, "decode", quote!(#binding)));
        quote!(#archived::#pattern => #ident::#variant { #(#members: #decode,)* },)
    });
    let check = names
        .iter()
        .filter(|names| !names.slots.is_empty())
        .map(|names| {
            let Names {
                tag,
                layout,
                slots,
                types,
                ..
            } = names;
            let variant = plain(&names.variant.ident);
            let archived_types = at::items(types, private, "Archived");
            let labels = names
                .variant
                .fields
                .members()
                .map(|member| format!("{variant}.{}", label(&member)));
            quote! {
                #tag => {
                    let value = value.cast::<#layout #type_generics>();
                    #(#private::named(
                        <#archived_types as #private::CheckBytes<__C>>::check_bytes(
                            &raw const (*value).#slots,
                            context,
                        ),
                        #name,
                        #labels,
                    )?;)*
                }
            }
        });
    let last = u8::try_from(names.len() - 1).expect("the check refuses more than 256 variants");
    let unit: Vec<u8> = names
        .iter()
        .filter(|names| names.slots.is_empty())
        .map(|names| names.tag)
        .collect();
    let unit = if unit.len() == names.len() {
        quote!(0..=#last => {})
    } else if unit.is_empty() {
        TokenStream::new()
    } else {
        quote!(#(#unit)|* => {})
    };
    // With all 256 tags in use, no tag is wrong.
    let wrong = (last < u8::MAX).then(|| quote!(tag => return #private::wrong_tag(#name, tag),));

    Parts {
        items: items(context, &names, &resolver),
        resolver: quote!(#resolver #type_generics),
        copy: TokenStream::new(),
        encode: quote!(match this { #(#encode)* }),
        resolve: quote!(match (this, resolver) { #(#resolve)* _ => ::core::unreachable!() }),
        decode: quote!(match archived { #(#decode)* }),
        check: quote!(match *value.cast::<::core::primitive::u8>() { #unit #(#check)* #wrong }),
    }
}

/// The archived enum, its variants' layouts, and the resolver.
fn items(context: &Context<'_>, names: &[Names<'_>], resolver: &Ident) -> TokenStream {
    let Context {
        message,
        private,
        parameters,
        archived,
    } = context;
    let ident = message.ident;
    let declaration = parameters.declaration();
    let (_, type_generics, where_clause) = parameters.split();

    let variants = names.iter().map(|names| {
        let variant = &names.variant.ident;
        let members = names.variant.fields.members();
        let archived_types = at::items(&names.types, private, "Archived");
        match &names.variant.fields {
            Fields::Named(_) => quote!(#variant { #(#members: #archived_types,)* },),
            Fields::Unnamed(_) => quote!(#variant(#(#archived_types,)*),),
            Fields::Unit => quote!(#variant,),
        }
    });
    let layouts = names
        .iter()
        .filter(|names| !names.slots.is_empty())
        .map(|names| {
            let Names { layout, slots, .. } = names;
            let archived_types = at::items(&names.types, private, "Archived");
            quote! {
                #[repr(C)]
                struct #layout <#declaration> #where_clause {
                    tag: ::core::primitive::u8,
                    #(#slots: #archived_types,)*
                    owner: ::core::marker::PhantomData<fn() -> #ident #type_generics>,
                }
            }
        });
    let resolvers = names.iter().map(|names| {
        let variant = &names.variant.ident;
        let resolver_types = at::resolvers(&names.types, private);
        if names.slots.is_empty() {
            quote!(#variant,)
        } else {
            quote!(#variant(#(#resolver_types,)*),)
        }
    });
    quote! {
        #[repr(u8)]
        pub enum #archived <#declaration> #where_clause { #(#variants)* }
        #(#layouts)*
        pub enum #resolver <#declaration> #where_clause { #(#resolvers)* }
    }
}

/// Writes the tag and the fields of one variant.
fn resolve_arm(context: &Context<'_>, names: &Names<'_>, resolver: &Ident) -> TokenStream {
    let private = &context.private;
    let ident = context.message.ident;
    let (_, type_generics, _) = context.parameters.split();
    let Names {
        variant,
        types,
        tag,
        layout,
        slots,
        bindings,
        resolvers,
    } = names;
    let pattern = names.pattern(bindings);
    let variant = &variant.ident;
    let indexes = (0..resolvers.len()).map(Index::from);
    let resolve = (0..slots.len()).map(|index| {
        let (slot, binding, resolver) = (&slots[index], &bindings[index], &resolvers[index]);
        let resolver = quote!(::core::mem::ManuallyDrop::into_inner(#resolver));
        let place = quote!(#private::field(out, &raw mut (*out.ptr()).#slot));
        at::call(
            types[index],
            private,
            "resolve",
            quote!(#binding, #resolver, #place),
        )
    });
    let fields = (!slots.is_empty()).then(|| {
        quote! {
            let out = out.cast_unchecked::<#layout #type_generics>();
            #(#resolve;)*
        }
    });
    quote! {
        (#ident::#pattern, #resolver::#variant { #(#indexes: #resolvers,)* }) => {
            out.ptr().cast::<::core::primitive::u8>().write(#tag);
            #fields
        }
    }
}
