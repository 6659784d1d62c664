//! Doc comments, and text as JSON.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The doc comment of an item: its lines without the space after `///`, without blank lines at its ends.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(meta) = &attribute.meta
            && meta.path.is_ident("doc")
            && let Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) = &meta.value
        {
            for line in text.value().split('\n') {
                let line = line.trim_end();
                lines.push(line.strip_prefix(' ').unwrap_or(line).to_owned());
            }
        }
    }
    lines.join("\n").trim_matches('\n').to_owned()
}

/// A JSON string, quotes included.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if (control as u32) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", control as u32))
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_lose_one_leading_space() {
        let item: syn::ItemStruct = syn::parse_quote! {
            /// First.
            ///
            ///   indented
            struct A;
        };
        assert_eq!(docs(&item.attrs), "First.\n\n  indented");
    }

    #[test]
    fn json_escapes() {
        assert_eq!(json("a\"b\\c\nd\u{1}é"), "\"a\\\"b\\\\c\\nd\\u0001é\"");
    }
}
