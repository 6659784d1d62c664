//! `cargo cell lock`

use super::build;
use crate::build::Writes;
use crate::cli::Context;
use crate::error::Result;

/// Rewrite the snapshots and locks of schemas, but no binding
///
/// A consumer whose binding is older than the lock beside it then stops compiling, with a message that names both. So do
/// the clients in folders that `bind` has written.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(context: &Context, _args: &Args) -> Result<()> {
    let (_, batch) = build::batch(context, Writes::LocksOnly, Vec::new())?;
    build::succeed(&batch)
}
