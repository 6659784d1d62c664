//! `cargo cell status`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Show the cells that run
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell status` is not here yet"))
}
