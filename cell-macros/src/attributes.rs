//! The arguments that the macros share: `crate = path` and `name = "…"`.

use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{LitStr, Path};

/// What `#[protein(…)]` and `#[cell::service(…)]` may say.
#[derive(Default)]
pub(crate) struct Arguments {
    /// The path of the runtime crate.
    pub(crate) krate: Option<Path>,
    /// The name in the schema.
    pub(crate) name: Option<LitStr>,
}

impl Arguments {
    /// Reads one `key = value`.
    pub(crate) fn parse(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("crate") {
            self.krate = Some(meta.value()?.call(Path::parse_mod_style)?);
            Ok(())
        } else if meta.path.is_ident("name") {
            let name: LitStr = meta.value()?.parse()?;
            if syn::parse_str::<syn::Ident>(&name.value()).is_err() {
                return Err(syn::Error::new(
                    name.span(),
                    "the name must be an identifier, like \"OrderV2\"",
                ));
            }
            self.name = Some(name);
            Ok(())
        } else {
            Err(meta.error("unknown key: write `name = \"…\"` or `crate = path`"))
        }
    }

    /// The path of what the generated code uses.
    pub(crate) fn private(&self) -> Path {
        let krate = self
            .krate
            .clone()
            .unwrap_or_else(|| syn::parse_quote!(::cell_sdk));
        syn::parse2(quote!(#krate::__private)).expect("a path with one more segment is a path")
    }
}
