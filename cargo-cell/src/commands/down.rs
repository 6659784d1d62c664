//! `cargo cell down`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Stop the dev loop of this workspace and all its cells
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell down` is not here yet"))
}
