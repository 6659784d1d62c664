//! The compilers and checkers of Go, Python and TypeScript, in `target/tools`. Compilers are the machine's; checkers are
//! installed by the languages' own package managers, in versions that are committed, and again only when those change.
#![expect(
    clippy::disallowed_methods,
    reason = "tasks run commands and touch files"
)]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::found;
use crate::shell;

/// Go's linter. Its versions follow Go's own.
const STATICCHECK: &str = "honnef.co/go/tools/cmd/staticcheck@v0.8.2";
/// The module of Go that needs a library.
const CELLQUIC: &str = "cargo-cell/src/bind/go/runtime/quic";
const PYTHON: &str = "tests/bindings/python/requirements.txt";
const NODE: &str = "tests/bindings/typescript";

/// Makes sure of all of them; a language that is missing is named with what helps, after the others are installed.
pub fn ensure() -> Result<()> {
    let mut missing = Vec::new();
    for (program, help, install) in [
        ("go", "install Go 1.26 or later", go as fn() -> Result<()>),
        (
            "python3",
            "install Python 3.10 or later, with `venv`",
            python,
        ),
        ("npm", "install Node.js 20 or later, with `npm`", node),
    ] {
        if !found(program) {
            missing.push(format!("`{program}` is missing: {help}"));
            continue;
        }
        if let Err(error) = install() {
            missing.push(format!("{error:#}"));
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => bail!("{}; the tests of bindings need it", missing.join("; ")),
    }
}

fn go() -> Result<()> {
    let module = shell::root().join(CELLQUIC);
    let version = format!("{STATICCHECK}\n{}", shell::read(&module.join("go.sum"))?);
    once("go", &version, |folder| {
        shell::run(
            shell::command("go")
                .args(["install", STATICCHECK])
                .env("GOBIN", folder),
        )?;
        // Into Go's own cache: the tests are offline.
        shell::run(
            shell::command("go")
                .current_dir(&module)
                .args(["mod", "download"]),
        )
    })
}

fn python() -> Result<()> {
    once(
        "python",
        &shell::read(&shell::root().join(PYTHON))?,
        |folder| {
            shell::run(
                shell::command("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(folder),
            )?;
            let python = folder.join("bin/python");
            let new_enough = "import sys; sys.exit('Python 3.10 or later is needed, this is ' + sys.version if sys.version_info < (3, 10) else 0)";
            shell::run(shell::command(&python).args(["-c", new_enough]))?;
            let mut pip = shell::command(&python);
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
                PYTHON,
            ]);
            shell::run(&mut pip)
        },
    )
}

fn node() -> Result<()> {
    let files = ["package.json", "package-lock.json"];
    let texts: Vec<String> = files
        .iter()
        .map(|file| shell::read(&shell::root().join(NODE).join(file)))
        .collect::<Result<_>>()?;
    once("node", &texts.concat(), |folder| {
        for (file, text) in files.iter().zip(&texts) {
            shell::write(&folder.join(file), text)?;
        }
        let mut npm = shell::command("npm");
        npm.current_dir(folder)
            .args(["ci", "--no-audit", "--no-fund", "--loglevel", "error"]);
        shell::run(&mut npm)
    })
}

/// Where the tools of a language lie.
pub fn folder(name: &str) -> PathBuf {
    shell::target_dir().join("tools").join(name)
}

/// Installs into a folder of `target/tools`, unless it holds what `version` describes.
pub(super) fn once(
    name: &str,
    version: &str,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let folder = folder(name);
    let stamp = folder.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == version) {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    install(&folder).with_context(|| format!("cannot install the tools for {name}"))?;
    shell::write(&stamp, version)
}
