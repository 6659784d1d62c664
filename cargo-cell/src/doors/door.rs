//! One open address.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the doors: it reads the clock and certificates"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cell_runtime::discovery::socket_name;
use cell_runtime::remote::{Closing, Keys, QuicListener, RemoteLimits, relay};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::quota::Quota;
use crate::event::{Event, Sink};
use crate::keys::list::State as Trust;
use crate::keys::store::Store;
use crate::workspace::remote::Remote;

/// An address that cannot be opened is tried again: nothing tells when another process gives a port back, or when keys are
/// copied to their folder.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// How long calls in flight may go on when a door is closed; the cell's own drain ends them sooner.
const DRAIN: Duration = Duration::from_secs(10);

/// A door that is open, or would be.
pub(super) struct Door {
    remote: Remote,
    /// Why it is not open, if it is not.
    trouble: Arc<Mutex<Option<String>>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Door {
    /// Opens an address for a cell, once the doors `before` are closed.
    pub(super) fn open(
        name: &str,
        remote: Remote,
        keys: PathBuf,
        run_dir: &Path,
        sink: Sink,
        before: Vec<JoinHandle<()>>,
    ) -> Door {
        let trouble = Arc::new(Mutex::new(Some("it is being opened".to_owned())));
        let (stop, stopped) = watch::channel(false);
        let opening = Opening {
            name: name.to_owned(),
            remote: remote.clone(),
            keys,
            socket: run_dir.join(socket_name(name, 0)),
            sink,
            trouble: Arc::clone(&trouble),
        };
        let task = tokio::spawn(async move {
            for door in before {
                // A door that panicked is closed, too.
                let _ = door.await;
            }
            opening.serve(stopped).await;
        });
        Door {
            remote,
            trouble,
            stop,
            task,
        }
    }

    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(super) fn state(&self) -> Value {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        json!({"address": self.remote.listen.to_string(), "open": trouble.is_none(), "reason": *trouble})
    }

    /// No new calls come in from now on.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Closes it; the handle ends with the last call.
    pub(super) fn close(self) -> JoinHandle<()> {
        self.stop();
        self.task
    }
}

struct Opening {
    name: String,
    remote: Remote,
    keys: PathBuf,
    socket: PathBuf,
    sink: Sink,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Opening {
    async fn serve(self, mut stopped: watch::Receiver<bool>) {
        let mut told = None;
        let (listener, closing) = loop {
            match self.bind() {
                Ok(open) => break open,
                Err(why) => {
                    self.is(Some(&why));
                    // Said once, until it is something else.
                    if told.as_ref() != Some(&why) {
                        self.sink.send(Event::Failure {
                            message: format!("`{}` is not open to the network: {why}", self.name),
                            hints: Vec::new(),
                        });
                        told = Some(why);
                    }
                }
            }
            tokio::select! {
                () = told_to_stop(&mut stopped) => return,
                () = tokio::time::sleep(TRY_AGAIN) => {}
            }
        };
        self.is(None);
        let address = self.remote.listen;
        self.sink.send(Event::Note {
            message: format!("`{}` is open to the network at {address}", self.name),
        });
        let shutdown = told_to_stop(&mut stopped);
        relay(listener, closing, &self.socket, shutdown, DRAIN).await;
    }

    fn is(&self, trouble: Option<&str>) {
        let mut is = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *is = trouble.map(str::to_owned);
    }

    fn bind(&self) -> Result<(QuicListener, Closing), String> {
        let keys = Keys::at(&self.keys, &self.name).map_err(|error| error.to_string())?;
        keys.check().map_err(|error| error.to_string())?;
        // Peers would refuse it, each in its own log: better said once, here.
        let listing = Store::at(self.keys.clone())
            .list()
            .map_err(|error| error.to_string())?;
        let own = listing.cells.iter().find(|entry| entry.name == self.name);
        if let Some(own) = own
            && !matches!(own.state, Trust::Valid | Trust::EndsSoon)
        {
            return Err(format!(
                "its certificate is {}; run `cargo cell keys issue {}`",
                own.state.name(),
                self.name
            ));
        }
        let (sink, name) = (self.sink.clone(), self.name.clone());
        let (start, quota) = (Instant::now(), Mutex::new(Quota::default()));
        let report = move |refused: cell_runtime::remote::Refused| {
            let said = quota
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .say(start.elapsed());
            if let Some(unsaid) = said {
                let more = match unsaid {
                    0 => String::new(),
                    unsaid => format!(" ({unsaid} more before it)"),
                };
                sink.send(Event::Warning {
                    message: format!(
                        "`{name}` refused {}: {}{more}",
                        refused.peer, refused.reason
                    ),
                });
            }
        };
        QuicListener::bind(self.remote.listen, keys, RemoteLimits::DEFAULT, report)
            .map_err(|error| error.to_string())
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // Its sender lives in the door: that one is gone, too, where this fails.
    let _ = stopped.wait_for(|stop| *stop).await;
}
