//! The serving side: accepts connections, starts calls, drains.

mod begin;
mod call_future;
mod cancel;
mod connection;
mod inbox;
mod load;
mod lone;
mod panics;
mod refuse;
mod shared;
mod streams;
#[cfg(test)]
mod tests;

pub use call_future::CallFuture;
pub use cancel::CancelToken;
pub use load::LoadLimits;
pub use refuse::refuse_all;
pub use streams::CallStreams;
pub(crate) use streams::Port;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::connection::Talk;
use crate::metrics::Metrics;
use crate::transport::Listener;
use crate::vesicle::Vesicle;
use crate::wire::{Limits, Serving, TraceParent};

pub use crate::wire::{Reply, RouteId, Status, StatusCode};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name that the client gave itself in the handshake: for messages, not for decisions.
    pub name: Arc<str>,
    /// The user that the client runs as, where the transport knows it.
    pub uid: Option<u32>,
}

/// What a call brings besides its arguments.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// When the caller gives up.
    pub deadline: Instant,
    /// Who calls.
    pub caller: Caller,
    /// The trace that the call belongs to.
    pub trace: Option<TraceParent>,
    /// Set when the answer is no longer wanted.
    pub cancelled: CancelToken,
    /// The items that go with it.
    pub streams: CallStreams,
}

/// A set of routes over bytes; typed handlers are built on it.
pub trait Service: Send + Sync + 'static {
    /// The name of the cell.
    fn name(&self) -> &str;
    /// The fingerprint of the schema; zero accepts any client.
    fn fingerprint(&self) -> u64;
    /// The routes that it answers.
    fn routes(&self) -> &[RouteId];
    /// How much it takes on from all its peers together.
    fn load(&self) -> LoadLimits {
        LoadLimits::DEFAULT
    }
    /// Starts a call. The payload is not validated yet.
    fn call(&self, route: RouteId, context: CallContext, payload: Vesicle) -> CallFuture;
}

/// How a server behaves.
#[derive(Clone)]
pub struct ServerOptions {
    /// What is accepted from a peer.
    pub limits: Limits,
    /// How long a peer may take to say who it is.
    pub handshake: Duration,
    /// How long calls in flight may go on after the shutdown.
    pub drain: Duration,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            limits: Limits::DEFAULT,
            handshake: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            metrics: Arc::default(),
        }
    }
}

/// What the connections of a server share.
struct Host {
    service: Arc<dyn Service>,
    serving: Serving,
    options: ServerOptions,
    load: Arc<load::Load>,
    /// How long calls in flight may go on, once they have to end.
    drain: watch::Receiver<Option<Duration>>,
    /// The name of a client that has not said its own.
    unknown: Arc<str>,
}

/// Serves until `shutdown` is ready; then accepts no more, tells every client which call was its last, finishes the calls in
/// flight within the drain limit, and returns.
pub async fn run<L: Listener>(
    listener: L,
    service: Arc<dyn Service>,
    options: ServerOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let drain = options.drain;
    let shutdown = async move {
        shutdown.await;
        drain
    };
    run_until(listener, service, options, shutdown).await
}

/// As [`run`], for a `shutdown` that says how long calls in flight may go on.
pub async fn run_until<L: Listener>(
    listener: L,
    service: Arc<dyn Service>,
    options: ServerOptions,
    shutdown: impl Future<Output = Duration>,
) -> io::Result<()> {
    let (draining, drain) = watch::channel(None);
    let most = service.load().connections_max;
    let host = Arc::new(Host {
        serving: Serving {
            cell: service.name().into(),
            fingerprint: service.fingerprint(),
            refusal: None,
        },
        load: load::Load::new(service.load()),
        unknown: "unknown".into(),
        service,
        options,
        drain,
    });
    let mut connections = JoinSet::new();
    // Streams of one call that did not end at once. Each holds the sender, so that their number is that of its clones.
    let (later, mut rests) = mpsc::unbounded_channel::<lone::Rest>();
    let mut slow = JoinSet::new();
    listener.hand_over({
        let (host, later) = (Arc::clone(&host), later.clone());
        Arc::new(move |stream| {
            // Beside those that hold it: this function and the server.
            if later.strong_count() >= most.saturating_add(2) {
                return Some(stream);
            }
            tokio::spawn(lone::begin_in(stream, Arc::clone(&host), later.clone()));
            None
        })
    });
    let holders = later.strong_count();
    let mut shutdown = pin!(shutdown);
    let limit = loop {
        tokio::select! {
            biased;
            limit = &mut shutdown => break limit,
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    let refusal = (connections.len() + later.strong_count().saturating_sub(holders) >= most).then(|| {
                        Status::overloaded(format!("{most} connections are open to this cell, the limit"))
                    });
                    connections.spawn(connection::serve(Talk::new(stream, refusal, &host), Arc::clone(&host)));
                    // Those who are refused hold a connection as well until they have been told: then the backlog waits.
                    if connections.len() >= most + REFUSED_MAX {
                        connections.join_next().await;
                    }
                }
                Err(error) if is_the_peers_fault(&error) => {}
                // Out of descriptors or memory: what is open goes on, new ones wait in the backlog.
                Err(error) if is_exhaustion(&error) => {
                    if connections.join_next().await.is_none() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            },
            Some(_) = connections.join_next() => {}
            Some(rest) = rests.recv() => drop(slow.spawn(rest)),
            Some(_) = slow.join_next() => {}
        }
    };
    // Nothing new is accepted while the open connections end; what waits in the backlog stays there for a successor.
    drop(listener);
    draining.send_replace(Some(limit));
    while connections.join_next().await.is_some() {}
    drop(later);
    while let Some(rest) = rests.recv().await {
        slow.spawn(rest);
    }
    Ok(())
}

/// Connections beyond the limit that are being told so.
const REFUSED_MAX: usize = 64;

/// The connection was refused or vanished; the listener is fine.
fn is_the_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
    )
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}
