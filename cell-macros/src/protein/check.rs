//! What a message type may not be. Only what the tokens alone prove wrong is refused here; the compiler decides the rest
//! by the trait, with the words that stand on it.

use syn::visit::{self, Visit};
use syn::{GenericParam, Type};

use super::parse::{Body, Message};
use crate::errors::Errors;

/// An archived enum's tag is one byte.
const VARIANTS_MAX: usize = 256;

/// Collects every mistake of the definition.
pub(crate) fn check(message: &Message<'_>, errors: &mut Errors) {
    for parameter in &message.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => errors
                .at(lifetime, "a message owns what it holds, so it has no lifetimes: use owned types such as `String` or `Vec<T>`"),
            GenericParam::Const(constant) => {
                errors.at(constant, "message types have no const parameters: write the number out, or use `Vec<T>`");
            }
            GenericParam::Type(_) => {}
        }
    }
    match &message.body {
        Body::Union => errors.at(message.ident, "a union cannot be a message type: use an enum"),
        Body::Enum(variants) if variants.is_empty() => {
            errors.at(message.ident, "an enum without variants has no values to send: add a variant");
        }
        Body::Enum(variants) if variants.len() > VARIANTS_MAX => errors.at(
            &variants[VARIANTS_MAX].ident,
            format!(
                "a message enum has at most 256 variants, `{}` has {}: group some of them into an enum of their own",
                message.ident,
                variants.len()
            ),
        ),
        Body::Enum(variants) => {
            for variant in variants {
                refuse_attributes(&variant.attrs, errors);
            }
        }
        Body::Struct(_) => {}
    }
    for field in message.fields() {
        refuse_attributes(&field.attrs, errors);
        check_type(&field.ty, errors);
    }
}

fn refuse_attributes(attributes: &[syn::Attribute], errors: &mut Errors) {
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("protein"))
    {
        errors.at(
            attribute,
            "#[protein] takes arguments on the struct or enum only, not on its parts",
        );
    }
}

/// Refuses types that can never cross a boundary, whatever is in scope.
pub(crate) fn check_type(ty: &Type, errors: &mut Errors) {
    TypeCheck(errors).visit_type(ty);
}

struct TypeCheck<'e>(&'e mut Errors);

impl Visit<'_> for TypeCheck<'_> {
    fn visit_type(&mut self, ty: &Type) {
        let reason = match ty {
            Type::Reference(reference) => match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => {
                    "a borrowed string cannot cross a cell boundary: write `String`"
                }
                Type::Slice(_) => "a borrowed slice cannot cross a cell boundary: write `Vec<T>`",
                _ => "a reference cannot cross a cell boundary: write the owned type",
            },
            Type::Ptr(_) => "a pointer means nothing in another process: write the value's type",
            Type::BareFn(_) => {
                "a function cannot cross a cell boundary: send data that says what to do"
            }
            Type::TraitObject(_) => {
                "a trait object cannot cross a cell boundary: use an enum of the possible types"
            }
            Type::ImplTrait(_) => "the schema needs a type with a name here, not `impl Trait`",
            Type::Slice(_) => "a slice has no size of its own: write `Vec<T>`",
            Type::Never(_) => "`!` has no values to send",
            Type::Infer(_) => "the schema needs the type's name here, not `_`",
            Type::Path(path) if path.path.is_ident("usize") => {
                "`usize` differs between machines, so it cannot cross a cell boundary: write `u32` or `u64`"
            }
            Type::Path(path) if path.path.is_ident("isize") => {
                "`isize` differs between machines, so it cannot cross a cell boundary: write `i32` or `i64`"
            }
            Type::Path(path) if path.path.is_ident("str") => {
                "`str` has no size of its own: write `String`"
            }
            _ => return visit::visit_type(self, ty),
        };
        self.0.at(ty, reason);
    }

    fn visit_expr(&mut self, _: &syn::Expr) {
        // The length of an array may be any expression; it is no message.
    }
}
