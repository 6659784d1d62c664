//! The arrows between crates.

use anyhow::Result;
use serde_json::Value;

use crate::shell;

/// A crate of the workspace and its siblings that it may depend on.
const MAY_DEPEND: [(&str, &[&str]); 7] = [
    ("cargo-cell", &["cell-runtime"]),
    ("cell-fuzz", &["cell-runtime", "conformance"]),
    ("cell-macros", &[]),
    ("cell-runtime", &["cell-macros"]),
    ("conformance", &["cell-runtime"]),
    ("matrix", &["cell-runtime"]),
    ("xtask", &[]),
];

/// Returns what is wrong.
pub fn check() -> Result<Vec<String>> {
    let metadata =
        shell::output(shell::cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, may)) = MAY_DEPEND.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("the crate `{name}` is not in the map of crates"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let sibling = MAY_DEPEND.iter().any(|(known, _)| *known == on);
            if sibling && !may.contains(&on) && dependency["kind"].is_null() {
                wrong.push(format!("`{name}` must not depend on `{on}`"));
            }
        }
        if name == "cell-macros" {
            wrong.extend(pure(package));
        }
    }
    Ok(wrong)
}

/// The macros read tokens and write tokens: nothing that could do more may come in.
fn pure(package: &Value) -> Vec<String> {
    let allowed = ["proc-macro2", "quote", "syn"];
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|name| !allowed.contains(name))
        .map(|name| {
            format!(
                "`cell-macros` must not depend on `{name}`: macros read tokens and write tokens"
            )
        })
        .collect()
}
