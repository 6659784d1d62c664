//! `cargo cell dev`

use std::path::PathBuf;

use crate::cli::Context;
use crate::dev;
use crate::error::Result;
use crate::workspace::metadata;
use crate::workspace::sandbox::{self, SandboxMode};

/// Build and run every cell, and follow every edit
///
/// Watches the workspace, rebuilds what changed, and swaps in the new code without losing a call. Ctrl-C stops all
/// cells; a second one does so at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace [default: the current folder]
    pub path: Option<PathBuf>,
    /// Accepted for clarity: `dev` always watches
    #[arg(long)]
    pub watch: bool,
    /// How cells are confined: auto, bwrap or none
    #[arg(long, value_name = "KIND", value_parser = sandbox::NAMES)]
    pub sandbox: Option<String>,
    /// Print where each save's time went
    #[arg(long)]
    pub timings: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let from = match &args.path {
        Some(path) => path.clone(),
        None => metadata::current_dir()?,
    };
    let manifest = context
        .global
        .manifest_path
        .clone()
        .or_else(|| args.path.clone());
    let workspace = metadata::load(manifest.as_deref(), &from)?;
    if workspace.cells.is_empty() {
        return Err(super::build::no_cells(&workspace));
    }
    let sandbox = args
        .sandbox
        .as_deref()
        .map(|name| SandboxMode::named(name, "--sandbox"))
        .transpose()?;
    let manifest = manifest.unwrap_or_else(|| workspace.root.clone());
    if args.timings {
        context.reporter.show_timings();
    }
    let options = dev::Options {
        workspace,
        manifest,
        sandbox,
        only: None,
        detached: None,
    };
    dev::start(context, options)
}
