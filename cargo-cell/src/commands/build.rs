//! `cargo cell build`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Build every cell and bring schemas and bindings up to date
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Build with optimisations
    #[arg(long)]
    pub release: bool,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell build` is not here yet"))
}
