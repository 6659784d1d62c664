//! Runs `cargo metadata` and reads `Cell.toml` files.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of `workspace`"
)]

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

use super::{Workspace, discover};
use crate::error::{Error, Result};

/// Loads the workspace of a manifest, or of the folder `from`.
///
/// Only the members themselves are asked for (`--no-deps`): it needs no network and no lock file, and takes a tenth of
/// the time.
pub fn load(manifest_path: Option<&Path>, from: &Path) -> Result<Workspace> {
    let mut command = MetadataCommand::new();
    command.no_deps();
    command.cargo_path(cargo());
    match manifest_path {
        Some(path) if path.is_dir() => {
            command.manifest_path(path.join("Cargo.toml"));
        }
        Some(path) => {
            command.manifest_path(path);
        }
        None => {
            command.current_dir(from);
        }
    }
    let metadata = command
        .exec()
        .map_err(|cause| explain(cause, manifest_path.unwrap_or(from)))?;
    discover(
        &canonical(metadata),
        &|dir| match std::fs::read_to_string(dir.join("Cell.toml")) {
            Ok(text) => Ok(Some(text)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::environment(format!(
                "cannot read `{}`",
                dir.join("Cell.toml").display()
            ))
            .because(cause)),
        },
    )
}

/// Whether a folder seems to lie in a cargo workspace.
#[must_use]
pub fn has_manifest(dir: &Path) -> bool {
    dir.ancestors().any(|dir| dir.join("Cargo.toml").exists())
}

/// The root's canonical path names the run folder, so a symlink to a workspace is the same workspace.
fn canonical(mut metadata: Metadata) -> Metadata {
    let root = metadata.workspace_root.clone();
    if let Ok(real) = std::fs::canonicalize(&root)
        && let Ok(real) = cargo_metadata::camino::Utf8PathBuf::from_path_buf(real)
    {
        metadata.workspace_root = real;
    }
    metadata
}

fn explain(cause: cargo_metadata::Error, place: &Path) -> Error {
    match cause {
        cargo_metadata::Error::CargoMetadata { stderr } => {
            let text = stderr.trim().trim_start_matches("error: ").to_owned();
            if text.starts_with("could not find `Cargo.toml`") || text.contains("does not exist") {
                Error::usage(format!("no cargo workspace in `{}`", place.display()))
                    .because(text)
                    .hint(
                        "create one with `cargo cell new NAME`, or name one with `--manifest-path`",
                    )
            } else {
                Error::user(format!("cargo cannot read the workspace: {text}"))
            }
        }
        cargo_metadata::Error::Io(cause) => {
            Error::environment(format!("cannot run `{} metadata`", cargo().display()))
                .because(cause)
                .hint("install a Rust toolchain from https://rustup.rs, or run `cargo cell doctor`")
        }
        other => {
            Error::environment("`cargo metadata` gave an answer that cannot be read").because(other)
        }
    }
}

/// The cargo to run: the one that runs us, or else the first on the path.
#[must_use]
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The folder a command starts from.
pub fn current_dir() -> Result<PathBuf> {
    std::env::current_dir()
        .map_err(|cause| Error::environment("cannot tell the current folder").because(cause))
}
