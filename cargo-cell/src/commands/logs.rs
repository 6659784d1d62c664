//! `cargo cell logs`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Show what cells print
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these cells
    pub cells: Vec<String>,
    /// Keep following
    #[arg(short, long)]
    pub follow: bool,
    /// How many past lines to show of each cell
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N")]
    pub lines: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell logs` is not here yet"))
}
