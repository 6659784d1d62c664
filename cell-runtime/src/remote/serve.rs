use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Keys, QuicListener, RemoteLimits};
use crate::Error;
use crate::control;
use crate::handlers::{Complete, Handlers};
use crate::server::{self, ServerOptions, Service};
use crate::service::{asked_by_hand, supervised};

/// How long peers may take to acknowledge the last answers.
const GOODBYE: Duration = Duration::from_secs(1);

/// Serves a cell to the network on a UDP address, such as `"0.0.0.0:4433"`, until Ctrl-C or SIGTERM; then finishes the calls
/// in flight. Only peers with a certificate of the same authority (`cargo cell keys`) are let in; the others are named on
/// standard error.
///
/// Started by `cargo cell dev` or `up` the cell serves its workspace, as [`serve_local`](crate::cell::serve_local) does, and the network door is
/// `[remote]` of its `Cell.toml`: that one stays open while generations are swapped.
pub async fn serve_remote<S: Complete>(handlers: Handlers<S>, address: &str) -> anyhow::Result<()> {
    let service = handlers.into_service(std::env::var("CELL_NAME").ok().as_deref());
    if let Some(inherited) = control::inherit()? {
        return supervised(inherited, service).await;
    }
    let service = service?;
    let at: SocketAddr = address.parse().map_err(|error| Error::Io {
        what: format!("open `{address}`"),
        reason: format!("{error}; write an address and a port, such as `0.0.0.0:4433`"),
    })?;
    let keys = Keys::from_env(service.name())?;
    let (listener, closing) = QuicListener::bind(at, keys, RemoteLimits::DEFAULT, |refused| {
        eprintln!("refused {}: {}", refused.peer, refused.reason);
    })?;
    eprintln!(
        "`{}` serves {} to the network; press Ctrl-C to stop",
        service.name(),
        listener.address()
    );
    let shutdown = asked_by_hand()?;
    let (stop, stopped) = oneshot::channel::<()>();
    // A task, as every call comes through it: a runtime that is woken for the future that it blocks on asks the system for
    // events first, and the signals would be looked at once more for each call. The set ends it where this future is dropped.
    let mut serving = JoinSet::new();
    serving.spawn(server::run(
        listener,
        Arc::new(service),
        ServerOptions::default(),
        async {
            let _ = stopped.await;
        },
    ));
    let ended = tokio::select! {
        ended = serving.join_next() => ended,
        () = shutdown => {
            let _ = stop.send(());
            serving.join_next().await
        }
    };
    closing.finish(GOODBYE).await;
    match ended {
        Some(ended) => Ok(ended??),
        None => Ok(()),
    }
}
