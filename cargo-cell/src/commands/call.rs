//! `cargo cell call`

use crate::cli::Context;
use crate::error::{Error, Result};

/// Call a route of a cell with JSON and print JSON
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cell
    pub cell: String,
    /// The route
    pub route: String,
    /// The arguments, each a JSON value
    #[arg(value_name = "JSON")]
    pub arguments: Vec<String>,
    /// Give up after this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub deadline_ms: u64,
}

/// Runs the command.
pub fn run(_context: &Context, _args: &Args) -> Result<()> {
    Err(Error::bug("`cargo cell call` is not here yet"))
}
