#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge: a connection has an age"
)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quinn::{Endpoint, VarInt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use super::refusal::{explain, may_have_started};
use super::stream::QuicStream;
use super::{Failure, Keys, RemoteAddress, RemoteLimits};
use crate::client::{Connection, Exchange, call_alone};
use crate::wire::{CallFailure, Hello, Limits, Refusal, Reply, Request, Status, StatusCode};

/// How long one address of a host is tried alone before the next one is tried beside it (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// A QUIC connection to a cell; each call has a stream of its own.
#[derive(Clone)]
pub(crate) struct RemoteConnection(Arc<Inner>);

struct Inner {
    connection: quinn::Connection,
    hello: Hello,
    limits: Limits,
    /// The server has said that it starts no more calls here.
    draining: Arc<AtomicBool>,
    /// From then on new calls go to a new connection, which shows certificates again.
    stale: Instant,
}

impl RemoteConnection {
    /// Connects to the first address that answers, and checks that the cell there bears the name of `hello`.
    pub(crate) async fn open(
        address: &RemoteAddress,
        keys: &Keys,
        hello: Hello,
        limits: Limits,
    ) -> Result<RemoteConnection, Failure> {
        let remote = RemoteLimits::DEFAULT;
        let config = keys
            .load()
            .and_then(|identity| identity.client(&remote))
            .map_err(|error| Failure::Untrusted(error.to_string()))?;
        let addresses = address
            .resolve()
            .await
            .map_err(|error| Failure::Again(format!("it has no address: {error}")))?;
        let connection = race(addresses, config, &hello.cell).await?;
        Ok(RemoteConnection(Arc::new(Inner {
            connection,
            hello,
            limits,
            draining: Arc::default(),
            stale: Instant::now() + remote.age_max * 9 / 10,
        })))
    }

    /// Makes a call. Dropping the future cancels it at the other side.
    pub(crate) async fn call(&self, request: &Request) -> Result<Reply, CallFailure> {
        let stream = self.stream(request).await?;
        let inner = &*self.0;
        // It may have waited for its turn.
        let now = Instant::now();
        match call_alone(stream, &inner.hello, inner.limits, now, request).await {
            Err(CallFailure::NotStarted(reason)) => Err(self.unanswered(reason)),
            outcome => outcome,
        }
    }

    /// Starts a call with streams of items, which share its stream of bytes.
    pub(crate) async fn open_streams(&self, request: &Request) -> Result<Exchange, CallFailure> {
        let stream = self.stream(request).await?;
        let call = Connection::open(stream, &self.0.hello, self.0.limits);
        match call.open_streams(request).await {
            Err(CallFailure::NotStarted(reason)) => Err(self.unanswered(reason)),
            outcome => outcome,
        }
    }

    /// A stream of bytes for a call.
    async fn stream(&self, request: &Request) -> Result<QuicStream, CallFailure> {
        let inner = &*self.0;
        let (send, recv) =
            match timeout_at(request.deadline.into(), inner.connection.open_bi()).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Err(self.not_started(error.to_string())),
                Err(_) => return Err(CallFailure::DeadlineExceeded),
            };
        Ok(QuicStream::opened(send, recv, Arc::clone(&inner.draining)))
    }

    /// A call that was sent, and of which nothing is known. Where its stream alone ended, in order and before the server's
    /// handshake, it was not started; an end of the connection may have swallowed that handshake.
    fn unanswered(&self, reason: String) -> CallFailure {
        match self.0.connection.close_reason() {
            Some(error) if may_have_started(&error) => match explain(&error) {
                Failure::Again(reason) | Failure::Refused(reason) | Failure::Untrusted(reason) => {
                    CallFailure::ConnectionLost(reason)
                }
            },
            _ => self.not_started(reason),
        }
    }

    /// Trying again is pointless where the server does not take this side's certificate: it says so after the handshake.
    fn not_started(&self, reason: String) -> CallFailure {
        match self
            .0
            .connection
            .close_reason()
            .map(|error| explain(&error))
        {
            Some(Failure::Refused(reason) | Failure::Untrusted(reason)) => {
                CallFailure::Refused(Box::new(Refusal {
                    status: Status::new(StatusCode::Refused, reason),
                    fingerprint: 0,
                    cell: self.0.hello.cell.clone(),
                }))
            }
            Some(Failure::Again(reason)) => CallFailure::NotStarted(reason),
            None => CallFailure::NotStarted(reason),
        }
    }

    /// Whether new calls can be started.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.draining.load(Ordering::Acquire)
            && self.0.connection.close_reason().is_none()
            && Instant::now() < self.0.stale
    }

    /// Whether both are the same connection.
    pub(crate) fn is(&self, other: &RemoteConnection) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Tries each address, the next one a moment later; the first that answers is taken.
async fn race(
    addresses: Vec<SocketAddr>,
    config: quinn::ClientConfig,
    cell: &str,
) -> Result<quinn::Connection, Failure> {
    let mut tries = JoinSet::new();
    for (place, address) in (0u32..).zip(addresses) {
        let (config, cell) = (config.clone(), cell.to_owned());
        tries.spawn(async move {
            sleep(NEXT_ADDRESS * place).await;
            dial(address, config, &cell).await
        });
    }
    let mut failure = Failure::Again("it has no address".to_owned());
    while let Some(outcome) = tries.join_next().await {
        match outcome {
            Ok(Ok(connection)) => return Ok(connection),
            // What a peer said about certificates is worth more than that another address is silent.
            Ok(Err(Failure::Again(_))) if !matches!(failure, Failure::Again(_)) => {}
            Ok(Err(error)) => failure = error,
            Err(error) => failure = Failure::Again(error.to_string()),
        }
    }
    Err(failure)
}

async fn dial(
    address: SocketAddr,
    config: quinn::ClientConfig,
    cell: &str,
) -> Result<quinn::Connection, Failure> {
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint =
        Endpoint::client(own).map_err(|error| Failure::Again(format!("no UDP socket: {error}")))?;
    let connecting = endpoint
        .connect_with(config, address, cell)
        .map_err(|error| Failure::Untrusted(error.to_string()))?;
    // Given up together with the call's deadline: then the peer need not remember it.
    connecting.await.map_err(|error| {
        endpoint.close(VarInt::from_u32(0), b"");
        explain(&error)
    })
}
