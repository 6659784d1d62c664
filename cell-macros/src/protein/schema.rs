//! The record of one definition: names, docs, position, and a type expression for each field.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Fields, Ident};

use super::at;
use super::expand::Context;
use super::expand::label;
use super::parse::{Body, plain};
use crate::docs::{docs, json};
use crate::record::Record;

/// The definition's own type expression: its path, and its parameters' expressions.
pub(crate) fn type_expression(context: &Context<'_>) -> TokenStream {
    let Context {
        message,
        private,
        parameters,
        ..
    } = context;
    let name = plain(message.ident);
    let names = parameters.names();
    if names.is_empty() {
        return quote!(::core::concat!(::core::module_path!(), "::", #name));
    }
    let mut separators = std::iter::once("<").chain(std::iter::repeat(","));
    let arguments = names.iter().map(|name| {
        let separator = separators.next();
        quote!(#separator, <#name as #private::Protein>::TY)
    });
    quote! {
        const {
            &#private::Text::join(&[::core::concat!(::core::module_path!(), "::", #name), #(#arguments,)* ">"])
        }
        .as_str()
    }
}

/// The record, in a scope where each type parameter is the placeholder of its number.
pub(crate) fn record(context: &Context<'_>) -> TokenStream {
    let Context {
        message,
        private,
        parameters,
        ..
    } = context;
    let names: Vec<&Ident> = parameters.names();
    let mut record = Record::default();
    let kind = match &message.body {
        Body::Enum(_) => "enum",
        _ => "struct",
    };
    record
        .text(format!("{{\"k\":\"{kind}\",\"id\":\""))
        .built_in(quote!(::core::module_path!()))
        .text(format!(
            "::{}\",\"name\":{}",
            plain(message.ident),
            json(&message.name())
        ))
        .text(format!(",\"params\":{}", names.len()));
    match &message.body {
        Body::Struct(fields) => {
            record.text(format!(",\"shape\":\"{}\"", shape(fields)));
            tail(&mut record, context);
            push_fields(&mut record, context, fields);
        }
        Body::Enum(variants) => {
            tail(&mut record, context);
            record.text(",\"variants\":[");
            for (index, variant) in variants.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let name = json(&plain(&variant.ident));
                let docs = json(&docs(&variant.attrs));
                record.text(format!(
                    "{comma}{{\"n\":{name},\"shape\":\"{}\",\"docs\":{docs}",
                    shape(&variant.fields)
                ));
                push_fields(&mut record, context, &variant.fields);
                record.text("}");
            }
            record.text("]");
        }
        Body::Union => {}
    }
    record.text("}");
    let record = record.emit(private);
    let numbers = 0..names.len();
    quote! {
        const _: () = {
            #(type #names = #private::Param<#numbers>;)*
            #record
        };
    }
}

fn tail(record: &mut Record, context: &Context<'_>) {
    let docs = json(&docs(context.message.attributes));
    record
        .text(format!(",\"docs\":{docs}"))
        .position(context.message.ident.span());
}

fn push_fields(record: &mut Record, context: &Context<'_>, fields: &Fields) {
    let private = &context.private;
    record.text(",\"fields\":[");
    for (index, (field, member)) in fields.iter().zip(fields.members()).enumerate() {
        let comma = if index == 0 { "" } else { "," };
        record
            .text(format!(
                "{comma}{{\"n\":{},\"ty\":\"",
                json(&label(&member))
            ))
            .constant(at::item(&field.ty, private, "TY"))
            .text(format!("\",\"docs\":{}}}", json(&docs(&field.attrs))));
    }
    record.text("]");
}

fn shape(fields: &Fields) -> &'static str {
    match fields {
        Fields::Named(_) => "named",
        Fields::Unnamed(_) => "tuple",
        Fields::Unit => "unit",
    }
}
