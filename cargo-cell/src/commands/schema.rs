//! `cargo cell schema`

use std::path::PathBuf;

use crate::cli::Context;
use crate::error::{Error, Result};
use crate::schema_files::find::Shelves;
use crate::schema_files::readable;

/// Print what a cell's schema is
///
/// Shows the snapshot that `cargo cell build` wrote: of the workspace, or else of the only workspace in CELL_HOME that has
/// the cell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cell
    #[arg(required_unless_present = "from")]
    pub cell: Option<String>,
    /// Take the schema from a snapshot alone
    #[arg(long, value_name = "FILE", conflicts_with = "cell")]
    pub from: Option<PathBuf>,
    /// Print the snapshot itself
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let shelves: Shelves = super::shelves(context)?.0;
    let source = match (&args.from, &args.cell) {
        (Some(file), _) => shelves.file(file)?,
        (None, Some(cell)) => shelves.find(cell)?,
        (None, None) => return Err(Error::usage("which cell?")),
    };
    let text = match args.json || context.reporter.is_json() {
        true => source.snapshot.to_json(),
        false => readable(&source.snapshot),
    };
    context.reporter.result(text.trim_end_matches('\n'));
    Ok(())
}
