//! The compilers and checkers of other languages, as `cargo xtask tools` installs them.
#![allow(dead_code, reason = "each language uses what it has")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the programs of a language lie, besides those of the machine.
pub(crate) struct Tools {
    folders: Vec<PathBuf>,
}

impl Tools {
    /// One of the programs. A missing one is a failure that says what to run: a test must not pass without its tool.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.path(program));
        command.env("PATH", self.search());
        command
    }

    /// Where a program lies.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        let found = std::env::split_paths(&self.search())
            .map(|folder| folder.join(program))
            .find(|path| path.is_file());
        found.unwrap_or_else(|| panic!("`{program}` is missing; run `cargo xtask tools`, which installs what the tests of bindings need"))
    }

    /// Where modules are looked for: `node_modules`, or the environment's root.
    pub(crate) fn root(&self) -> &Path {
        &self.folders[0]
    }

    fn search(&self) -> OsString {
        let own = self.folders.iter().cloned();
        let machine = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(own.chain(std::env::split_paths(&machine)))
            .expect("folders without colons")
    }
}

/// `go`, `gofmt`, `staticcheck`.
pub(crate) fn go() -> Tools {
    Tools {
        folders: vec![folder().join("go")],
    }
}

/// `python`, `mypy`, `ruff`; `pyright` comes from the packages of Node.
pub(crate) fn python() -> Tools {
    Tools {
        folders: vec![
            folder().join("python/bin"),
            folder().join("node/node_modules/.bin"),
        ],
    }
}

/// `node`, `tsc`, `eslint`, `pyright`.
pub(crate) fn node() -> Tools {
    Tools {
        folders: vec![folder().join("node/node_modules/.bin")],
    }
}

/// `CELL_TOOLS`, or `tools` beside what cargo builds.
fn folder() -> PathBuf {
    match std::env::var_os("CELL_TOOLS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("a folder in the target folder")
            .join("tools"),
    }
}
