//! What the project needs besides a Rust toolchain: looked for, and installed where that is possible.
#![expect(clippy::disallowed_methods, reason = "tasks look at folders")]

mod languages;
mod watchers;

pub use languages::{ensure as ensure_languages, folder};
pub use watchers::ensure_watchers;

use anyhow::Result;

use crate::shell;

/// Makes sure of `bwrap`, of the toolchain's components, and of the other languages' compilers and checkers; says what it
/// does.
pub fn ensure() -> Result<()> {
    ensure_bwrap();
    for program in ["podman", "crun"] {
        ensure_debian(
            program,
            program,
            "`--sandbox podman` is tested to be refused, and not in use",
        );
    }
    ensure_debian("tmux", "tmux", "the test of the terminal UI fails");
    ensure_vulkan();
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
    ensure_debian("bwrap", "bubblewrap", "cells run unconfined");
}

/// Makes sure of a Vulkan driver, for the template `shader`; Mesa's runs on the CPU where there is no GPU.
pub fn ensure_vulkan() {
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let has_driver =
        |folder: &&str| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if !folders.iter().any(has_driver) {
        install(
            "a Vulkan driver",
            "mesa-vulkan-drivers",
            "the template `shader` draws nothing",
        );
    }
}

/// Makes sure of a program of a Debian package; where it cannot be had, says what goes without it.
fn ensure_debian(program: &str, package: &str, without: &str) {
    if !found(program) {
        install(&format!("`{program}`"), package, without);
    }
}

fn install(what: &str, package: &str, without: &str) {
    if !found("apt-get") {
        eprintln!("{what} is missing, and this is no Debian: install {package}, or {without}");
        return;
    }
    eprintln!("{what} is missing: installing Debian's package `{package}`");
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
        package,
    ];
    let done = apt(&install).or_else(|_| apt(&["update", "--quiet"]).and_then(|()| apt(&install)));
    if let Err(error) = done {
        eprintln!("{package} could not be installed, so {without}: {error:#}");
    }
}

/// Whether a program is in the PATH.
pub fn found(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file())
}
