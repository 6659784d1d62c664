//! Where a Go folder lies in its module: the module's path, read from `go.mod`.

use crate::error::{Error, Result};

/// The path that a `go.mod` gives to its module: what stands after `module`, quoted or not, in a block or not.
#[must_use]
pub fn module_path(go_mod: &str) -> Option<String> {
    let mut in_block = false;
    for line in go_mod.lines() {
        let line = line.split("//").next().unwrap_or(line).trim();
        let path = if in_block {
            line
        } else {
            let Some(rest) = line.strip_prefix("module") else {
                continue;
            };
            if !rest.starts_with([' ', '\t', '(', '"', '`']) {
                continue;
            }
            rest.trim()
        };
        match path {
            "" => {}
            "(" => in_block = true,
            ")" => return None,
            path => return Some(unquoted(path)).filter(|path| is_module_path(path)),
        }
    }
    None
}

fn unquoted(path: &str) -> String {
    for quote in ['"', '`'] {
        let inner = path.strip_prefix(quote).and_then(|p| p.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.to_owned();
        }
    }
    path.to_owned()
}

/// It goes into generated code: only what Go itself allows in the path of an import.
fn is_module_path(path: &str) -> bool {
    path.len() <= 512 && path.split('/').all(is_element)
}

fn is_element(element: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte);
    !element.is_empty()
        && element.len() <= 128
        && element.bytes().all(fine)
        && !element.starts_with('.')
        && !element.ends_with('.')
}

/// The path of a module that a folder is by itself: its name, where Go takes that for one. The words that Go keeps for
/// itself (<https://go.dev/ref/mod>) it does not take, and nobody could import `internal` or `vendor`.
#[must_use]
pub(super) fn of_its_own(folder: &str) -> &str {
    const KEPT: &[&str] = &["cmd", "go", "internal", "std", "toolchain", "vendor"];
    match is_element(folder) && !folder.starts_with('-') && !KEPT.contains(&folder) {
        true => folder,
        false => "cells",
    }
}

/// How Go imports a folder that lies `inside` a module, relative to the module's root.
pub fn import_path(module: &str, inside: &str) -> Result<String> {
    let mut elements = module
        .split('/')
        .chain(inside.split('/').filter(|_| !inside.is_empty()));
    if let Some(bad) = elements.find(|element| !is_element(element)) {
        return Err(Error::usage(format!(
            "Go cannot import a folder named `{}`",
            bad.escape_debug()
        ))
        .hint("name the folders in letters, digits, `-`, `_` and `.`"));
    }
    Ok(match inside {
        "" => module.to_owned(),
        inside => format!("{module}/{inside}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_line_is_read_in_every_form() {
        let table = [
            (
                "module example.com/app\n\ngo 1.24\n",
                Some("example.com/app"),
            ),
            ("// module no\n\nmodule\tapp // yes\n", Some("app")),
            ("module \"example.com/a\"\n", Some("example.com/a")),
            ("module `x`", Some("x")),
            (
                "module (\n\n  example.com/b // here\n)\n",
                Some("example.com/b"),
            ),
            ("go 1.24\n", None),
            ("", None),
            ("modules x\n", None),
            ("module\n", None),
            ("module a\"; import \"os\n", None),
            ("module ../../x\n", None),
            ("module (\n)\nmodule x\n", None),
        ];
        for (text, path) in table {
            assert_eq!(module_path(text).as_deref(), path, "{text:?}");
        }
    }

    #[test]
    fn a_folder_is_a_module_of_its_own_name_where_go_takes_it() {
        let table = [
            ("bindings", "bindings"),
            ("my-cells.v2", "my-cells.v2"),
            ("", "cells"),
            ("go", "cells"),
            ("internal", "cells"),
            ("-x", "cells"),
            (".x", "cells"),
            ("a b", "cells"),
            ("ü", "cells"),
        ];
        for (folder, path) in table {
            assert_eq!(of_its_own(folder), path, "{folder}");
        }
    }

    #[test]
    fn a_folder_is_imported_by_its_place_in_the_module() {
        assert_eq!(import_path("a.b/c", ""), Ok("a.b/c".to_owned()));
        assert_eq!(import_path("a.b/c", "x/y"), Ok("a.b/c/x/y".to_owned()));
        for bad in ["x y", "x/../y", "ü", "a\"b", ".hidden"] {
            assert!(import_path("m", bad).is_err(), "{bad}");
        }
    }
}
