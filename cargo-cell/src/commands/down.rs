//! `cargo cell down`

use crate::cli::Context;
use crate::dev::control::{Request, ask};
use crate::error::Result;
use crate::event::Event;

/// Stop the dev loop of this workspace and all its cells
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command. It returns once everything has stopped; nothing to stop is no error.
pub fn run(context: &Context, _args: &Args) -> Result<()> {
    let (_, dirs) = super::place(context)?;
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
