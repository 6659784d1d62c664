//! The module as it is compiled: handlers are plain functions, `handlers()` puts them behind routes, a record describes
//! them.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Index, Path, Type};

use super::arguments::{Kind, Parameter};
use super::outcome::Outcome;
use super::parse::{Handler, Service};
use crate::docs::{docs, json};
use crate::errors::Errors;
use crate::protein::at;
use crate::record::Record;

/// The module. With mistakes, `handlers` is a stub: whoever calls it sees no second error.
pub(crate) fn expand(service: Service, errors: &Errors) -> TokenStream {
    let private = service.arguments.private();
    let Service { module, items, .. } = &service;
    let (attributes, visibility, ident) = (&module.attrs, &module.vis, &module.ident);
    let imports = service.handlers.iter().map(|handler| {
        let (cfg, path) = (&handler.cfg, &handler.attribute);
        quote!(#(#cfg)* #[allow(unused_imports)] use #path as _;)
    });
    let imports: TokenStream = imports.collect();
    let own = if errors.is_empty() {
        let handlers = handlers(&service, &private);
        let record = record(&service, &private);
        quote!(#handlers #record)
    } else {
        let output = output(&service, &private);
        let errors = errors.to_tokens();
        quote! {
            #errors
            #[allow(dead_code)]
            pub fn handlers() -> #output {
                ::core::unreachable!()
            }
        }
    };
    quote! {
        #(#attributes)*
        #visibility mod #ident {
            #(#items)*
            #imports
            #own
        }
    }
}

/// The state that the handlers share, where they take one.
fn state(service: &Service) -> Option<&Type> {
    service
        .handlers
        .iter()
        .flat_map(|handler| &handler.parameters)
        .find_map(|parameter| match &parameter.kind {
            Kind::State(state) => Some(&**state),
            _ => None,
        })
}

fn output(service: &Service, private: &Path) -> TokenStream {
    match state(service) {
        Some(state) => quote!(#private::Handlers<#private::Needs<#state>>),
        None => quote!(#private::Handlers),
    }
}

fn handlers(service: &Service, private: &Path) -> TokenStream {
    let output = output(service, private);
    let constructor = match state(service) {
        Some(_) => format_ident!("service_with_state"),
        None => format_ident!("service"),
    };
    let routes = service.handlers.iter().map(|handler| {
        let cfg = &handler.cfg;
        let route = route(handler, private);
        quote!(#(#cfg)* let handlers = #route;)
    });
    let docs = format!(
        "The handlers of `{}`, for `cell::serve_local`.",
        service.module.ident
    );
    quote! {
        #[doc = #docs]
        pub fn handlers() -> #output {
            let handlers = <#output>::#constructor(::core::module_path!());
            #(#routes)*
            handlers
        }
    }
}

/// Adds one route to `handlers`.
fn route(handler: &Handler, private: &Path) -> TokenStream {
    let ident = &handler.function.sig.ident;
    let name = crate::protein::plain(ident);
    let messages: Vec<&Type> = handler
        .parameters
        .iter()
        .filter_map(Parameter::message)
        .collect();
    let request =
        (!messages.is_empty()).then(|| quote!(let request = call.open::<(#(#messages,)*)>()?;));
    let mut part = 0;
    let bindings = (0..handler.parameters.len())
        .map(|index| format_ident!("argument_{index}"))
        .collect::<Vec<_>>();
    let values: Vec<TokenStream> = handler
        .parameters
        .iter()
        .map(|parameter| {
            let index = Index::from(part);
            part += usize::from(parameter.message().is_some());
            value(parameter, &index, private)
        })
        .collect();
    // An empty pair of brackets would be a lint's business in the user's code.
    let arguments = (!bindings.is_empty()).then(|| {
        quote! {
            let (#(#bindings,)*) = {
                #request
                (#(#values,)*)
            };
        }
    });
    // The call stands at the function's name, so that a future that cannot move between threads is reported there. Names
    // are ours all the same: a service may come out of a macro of its own.
    let span = ident.span().resolved_at(Span::call_site());
    let called = quote_spanned!(span=> #ident(#(#bindings),*).await);
    let answer = answer(&handler.outcome, &called, private, span);
    let body = quote_spanned! {span=>
        call.run(|call| async move {
            let _ = &call;
            #arguments
            #answer
        })
    };
    quote!(handlers.route(#name, |call: #private::Incoming| -> #private::CallFuture { #body }))
}

/// What becomes of what a handler returned.
fn answer(outcome: &Outcome, called: &TokenStream, private: &Path, span: Span) -> TokenStream {
    let (plain, fallible) = (format_ident!("answer"), format_ident!("answer_result"));
    let Outcome::Stream(stream) = outcome else {
        return match outcome {
            Outcome::Fallible(..) => quote_spanned!(span=> #private::#fallible(&#called)),
            _ => quote_spanned!(span=> #private::#plain(&#called)),
        };
    };
    let send = match stream.item_error {
        Some(_) => format_ident!("answer_stream"),
        None => format_ident!("answer_items"),
    };
    match &stream.open_error {
        None => quote_spanned!(span=> #private::#send(&call, #called).await),
        Some(error) => quote_spanned! {span=>
            match #called {
                ::core::result::Result::Ok(items) => #private::#send(&call, items).await,
                ::core::result::Result::Err(error) => {
                    #private::answer_result::<(), #error>(&::core::result::Result::Err(error))
                }
            }
        },
    }
}

/// A parameter's value, out of `call` and `request`.
fn value(parameter: &Parameter, index: &Index, private: &Path) -> TokenStream {
    let span = parameter.ty.span().resolved_at(Span::call_site());
    match &parameter.kind {
        Kind::Value => at::call(&parameter.ty, private, "decode", quote!(&request.#index)),
        Kind::View(ty) => quote_spanned! {span=>
            #private::View::part::<#ty>(&request, |request| &request.#index)
        },
        Kind::State(_) => quote_spanned!(span=> call.state()?),
        Kind::Context => quote_spanned!(span=> call.context()),
        Kind::Stream(item) => quote_spanned!(span=> call.items::<#item>()),
    }
}

/// What the service tells the tool.
fn record(service: &Service, private: &Path) -> TokenStream {
    let ident = &service.module.ident;
    let name = match &service.arguments.name {
        Some(name) => name.value(),
        None => crate::protein::plain(ident),
    };
    let mut record = Record::default();
    record
        .text("{\"k\":\"service\",\"id\":\"")
        .built_in(quote!(::core::module_path!()))
        .text(format!(
            "\",\"name\":{},\"docs\":{}",
            json(&name),
            json(&docs(&service.module.attrs))
        ))
        .position(ident.span())
        .text(",\"routes\":[");
    for handler in &service.handlers {
        record.nested(&handler.cfg, route_record(handler, private));
    }
    record.text("]").text("}");
    // The bracket is a part of its own: it swallows the comma of the route before it.
    let record = record.emit(private);
    quote!(const _: () = { #record };)
}

fn route_record(handler: &Handler, private: &Path) -> Record {
    let signature = &handler.function.sig;
    let name = crate::protein::plain(&signature.ident);
    let ty = |ty: &Type| at::item(ty, private, "TY");
    let mut record = Record::default();
    record.text(format!(
        "{{\"n\":{},\"docs\":{},\"args\":[",
        json(&name),
        json(&docs(&handler.function.attrs))
    ));
    let arguments = handler
        .parameters
        .iter()
        .filter_map(|parameter| Some((parameter, parameter.message()?)));
    for (index, (parameter, message)) in arguments.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let name = crate::protein::plain(&parameter.ident);
        record
            .text(format!("{comma}{{\"n\":{},\"ty\":\"", json(&name)))
            .constant(ty(message))
            .text("\"}");
    }
    record.text("],\"ok\":\"");
    let unit = syn::parse_quote!(());
    let (value, error) = match &handler.outcome {
        Outcome::Fallible(both) => (&both.0, Some(&both.1)),
        Outcome::Stream(stream) => (&unit, stream.error()),
        Outcome::Value(value) => (value, None),
        Outcome::Nothing | Outcome::Alias(_) | Outcome::StreamOfWhat(_) => (&unit, None),
    };
    record.constant(ty(value));
    match error {
        Some(error) => record.text("\",\"err\":\"").constant(ty(error)).text("\""),
        None => record.text("\",\"err\":null"),
    };
    let takes = handler
        .parameters
        .iter()
        .find_map(|parameter| match &parameter.kind {
            Kind::Stream(item) => Some(&**item),
            _ => None,
        });
    let yields = match &handler.outcome {
        Outcome::Stream(stream) => Some(&stream.item),
        _ => None,
    };
    for (name, item) in [("takes", takes), ("yields", yields)] {
        if let Some(item) = item {
            record
                .text(format!(",\"{name}\":\""))
                .constant(ty(item))
                .text("\"");
        }
    }
    record.text("},");
    record
}
