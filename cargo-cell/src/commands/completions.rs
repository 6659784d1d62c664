//! `cargo cell completions`

use crate::cli::{Context, command};
use crate::error::Result;

/// Print a completion script
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "cargo-cell", &mut script);
    context
        .reporter
        .result(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
