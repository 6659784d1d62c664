//! `cargo cell clean`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Reap what a crash or a power cut left behind
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also remove the copies of schemas and binaries of this workspace
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell clean` is not here yet"))
}
