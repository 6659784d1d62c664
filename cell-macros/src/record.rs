//! Schema records: what the macros tell the tool, as data in the binary. See `docs/schema.md` for their JSON.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Path;

/// The parts of a record's JSON, in order.
#[derive(Default)]
pub(crate) struct Record {
    text: Vec<TokenStream>,
    parts: Vec<TokenStream>,
}

impl Record {
    /// Adds text that is known now.
    pub(crate) fn text(&mut self, text: impl Into<String>) -> &mut Record {
        let text = text.into();
        self.text.push(quote!(#text));
        self
    }

    /// Adds a call of one of the compiler's own macros: `module_path!()`.
    pub(crate) fn built_in(&mut self, call: TokenStream) -> &mut Record {
        self.text.push(call);
        self
    }

    /// Adds where the item stands: `"at":"src/lib.rs:12"`.
    pub(crate) fn position(&mut self, span: Span) -> &mut Record {
        let line = line(span);
        self.text(",\"at\":\"")
            .built_in(quote!(::core::file!()))
            .text(format!(":{line}\""))
    }

    /// Adds a string that the compiler works out: a type expression.
    pub(crate) fn constant(&mut self, expression: TokenStream) -> &mut Record {
        self.flush();
        self.parts.push(expression);
        self
    }

    /// Adds another record's parts, all of them under the same attributes (`#[cfg]`).
    pub(crate) fn nested(
        &mut self,
        attributes: &[syn::Attribute],
        mut inner: Record,
    ) -> &mut Record {
        self.flush();
        inner.flush();
        for part in inner.parts {
            self.parts.push(quote!(#(#attributes)* #part));
        }
        self
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.parts.push(quote!(::core::concat!(#(#text),*)));
        }
    }

    /// The static that puts the record into the binary.
    pub(crate) fn emit(mut self, private: &Path) -> TokenStream {
        self.flush();
        let parts = self.parts;
        quote! {
            const PARTS: &[&::core::primitive::str] = &[#(#parts),*];
            #[used]
            #[unsafe(link_section = "cell_schema")]
            static RECORD: [::core::primitive::u8; #private::record_len(PARTS)] = #private::record(PARTS);
        }
    }
}

/// The line on which `span` starts; 0 where no compiler is around.
fn line(span: Span) -> usize {
    if proc_macro::is_available() {
        span.unwrap().line()
    } else {
        0
    }
}
