//! `cargo cell check`

use serde_json::json;

use super::build;
use crate::build::Writes;
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

/// Runs the command. Nothing is written.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (_, batch) = build::batch(context, Writes::Nothing, Vec::new())?;
    if args.json || context.reporter.is_json() {
        let files: Vec<_> = batch
            .differences
            .iter()
            .map(|(path, what)| json!({"path": path, "what": what}))
            .collect();
        context
            .reporter
            .result(&json!({"compiles": batch.success, "differences": files}).to_string());
    } else {
        for (path, what) in &batch.differences {
            context
                .reporter
                .result(&format!("{path}: {}", what.replace('\n', "\n    ")));
        }
    }
    build::succeed(&batch)?;
    if args.locked && !batch.differences.is_empty() {
        let count = batch.differences.len();
        let files = if count == 1 { "file is" } else { "files are" };
        return Err(Error::user(format!(
            "{count} committed {files} not what a build would write"
        ))
        .hint("run `cargo cell build` and commit what it writes"));
    }
    Ok(())
}
