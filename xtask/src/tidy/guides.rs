//! The guides: every path that they name exists, every dependency has its reason, the README's code is tested.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;

use crate::shell;

const GUIDES: [&str; 4] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
];

/// Returns what is wrong.
pub fn check(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let root = shell::root();
    let mut guides: Vec<PathBuf> = GUIDES.iter().map(PathBuf::from).collect();
    guides.extend(
        files
            .iter()
            .filter(|file| {
                file.starts_with("docs") && file.extension().is_some_and(|kind| kind == "md")
            })
            .cloned(),
    );
    for guide in guides {
        let Ok(text) = shell::read(&root.join(&guide)) else {
            wrong.push(format!("{} is missing", guide.display()));
            continue;
        };
        for path in paths(&text) {
            let beside = guide.parent().map(|folder| root.join(folder).join(&path));
            if !root.join(&path).exists() && !beside.is_some_and(|path| path.exists()) {
                wrong.push(format!("{}: `{path}` does not exist", guide.display()));
            }
        }
    }
    wrong.extend(reasons()?);
    wrong.extend(readme()?);
    Ok(wrong)
}

/// Paths in backquotes that start at a folder of the repository's top level, and the targets of relative links.
fn paths(text: &str) -> BTreeSet<String> {
    let tops = [
        "cargo-cell/",
        "cell-runtime/",
        "cell-macros/",
        "templates/",
        "tests/",
        "xtask/",
        "docs/",
        ".ci/",
    ];
    let quoted = text.split('`').skip(1).step_by(2);
    let quoted = quoted.filter(|word| tops.iter().any(|top| word.starts_with(top)));
    let quoted = quoted.filter(|word| !word.contains(['<', '*', ' ', '{', '$', '\n']));
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let links =
        links.filter(|link| !link.contains(':') && !link.starts_with('#') && !link.contains('\n'));
    quoted
        .chain(links)
        .map(|path| {
            path.split('#')
                .next()
                .unwrap_or(path)
                .trim_end_matches('/')
                .to_owned()
        })
        .collect()
}

/// Each dependency of the workspace has one line of reason in `ARCHITECTURE.md`.
fn reasons() -> Result<Vec<String>> {
    let manifest = shell::read(&shell::root().join("Cargo.toml"))?;
    let map = shell::read(&shell::root().join("ARCHITECTURE.md"))?;
    let section = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let reasons = map.split("\n## Dependencies").nth(1).unwrap_or_default();
    let given: BTreeSet<&str> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .flat_map(|names| names.split([',', ' ']))
        .collect();
    let names = section
        .lines()
        .filter_map(|line| Some(line.split_once(" = ")?.0.trim()))
        .filter(|name| !name.starts_with(['#', '"']) && !name.starts_with("cell-"));
    Ok(names
        .filter(|name| !given.contains(name))
        .map(|name| format!("ARCHITECTURE.md: no line of reason for the dependency `{name}`"))
        .collect())
}

/// The README's Rust code is the template's, which is built and run by tests.
fn readme() -> Result<Vec<String>> {
    let root = shell::root();
    let readme = shell::read(&root.join("README.md"))?;
    let sources = [
        "templates/hello/button/src/main.rs",
        "templates/hello/panel/src/main.rs",
    ];
    let sources: Vec<String> = sources
        .iter()
        .map(|path| shell::read(&root.join(path)))
        .collect::<Result<_>>()?;
    let blocks = readme
        .split("```rust\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let untested = blocks.filter(|block| {
        !sources
            .iter()
            .any(|source| source.contains(block.trim_end()))
    });
    Ok(untested
        .map(|block| {
            format!(
                "README.md: this code is in no tested template: {}…",
                block.lines().next().unwrap_or_default()
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_quotes_and_links() {
        let text = "see `cargo-cell/src/dev/` and `cells/<cell>.rs`, [this](docs/cells.md#limits), [that](https://x.y)";
        assert_eq!(
            paths(text).into_iter().collect::<Vec<_>>(),
            ["cargo-cell/src/dev", "docs/cells.md"]
        );
    }
}
