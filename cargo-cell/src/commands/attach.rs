//! `cargo cell attach`

use serde_json::Value;

use crate::cli::Context;
use crate::dev;
use crate::dev::control::{Request, ask};
use crate::error::Result;
use crate::event::Event;

/// Show what happens in a workspace that runs
///
/// The view that `dev` has, of an `up` in the background or of a `dev` in another terminal. Ctrl-C leaves the view; what
/// runs goes on.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command; it returns when the workspace stops.
pub fn run(context: &Context, _args: &Args) -> Result<()> {
    let (_, dirs) = super::place(context)?;
    if follow(context, &dirs.run)? {
        Ok(())
    } else {
        Err(super::nothing_runs())
    }
}

/// Shows events until the workspace stops; false when nothing runs there.
pub(super) fn follow(context: &Context, run_dir: &std::path::Path) -> Result<bool> {
    // The terminal UI and scripts need to know what there is; lines for people would be old news.
    let (done, over) = std::sync::mpsc::channel();
    let leave = done.clone();
    let stop = move || {
        // Whoever leaves twice has left.
        let _ = leave.send(Ok(true));
        Ok(())
    };
    let screen = dev::take_screen(context, run_dir, true, stop)?;
    let past = screen || context.reporter.is_json();
    let (shown, run_dir) = (context.clone(), run_dir.to_owned());
    std::thread::spawn(move || {
        let outcome = ask(
            &run_dir,
            &Request::Events { past, after: 0 },
            &mut |answer| {
                show(&shown, &answer);
                screen || !super::nobody_reads()
            },
        );
        let _ = done.send(outcome);
    });
    over.recv().unwrap_or(Ok(true))
}

/// Shows the events of an answer.
pub(super) fn show(context: &Context, answer: &Value) {
    if let Some(lost) = answer["lost"].as_u64().filter(|lost| *lost > 0) {
        let message = format!("{lost} events are not shown: this view was too slow");
        context.reporter.event(&Event::Warning { message });
    }
    for event in answer["events"].as_array().into_iter().flatten() {
        // A newer tool may know more kinds of events.
        if let Ok(event) = serde_json::from_value::<Event>(event.clone()) {
            context.reporter.event(&event);
        }
    }
}
