//! Signals that ask the tool to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;

use super::event_loop::Input;
use crate::error::{Context, Result};

/// Sends an input for each signal.
pub(super) fn listen(inputs: &UnboundedSender<Input>) -> Result<()> {
    let kinds = [
        (SignalKind::interrupt(), "Ctrl-C"),
        (SignalKind::terminate(), "SIGTERM"),
        (SignalKind::hangup(), "the terminal was closed"),
        (SignalKind::quit(), "SIGQUIT"),
    ];
    for (kind, name) in kinds {
        let mut stream = signal(kind).environment(|| format!("cannot listen for {name}"))?;
        let inputs = inputs.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if inputs.send(Input::Stop(name.to_owned())).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}
