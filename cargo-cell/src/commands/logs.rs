//! `cargo cell logs`

use serde_json::Value;

use crate::cli::Context;
use crate::dev::control::{Request, ask};
use crate::error::Result;

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
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (_, dirs) = super::place(context)?;
    let request = Request::Logs {
        cells: args.cells.clone(),
        lines: args.lines,
        follow: args.follow,
    };
    let json = args.json || context.reporter.is_json();
    let answered = ask(&dirs.run, &request, &mut |answer| {
        for line in answer["lines"].as_array().into_iter().flatten() {
            context.reporter.result(&shown(line, json));
        }
        args.follow && !super::nobody_reads()
    })?;
    if answered {
        Ok(())
    } else {
        Err(super::nothing_runs())
    }
}

fn shown(line: &Value, json: bool) -> String {
    if json {
        return line.to_string();
    }
    format!(
        "{} | {}",
        line["cell"].as_str().unwrap_or("?"),
        line["line"].as_str().unwrap_or("")
    )
}
