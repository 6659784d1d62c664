//! The arrows between modules (`ARCHITECTURE.md`): who may use whom, read from every `crate::…` path.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::shell;

/// A module and the modules that it may use. A module that is not listed may be used by all and use all below `OPEN`.
struct Layer {
    module: &'static str,
    may_use: &'static [&'static str],
}

/// Modules that every module of the crate may use.
const TOOL_OPEN: &[&str] = &["error", "event", "graph", "workspace"];
const TOOL: &[Layer] = &[
    Layer {
        module: "error",
        may_use: &[],
    },
    Layer {
        module: "event",
        may_use: &["supervisor"],
    },
    Layer {
        module: "workspace",
        may_use: &["supervisor"],
    },
    Layer {
        module: "graph",
        may_use: &[],
    },
    Layer {
        module: "reporter",
        may_use: &["supervisor"],
    },
    Layer {
        module: "bind",
        may_use: &[],
    },
    Layer {
        module: "schema_files",
        may_use: &["bind"],
    },
    Layer {
        module: "shader",
        may_use: &[],
    },
    Layer {
        module: "supervisor",
        may_use: &[],
    },
    Layer {
        module: "build",
        may_use: &["bind", "schema_files", "supervisor", "watch", "stem"],
    },
    Layer {
        module: "watch",
        may_use: &[],
    },
    Layer {
        module: "dev",
        may_use: &[
            "bind",
            "build",
            "cli",
            "doors",
            "reporter",
            "schema_files",
            "shader",
            "stem",
            "supervisor",
            "watch",
        ],
    },
    Layer {
        module: "doors",
        may_use: &["keys"],
    },
    Layer {
        module: "keys",
        may_use: &[],
    },
    Layer {
        module: "stem",
        may_use: &[],
    },
];

const RUNTIME_OPEN: &[&str] = &["error", "vesicle", "Error", "CallError", "Vesicle"];
const RUNTIME: &[Layer] = &[
    Layer {
        module: "vesicle",
        may_use: &[],
    },
    Layer {
        module: "schema",
        may_use: &["protein"],
    },
    Layer {
        module: "beside",
        may_use: &[],
    },
    Layer {
        module: "wire",
        may_use: &["beside", "schema"],
    },
    Layer {
        module: "gap",
        may_use: &["beside"],
    },
    Layer {
        module: "transport",
        may_use: &["gap"],
    },
    Layer {
        module: "discovery",
        may_use: &[],
    },
    Layer {
        module: "metrics",
        may_use: &["wire"],
    },
    Layer {
        module: "error",
        may_use: &["wire"],
    },
    Layer {
        module: "control",
        may_use: &["discovery", "transport"],
    },
    Layer {
        module: "server",
        may_use: &["discovery", "gap", "metrics", "transport", "wire"],
    },
    Layer {
        module: "client",
        may_use: &["discovery", "gap", "metrics", "remote", "transport", "wire"],
    },
    Layer {
        module: "remote",
        may_use: &[
            "client",
            "control",
            "discovery",
            "handlers",
            "server",
            "service",
            "transport",
            "wire",
        ],
    },
    Layer {
        module: "stream",
        may_use: &["client", "protein", "server", "service", "wire"],
    },
];

/// Returns what is wrong.
pub fn check(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (source, layers, open) in [
        ("cargo-cell/src", TOOL, TOOL_OPEN),
        ("cell-runtime/src", RUNTIME, RUNTIME_OPEN),
    ] {
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|kind| kind == "rs"))
        {
            let Ok(inside) = file.strip_prefix(source) else {
                continue;
            };
            // Tests may reach further.
            if inside
                .iter()
                .any(|part| part == "tests" || part == "tests.rs")
            {
                continue;
            }
            let module = top_module(inside);
            let Some(layer) = layers.iter().find(|layer| layer.module == module) else {
                continue;
            };
            for used in uses(&production(&shell::read(&shell::root().join(file))?)) {
                let known = layers.iter().any(|layer| layer.module == used);
                let fine = used == module
                    || open.contains(&used.as_str())
                    || layer.may_use.contains(&used.as_str());
                if !fine && (known || used == "commands") {
                    wrong.push(format!(
                        "{}: `{module}` must not use `{used}`",
                        file.display()
                    ));
                }
            }
        }
    }
    Ok(wrong)
}

fn top_module(inside: &Path) -> String {
    let first = inside
        .components()
        .next()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// Tests may reach further: what stands before the first test module counts.
fn production(text: &str) -> String {
    text.split("#[cfg(test)]").next().unwrap_or(text).to_owned()
}

/// The first segments of every `crate::…` path outside comments, groups (`crate::{a, b::c}`) included.
fn uses(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.push(head(rest)),
        }
    }
    found.sort();
    found.dedup();
    found.retain(|name| !name.is_empty());
    found
}

fn head(path: &str) -> String {
    path.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut heads = Vec::new();
    let mut item = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(head(item.trim()));
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    heads.push(head(item.trim()));
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_every_form() {
        let text = "use crate::build::Batch;\nuse crate::{event, watch::{a, b}, dev};\n// crate::lsp\nlet x = crate::graph::f();";
        assert_eq!(uses(text), ["build", "dev", "event", "graph", "watch"]);
    }

    #[test]
    fn tests_may_reach_further() {
        assert_eq!(
            uses(&production(
                "use crate::a;\n#[cfg(test)]\nmod tests { use crate::b; }"
            )),
            ["a"]
        );
    }
}
