//! `cargo cell down`

use crate::cli::Context;
use crate::dev::control::{Request, ask};
use crate::error::Result;
use crate::event::Event;

/// Stop the dev loop of this workspace and all its cells, or some cells alone
///
/// A cell that is named finishes its calls and stops, and everything else goes on; its next caller, `cargo cell restart` or
/// `up` starts it again. Without names the whole loop ends. Either returns once the processes are gone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these cells [default: everything]
    pub cells: Vec<String>,
}

/// Runs the command. Nothing to stop is no error.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (_, dirs) = super::place(context)?;
    if !args.cells.is_empty() {
        return some(context, &dirs.run, &args.cells);
    }
    let answered = ask(&dirs.run, &Request::Down, &mut |_| true)?;
    let event = if answered {
        Event::Stopped
    } else {
        Event::Note {
            message: "nothing runs in this workspace".to_owned(),
        }
    };
    context.reporter.event(&event);
    Ok(())
}

fn some(context: &Context, run_dir: &std::path::Path, cells: &[String]) -> Result<()> {
    let request = Request::Stop {
        cells: cells.to_vec(),
    };
    let answered = ask(run_dir, &request, &mut |answer| {
        if let Some(cell) = answer["stopped"].as_str() {
            context.reporter.event(&Event::Note {
                message: format!("stopped `{cell}`; its next caller starts it again"),
            });
        }
        true
    })?;
    match answered {
        true => Ok(()),
        false => Err(super::nothing_runs()),
    }
}
