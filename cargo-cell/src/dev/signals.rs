//! Signals that ask the tool to stop.

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;

use super::event_loop::Input;
use crate::error::{Context, Result};

/// Signals that are listened for already, and that nobody has heard yet.
pub struct Signals(Vec<(&'static str, Signal)>);

impl Signals {
    /// From here on a Ctrl-C is a graceful stop. It comes before the runtime of the loop: tokio puts a handler in place first and then
    /// listens, and a runtime that works meanwhile can take a signal away in between. A terminal that was closed at that moment
    /// left the tool running for ever.
    pub fn begin() -> Result<Signals> {
        let still = Builder::new_current_thread()
            .enable_io()
            .build()
            .environment(|| "cannot start the async runtime".to_owned())?;
        let entered = still.enter();
        let kinds = [
            (SignalKind::interrupt(), "Ctrl-C"),
            (SignalKind::terminate(), "SIGTERM"),
            (SignalKind::hangup(), "the terminal was closed"),
            (SignalKind::quit(), "SIGQUIT"),
        ];
        let listen = |(kind, name)| {
            let stream = signal(kind).environment(|| format!("cannot listen for {name}"))?;
            Ok((name, stream))
        };
        let signals = kinds.into_iter().map(listen).collect::<Result<_>>();
        drop(entered);
        still.shutdown_background();
        signals.map(Signals)
    }

    /// Sends an input for each signal.
    pub(super) fn pass_on(self, inputs: &UnboundedSender<Input>) {
        for (name, mut stream) in self.0 {
            let inputs = inputs.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    if inputs.send(Input::Stop(name.to_owned())).is_err() {
                        return;
                    }
                }
            });
        }
    }
}
