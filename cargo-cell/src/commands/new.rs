//! `cargo cell new`
#![expect(
    clippy::disallowed_methods,
    reason = "it writes the files of a new workspace"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::Context;
use crate::error::{Context as _, Error, Result};
use crate::event::Event;
use crate::workspace::config::similar;

/// Write a new workspace of cells
///
/// It builds and runs at once: `cargo cell dev NAME`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to create; its last part names the workspace
    pub name: PathBuf,
    /// What to start from
    #[arg(long, value_name = "NAME", default_value = "hello")]
    pub template: String,
}

/// Every file of every template, by `template/path`.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The runtime crate of the checkout that this tool was built from.
const RUNTIME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cell-runtime");

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let name = workspace_name(&args.name)?;
    let runtime = std::fs::canonicalize(RUNTIME).map_err(|cause| {
        Error::environment("the checkout of `cell-runtime` that this tool was built from is gone")
            .because(cause)
            .hint("build the tool again from a checkout: `cargo install --path cargo-cell`")
    })?;
    let files = render(FILES, &args.template, &name, &runtime.display().to_string())?;
    claim(&args.name)?;
    for (path, bytes) in &files {
        let path = args.name.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .environment(|| format!("cannot create `{}`", folder.display()))?;
        }
        std::fs::write(&path, bytes)
            .environment(|| format!("cannot write `{}`", path.display()))?;
    }
    let message = format!(
        "created `{}` from the template `{}`; run it with `cargo cell dev {}`",
        args.name.display(),
        args.template,
        args.name.display()
    );
    context.reporter.event(&Event::Note { message });
    Ok(())
}

/// Takes the folder: it is created, or is there and empty.
fn claim(folder: &Path) -> Result<()> {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::usage(format!("`{shown}` is not empty"))
                .hint("give a folder that does not exist yet")),
        },
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder).environment(|| format!("cannot create `{shown}`"))
        }
        Err(cause) => Err(Error::usage(format!("`{shown}` cannot be used")).because(cause)),
    }
}

/// The last part of the path, if cargo takes it as a package name.
fn workspace_name(path: &Path) -> Result<String> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| Error::usage(format!("`{}` does not name a folder", path.display())))?;
    let sound = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && name.len() <= 64;
    if sound {
        return Ok(name.to_owned());
    }
    Err(
        Error::usage(format!("`{name}` is not a name for a workspace"))
            .because("it must start with a letter and hold letters, digits, `-` and `_` only"),
    )
}

/// The files of a template with its placeholders filled in.
fn render(
    files: &[(&str, &[u8])],
    template: &str,
    name: &str,
    runtime: &str,
) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut known = BTreeSet::new();
    let mut rendered = BTreeMap::new();
    for (path, bytes) in files {
        let Some((of, path)) = path.split_once('/') else {
            continue;
        };
        if path == "Cargo.toml.template" {
            known.insert(of);
        }
        if of != template {
            continue;
        }
        // Packaging drops every folder that holds a `Cargo.toml`, so the templates' are named differently.
        let path = path.strip_suffix(".template").unwrap_or(path);
        let filled = match std::str::from_utf8(bytes) {
            Ok(text) => {
                let runtime = if path.ends_with(".toml") {
                    escape_toml(runtime)
                } else {
                    runtime.to_owned()
                };
                text.replace("{{name}}", name)
                    .replace("{{cell_runtime_path}}", &runtime)
                    .into_bytes()
            }
            Err(_) => bytes.to_vec(),
        };
        rendered.insert(PathBuf::from(path), filled);
    }
    if known.contains(template) {
        return Ok(rendered);
    }
    let known: Vec<&str> = known.into_iter().collect();
    Err(
        Error::usage(format!("there is no template `{template}`")).hint(
            match similar(template, &known) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("one of {}", known.join(", ")),
            },
        ),
    )
}

fn escape_toml(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: &[(&str, &[u8])] = &[
        (
            "hello/Cargo.toml.template",
            b"path = \"{{cell_runtime_path}}\"",
        ),
        ("hello/README.md", b"# {{name}}"),
        ("hello/logo.bin", b"\xff{{name}}"),
        ("market/Cargo.toml.template", b""),
        ("bind/go.mod", b""),
    ];

    #[test]
    fn placeholders_are_filled_and_names_restored() {
        let files = render(TEMPLATES, "hello", "demo", "/a \"b\"").expect("it renders");
        let text = |path: &str| String::from_utf8_lossy(&files[Path::new(path)]).into_owned();
        assert_eq!(files.len(), 3);
        assert_eq!(text("Cargo.toml"), "path = \"/a \\\"b\\\"\"");
        assert_eq!(text("README.md"), "# demo");
        assert_eq!(files[Path::new("logo.bin")], b"\xff{{name}}");
    }

    #[test]
    fn unknown_templates_are_named() {
        let table = [
            ("helo", "did you mean `hello`?"),
            ("zzz", "one of hello, market"),
            ("bind", "one of hello, market"),
        ];
        for (template, hint) in table {
            let error = render(TEMPLATES, template, "demo", "/r").expect_err(template);
            assert_eq!(error.hints, [hint]);
        }
    }

    #[test]
    fn names_must_suit_cargo() {
        for (path, good) in [
            ("demo", true),
            ("/tmp/my-demo_2", true),
            ("2demo", false),
            ("a b", false),
            ("..", false),
            ("", false),
        ] {
            assert_eq!(workspace_name(Path::new(path)).is_ok(), good, "{path}");
        }
    }

    #[test]
    fn a_folder_with_anything_in_it_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(claim(folder.path()).is_ok());
        assert!(claim(&folder.path().join("deep/new")).is_ok());
        let error = claim(folder.path()).expect_err("it holds `deep`");
        assert!(error.message.ends_with("is not empty"), "{error}");
    }
}
