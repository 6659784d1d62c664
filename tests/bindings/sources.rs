//! Crates that are written for a test and compiled against the runtime.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A crate in a folder of its own. What is compiled of the runtime is shared with the other tests of toolchains.
pub(crate) struct Crate {
    folder: tempfile::TempDir,
}

impl Crate {
    /// A crate with these files; `main.rs` makes it a program.
    pub(crate) fn new(files: &[(String, String)]) -> Crate {
        let folder = tempfile::tempdir().unwrap();
        let manifest = format!(
            "[workspace]\n[package]\nname = \"made\"\nedition = \"2024\"\n[dependencies]\ncell-sdk = {{ package = \"cell-runtime\", path = \"{}\" }}\n",
            super::RUNTIME
        );
        std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Crate { folder }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs cargo in it.
    pub(crate) fn cargo(&self, args: &[&str]) -> Output {
        let build: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end-to-end-build");
        Command::new(env!("CARGO"))
            .args(args)
            .args(["--offline", "--quiet"])
            .current_dir(self.path())
            .env("CARGO_TARGET_DIR", self.path().join("target"))
            .env("CARGO_BUILD_BUILD_DIR", build)
            .output()
            .unwrap()
    }

    /// Runs the program and gives what it prints.
    pub(crate) fn run(&self) -> String {
        let output = self.cargo(&["run"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
