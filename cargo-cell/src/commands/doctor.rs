//! `cargo cell doctor`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Check that everything that cells need is here
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell doctor` is not here yet"))
}
