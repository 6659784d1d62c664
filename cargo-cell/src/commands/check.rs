//! `cargo cell check`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Compile and say how the schemas differ from the committed ones
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fail where a committed snapshot, lock or binding is not what a build would write
    #[arg(long)]
    pub locked: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell check` is not here yet"))
}
