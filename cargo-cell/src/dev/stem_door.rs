//! Where the calls of the supervisor's own service become inputs of the loop.

use tokio::sync::mpsc::{self, UnboundedSender};

use super::event_loop::Input;
use super::{control, shelf};
use crate::error::Result;
use crate::stem;
use crate::workspace::Dirs;

/// The supervisor as a cell, and its schema where callers and `bind` look for it.
pub(super) fn open(dirs: &Dirs, inputs: &UnboundedSender<Input>) -> Result<stem::serve::Serving> {
    let inputs = inputs.clone();
    let ask: stem::Ask = Box::new(move |request| {
        let (answers, received) = mpsc::channel(control::ANSWERS_MAX);
        match serde_json::from_value(request) {
            // Without a loop the channel's end is the answer.
            Ok(request) => drop(inputs.send(Input::Asked(request, answers))),
            Err(cause) => {
                let message = format!("the request cannot be read: {cause}");
                let _ = answers.try_send(serde_json::json!({"error": message}));
            }
        }
        received
    });
    let snapshot = stem::serve::snapshot()?;
    shelf::keep(&dirs.run, &snapshot)?;
    shelf::publish(&dirs.schema, &snapshot)?;
    stem::serve::start(&dirs.run, ask)
}
