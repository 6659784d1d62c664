//! Answers at a listener while no generation does: says why nobody serves, or starts the cell for its first caller.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use tokio::sync::{oneshot, watch};

use super::listeners::Key;
use super::state::{Door, Input};
use super::task::Inputs;

/// Somebody at the door. Dropping it makes it leave; calls that it has accepted are told to come back.
#[derive(Debug)]
pub(super) struct Porter {
    door: Door,
    reason: watch::Sender<String>,
    _leave: oneshot::Sender<()>,
}

impl Porter {
    /// Opens a door that is not held.
    pub(super) fn start(
        key: &Key,
        listener: OwnedFd,
        door: &Door,
        inputs: &Inputs,
    ) -> io::Result<Porter> {
        let (leave, left) = oneshot::channel::<()>();
        let text = match door {
            Door::Refused(why) => why.clone(),
            Door::Held | Door::Watched => String::new(),
        };
        let (reason, reasons) = watch::channel(text);
        let cell = key.0.clone();
        match door {
            Door::Watched => {
                let listener = super::process::readable(listener)?;
                let inputs = inputs.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        ready = listener.readable() => if ready.is_ok() {
                            // The owner may be gone.
                            let _ = inputs.send(Input::Caller { cell, built: true });
                        },
                        _ = left => {}
                    }
                });
            }
            Door::Refused(_) => {
                let listener = UnixListener::from(listener);
                let listener = cell_runtime::transport::UdsListener::from_std(listener)?;
                tokio::spawn(async move {
                    let leave = async {
                        // Either way it is time to go.
                        let _ = left.await;
                    };
                    // A listener that fails accepts nobody; the next change of the door opens a new one.
                    let _ = cell_runtime::server::refuse_all(listener, &cell, reasons, leave).await;
                });
            }
            Door::Held => {}
        }
        Ok(Porter {
            door: door.clone(),
            reason,
            _leave: leave,
        })
    }

    /// Takes a new order; false when somebody else is needed.
    pub(super) fn turn(&mut self, door: &Door) -> bool {
        if let (Door::Refused(_), Door::Refused(why)) = (&self.door, door) {
            self.reason.send_replace(why.clone());
            self.door = door.clone();
            return true;
        }
        self.door == *door && *door != Door::Held
    }
}
