//! `cargo cell lock`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Rewrite the snapshots and locks of schemas, but no binding
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell lock` is not here yet"))
}
