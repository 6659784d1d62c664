//! What the dev loop is compared with, in `target/tools/watchers`: installed only by who asks for the comparison.

use std::path::PathBuf;

use anyhow::Result;

use super::languages::{folder, once};
use crate::shell;

/// Their packages, with the versions that are compared.
const WATCHERS: [&str; 2] = ["watchexec-cli@2.8.0", "bacon@3.26.0"];

/// Makes sure of watchexec and bacon, and returns where they lie. It compiles them, which takes minutes, and says so.
pub fn ensure_watchers() -> Result<PathBuf> {
    once("watchers", &WATCHERS.join(" "), |folder| {
        eprintln!(
            "installing {} to compare with: minutes, but only once",
            WATCHERS.join(" and ")
        );
        let mut cargo = shell::cargo();
        cargo.args(["install", "--quiet", "--locked", "--root"]);
        cargo.arg(folder).args(WATCHERS);
        // What they are built of is no part of the project's own target folder.
        shell::run(cargo.env("CARGO_TARGET_DIR", folder.join("build")))?;
        let _ = std::fs::remove_dir_all(folder.join("build"));
        Ok(())
    })?;
    Ok(folder("watchers").join("bin"))
}
