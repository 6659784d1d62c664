//! `cargo cell restart`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Restart cells
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cells [default: all]
    pub cells: Vec<String>,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell restart` is not here yet"))
}
