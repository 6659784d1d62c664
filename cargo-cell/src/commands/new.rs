//! `cargo cell new`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Write a new workspace of cells
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to create; its last part names the workspace
    pub name: std::path::PathBuf,
    /// What to start from
    #[arg(long, value_name = "NAME", default_value = "hello")]
    pub template: String,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell new` is not here yet"))
}
