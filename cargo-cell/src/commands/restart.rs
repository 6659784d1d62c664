//! `cargo cell restart`

use crate::cli::Context;
use crate::dev::control::{Request, ask};
use crate::error::Result;
use crate::event::Event;

/// Restart cells
///
/// Each gets a new generation of the same binary; the old one serves until the new one is ready.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cells [default: all]
    pub cells: Vec<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (_, dirs) = super::place(context)?;
    let answered = ask(
        &dirs.run,
        &Request::Restart {
            cells: args.cells.clone(),
        },
        &mut |answer| {
            if let Some(cell) = answer["restarted"].as_str() {
                context.reporter.event(&Event::Note {
                    message: format!("restarted `{cell}`"),
                });
            }
            true
        },
    )?;
    if answered {
        Ok(())
    } else {
        Err(super::nothing_runs())
    }
}
