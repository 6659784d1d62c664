//! What a derive input says, in the derive's own words.

use syn::{Attribute, Data, DeriveInput, Field, Fields, Generics, Ident};

use crate::attributes::Arguments;
use crate::errors::Errors;

/// A struct or enum that is to be a message type.
pub(crate) struct Message<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) arguments: Arguments,
    pub(crate) body: Body<'a>,
}

/// What it is made of.
pub(crate) enum Body<'a> {
    Struct(&'a Fields),
    Enum(Vec<&'a syn::Variant>),
    Union,
}

impl<'a> Message<'a> {
    /// Reads the item; wrong attributes are mistakes of their own.
    pub(crate) fn parse(input: &'a DeriveInput, errors: &mut Errors) -> Message<'a> {
        let mut arguments = Arguments::default();
        for attribute in input
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("protein"))
        {
            if let Err(error) = attribute.parse_nested_meta(|meta| arguments.parse(&meta)) {
                errors.push(error);
            }
        }
        let body = match &input.data {
            Data::Struct(data) => Body::Struct(&data.fields),
            Data::Enum(data) => Body::Enum(data.variants.iter().collect()),
            Data::Union(_) => Body::Union,
        };
        Message {
            ident: &input.ident,
            generics: &input.generics,
            attributes: &input.attrs,
            arguments,
            body,
        }
    }

    /// All fields, those of all variants included.
    pub(crate) fn fields(&self) -> Vec<&'a Field> {
        match &self.body {
            Body::Struct(fields) => fields.iter().collect(),
            Body::Enum(variants) => variants
                .iter()
                .flat_map(|variant| &variant.fields)
                .collect(),
            Body::Union => Vec::new(),
        }
    }

    /// The name in the schema.
    pub(crate) fn name(&self) -> String {
        match &self.arguments.name {
            Some(name) => name.value(),
            None => plain(self.ident),
        }
    }
}

/// An identifier without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

/// Removes the `#[protein]` attributes, which mean nothing to the compiler where no derive declares them.
pub(crate) fn strip(input: &mut DeriveInput) {
    fn clean(attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| !attribute.path().is_ident("protein"));
    }
    clean(&mut input.attrs);
    match &mut input.data {
        Data::Struct(data) => data
            .fields
            .iter_mut()
            .for_each(|field| clean(&mut field.attrs)),
        Data::Enum(data) => data.variants.iter_mut().for_each(|variant| {
            clean(&mut variant.attrs);
            variant
                .fields
                .iter_mut()
                .for_each(|field| clean(&mut field.attrs));
        }),
        Data::Union(_) => {}
    }
}
