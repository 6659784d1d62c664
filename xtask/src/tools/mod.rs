//! What the project needs besides a Rust toolchain: looked for, and installed where that is possible.

mod languages;

pub use languages::{ensure as ensure_languages, folder};

use anyhow::Result;

use crate::shell;

/// Makes sure of `bwrap`, of the toolchain's components, and of the other languages' compilers and checkers; says what it
/// does.
pub fn ensure() -> Result<()> {
    ensure_bwrap();
    ensure_components()?;
    ensure_languages()
}

fn ensure_components() -> Result<()> {
    for (tool, component) in [("rustfmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if !found(tool) {
            eprintln!("`{tool}` is missing: installing the component `{component}` with rustup");
            shell::run(shell::command("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// Makes sure of `bwrap`; without it cells run unconfined, and the tool says so.
pub fn ensure_bwrap() {
    if found("bwrap") {
        return;
    }
    if !found("apt-get") {
        eprintln!(
            "`bwrap` is missing, and this is no Debian: install bubblewrap to have cells confined"
        );
        return;
    }
    eprintln!("`bwrap` is missing: installing Debian's package `bubblewrap`");
    // SAFETY: it only returns a number.
    let root = unsafe { libc::geteuid() } == 0;
    let apt = |args: &[&str]| {
        let mut command = if root {
            shell::command("apt-get")
        } else {
            let mut sudo = shell::command("sudo");
            sudo.args(["-n", "apt-get"]);
            sudo
        };
        shell::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let install = [
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        "bubblewrap",
    ];
    let done = apt(&install).or_else(|_| apt(&["update", "--quiet"]).and_then(|()| apt(&install)));
    if let Err(error) = done {
        eprintln!("bubblewrap could not be installed, so cells will run unconfined: {error:#}");
    }
}

/// Whether a program is in the PATH.
pub fn found(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file())
}
