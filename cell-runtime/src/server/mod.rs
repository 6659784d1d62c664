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
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// The streams of one call that began without being accepted.
    lone: AtomicUsize,
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
        lone: AtomicUsize::new(0),
        service,
        options,
        drain,
    });
    let mut connections = JoinSet::new();
    // Streams of one call that did not end at once.
    let (later, mut rests) = mpsc::unbounded_channel::<lone::Rest>();
    listener.hand_over({
        let (host, later) = (Arc::clone(&host), later.clone());
        Arc::new(move |stream| {
            let Some(counted) = lone::Counted::new(&host, most) else {
                return Some(stream);
            };
            tokio::spawn(lone::begin_in(stream, counted, later.clone()));
            None
        })
    });
    let mut slow = JoinSet::new();
    let mut is_exhausted = false;
    let mut shutdown = pin!(shutdown);
    let limit = loop {
        // Those who are refused hold a connection as well until they have been told: then the backlog waits.
        let accepts = !is_exhausted && connections.len() < most.saturating_add(REFUSED_MAX);
        tokio::select! {
            biased;
            limit = &mut shutdown => break limit,
            // What was begun goes before what comes.
            Some(rest) = rests.recv() => drop(slow.spawn(rest)),
            accepted = listener.accept(), if accepts => match accepted {
                Ok(stream) => {
                    let open = connections.len() + host.lone.load(Ordering::Relaxed);
                    let refusal = (open >= most).then(|| {
                        Status::overloaded(format!("{most} connections are open to this cell, the limit"))
                    });
                    connections.spawn(connection::serve(Talk::new(stream, refusal, &host), Arc::clone(&host)));
                }
                Err(error) if is_the_peers_fault(&error) => {}
                // Out of descriptors or memory: what is open goes on, new ones wait in the backlog until something ends.
                Err(error) if is_exhaustion(&error) && !(connections.is_empty() && slow.is_empty()) => {
                    is_exhausted = true;
                }
                Err(error) => return Err(error),
            },
            Some(_) = connections.join_next() => is_exhausted = false,
            Some(_) = slow.join_next() => is_exhausted = false,
        }
    };
    // Nothing new is accepted while the open connections end; what waits in the backlog stays there for a successor.
    drop((listener, later));
    draining.send_replace(Some(limit));
    loop {
        tokio::select! {
            Some(rest) = rests.recv() => drop(slow.spawn(rest)),
            Some(_) = connections.join_next() => {}
            Some(_) = slow.join_next() => {}
            else => return Ok(()),
        }
    }
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
