//! `cargo cell dev`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Build and run every cell, and follow every edit
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace [default: the current folder]
    pub path: Option<std::path::PathBuf>,
    /// Accepted for clarity: `dev` always watches
    #[arg(long)]
    pub watch: bool,
    /// How cells are confined
    #[arg(long, value_name = "KIND")]
    pub sandbox: Option<String>,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell dev` is not here yet"))
}
