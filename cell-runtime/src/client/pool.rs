#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge, and passed to the state"
)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::runtime::{self, Handle};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout_at};

use super::Connection;
use super::attempt::{Attempt, Lone, OpenCall, Streams};
use super::call::{Call, LoneCall};
use super::carrier::Carrier;
use super::target::{Address, Target};
use crate::clock::SystemClock;
use crate::discovery;
use crate::error::Error;
use crate::lock::lock;
#[cfg(feature = "remote")]
use crate::remote;
use crate::transport::UdsStream;
use crate::vesicle::Vesicle;
use crate::wire::{
    CallFailure, Clock, Hello, Limits, Reply, Request, RouteId, StatusCode, TraceParent, is_none,
    none,
};

/// How long a call may take when nobody says.
const DEFAULT_DEADLINE: Duration = crate::wire::DEFAULT_DEADLINE;

/// The longest pause between two tries of a call that was not started.
const BACKOFF_MAX: Duration = Duration::from_millis(50);

/// What a caller can ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallOptions {
    /// When to give up; about ten seconds from now where it is `None`.
    pub deadline: Option<Instant>,
    /// The trace that the call belongs to.
    pub trace: Option<TraceParent>,
}

/// Calls a cell over connections that are opened on demand, shared, and replaced when the cell drains or dies. Cloning
/// shares them. Each runtime has a connection of its own, so that none dies with the runtime of somebody else's call.
#[derive(Clone)]
pub struct Client(Arc<ClientInner>);

struct ClientInner {
    target: Target,
    limits: Limits,
    pool: Mutex<Vec<Lane>>,
}

/// The connection of one runtime.
struct Lane {
    runtime: runtime::Id,
    current: Option<Carrier>,
    connecting: Arc<AsyncMutex<()>>,
}

impl Lane {
    fn open(&self) -> Option<&Carrier> {
        self.current
            .as_ref()
            .filter(|connection| connection.is_open())
    }
}

enum ConnectError {
    /// The backlog is full, or the socket was replaced this moment: trying again helps.
    Again(String),
    Fatal(Error),
}

impl Client {
    /// A client; nothing is opened before the first call.
    pub fn new(target: Target) -> Client {
        Client(Arc::new(ClientInner {
            target,
            limits: Limits::DEFAULT,
            pool: Mutex::default(),
        }))
    }

    /// What it talks to.
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// Makes a call. One that the cell did not start is sent again, on a new connection, until the deadline; one that it may
    /// have started is not.
    pub async fn call(
        &self,
        route: RouteId,
        payload: Vesicle,
        options: CallOptions,
    ) -> Result<Reply, Error> {
        let (now, deadline) = match options.deadline {
            Some(deadline) => (SystemClock.now(), deadline),
            // What nobody has said need not be exact.
            None => {
                let now = SystemClock.about_now();
                (now, now + DEFAULT_DEADLINE)
            }
        };
        let request = Request {
            route,
            payload,
            deadline,
            trace: options.trace,
            streams: false,
        };
        #[cfg(feature = "tracing")]
        return self
            .traced(
                request,
                |request| LoneCall::new(self, now, request),
                crate::trace::answered,
            )
            .await;
        #[cfg(not(feature = "tracing"))]
        LoneCall::new(self, now, request).await
    }

    /// Starts a call with streams, which has no deadline unless the options name one.
    pub async fn open(
        &self,
        route: RouteId,
        payload: Vesicle,
        options: CallOptions,
    ) -> Result<OpenCall, Error> {
        let now = Instant::now();
        let request = Request {
            route,
            payload,
            deadline: options.deadline.unwrap_or_else(|| none(now)),
            trace: options.trace,
            streams: true,
        };
        #[cfg(feature = "tracing")]
        let exchange = self
            .traced(
                request,
                |request| self.deliver(now, request, Streams),
                |_| "started",
            )
            .await?;
        #[cfg(not(feature = "tracing"))]
        let exchange = self.deliver(now, request, Streams).await?;
        Ok(OpenCall {
            client: self.clone(),
            exchange: Arc::new(exchange),
        })
    }

    /// Makes a call in a span; `ended` says what came of it.
    #[cfg(feature = "tracing")]
    async fn traced<T, F: Future<Output = Result<T, Error>>>(
        &self,
        mut request: Request,
        make: impl FnOnce(Request) -> F,
        ended: fn(&T) -> &'static str,
    ) -> Result<T, Error> {
        let (span, trace) = crate::trace::made(self.0.target.cell(), request.route, request.trace);
        request.trace = trace;
        let outcome = tracing::Instrument::instrument(make(request), span.clone()).await;
        let status = match &outcome {
            Ok(output) => ended(output),
            Err(error) => error.code().name(),
        };
        span.record("status", status);
        outcome
    }

    /// Starts a call where that takes no more than a look: there is a connection, and it takes the call.
    pub(super) fn begin(&self, now: Instant, request: &Request, caller: &Waker) -> Option<Call> {
        let runtime = self.runtime().ok()?;
        match self.current(runtime)? {
            Carrier::Shared(connection) => connection.begin(now, request, caller).ok(),
            #[cfg(feature = "remote")]
            Carrier::Remote(_) => None,
        }
    }

    /// As [`Client::deliver`], for a call with one answer that may have waited already.
    pub(super) async fn deliver_late(&self, request: Request) -> Result<Reply, Error> {
        self.deliver(Instant::now(), request, Lone).await
    }

    /// Takes a call to a connection on which the cell starts it.
    async fn deliver<A: Attempt>(
        &self,
        mut now: Instant,
        request: Request,
        attempt: A,
    ) -> Result<A::Output, Error> {
        // A call may last as long as it likes, but to start it the cell gets no longer than for any other.
        let deadline = if is_none(now, request.deadline) {
            now + DEFAULT_DEADLINE
        } else {
            request.deadline
        };
        let runtime = self.runtime()?;
        let mut tries = 0u32;
        loop {
            let connection = match self.current(runtime) {
                Some(connection) => Ok(connection),
                None => match timeout_at(deadline.into(), self.connect(runtime)).await {
                    Ok(outcome) => {
                        now = Instant::now();
                        outcome
                    }
                    Err(_) => return Err(self.late()),
                },
            };
            let reason = match connection {
                Ok(connection) => match attempt.make(&connection, now, &request, deadline).await {
                    Ok(outcome) => return Ok(outcome),
                    Err(CallFailure::NotStarted(reason)) => {
                        if connection.is_spent() {
                            self.forget(runtime, &connection);
                        }
                        reason
                    }
                    Err(failure) => return Err(self.error(failure)),
                },
                Err(ConnectError::Again(reason)) => reason,
                Err(ConnectError::Fatal(error)) => return Err(error),
            };
            // A drained connection is replaced at once; only repeated failure is worth waiting for.
            if tries > 0 {
                let pause = Duration::from_millis(1 << tries.min(6)).min(BACKOFF_MAX);
                if Instant::now() + pause >= deadline {
                    return Err(Error::Unavailable {
                        cell: self.0.target.cell().to_owned(),
                        reason,
                    });
                }
                sleep(pause).await;
            }
            tries += 1;
            now = Instant::now();
        }
    }

    fn runtime(&self) -> Result<runtime::Id, Error> {
        let runtime = Handle::try_current().map_err(|error| Error::Io {
            what: format!("call `{}`", self.0.target.cell()),
            reason: error.to_string(),
        })?;
        Ok(runtime.id())
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Lane>> {
        lock(&self.0.pool)
    }

    /// The runtime's connection, if it may be open.
    fn current(&self, runtime: runtime::Id) -> Option<Carrier> {
        let pool = self.pool();
        let lane = pool.iter().find(|lane| lane.runtime == runtime)?;
        lane.current
            .as_ref()
            .filter(|connection| connection.may_be_open())
            .cloned()
    }

    fn forget(&self, runtime: runtime::Id, connection: &Carrier) {
        let mut pool = self.pool();
        let lane = pool.iter_mut().find(|lane| lane.runtime == runtime);
        if let Some(current) = lane.map(|lane| &mut lane.current)
            && current.as_ref().is_some_and(|held| held.is(connection))
        {
            *current = None;
        }
    }

    /// The turn of those who connect for this runtime.
    fn turn(&self, runtime: runtime::Id) -> Arc<AsyncMutex<()>> {
        let mut pool = self.pool();
        if let Some(lane) = pool.iter().find(|lane| lane.runtime == runtime) {
            return Arc::clone(&lane.connecting);
        }
        // Lanes of runtimes that are gone hold a closed connection, and nobody connects for them.
        pool.retain(|lane| Arc::strong_count(&lane.connecting) > 1 || lane.open().is_some());
        let connecting = Arc::default();
        pool.push(Lane {
            runtime,
            current: None,
            connecting: Arc::clone(&connecting),
        });
        connecting
    }

    /// The runtime's connection, if it is open.
    fn open_one(&self, runtime: runtime::Id) -> Option<Carrier> {
        let pool = self.pool();
        let lane = pool.iter().find(|lane| lane.runtime == runtime)?;
        lane.open().cloned()
    }

    async fn connect(&self, runtime: runtime::Id) -> Result<Carrier, ConnectError> {
        let turn = self.turn(runtime);
        let _turn = turn.lock().await;
        if let Some(connection) = self.open_one(runtime) {
            return Ok(connection);
        }
        let target = &self.0.target;
        let hello = Hello::new(target.cell(), target.fingerprint, own_name());
        let connection = match &target.address {
            Address::Memory(connect) => {
                let stream =
                    connect().map_err(|error| self.refused("the in-memory listener", &error))?;
                Carrier::Shared(Connection::open(stream, &hello, self.0.limits))
            }
            Address::Unix(path) => {
                let stream = self.dial(path.clone()).await?;
                Carrier::Shared(Connection::open(stream, &hello, self.0.limits))
            }
            Address::Discover => {
                let path = discovery::find(target.cell(), target.fingerprint)
                    .map_err(ConnectError::Fatal)?;
                let stream = self.dial(path).await?;
                Carrier::Shared(Connection::open(stream, &hello, self.0.limits))
            }
            #[cfg(feature = "remote")]
            Address::Remote(address, keys) => {
                Box::pin(self.reach(address, keys.as_ref(), hello)).await?
            }
        };
        let mut pool = self.pool();
        // It is there as long as somebody connects for it.
        if let Some(lane) = pool.iter_mut().find(|lane| lane.runtime == runtime) {
            lane.current = Some(connection.clone());
        }
        drop(pool);
        Ok(connection)
    }

    #[cfg(feature = "remote")]
    async fn reach(
        &self,
        address: &remote::RemoteAddress,
        keys: Option<&remote::Keys>,
        hello: Hello,
    ) -> Result<Carrier, ConnectError> {
        let keys = match keys {
            Some(keys) => keys.clone(),
            None => remote::Keys::from_env(&own_name()).map_err(ConnectError::Fatal)?,
        };
        match remote::RemoteConnection::open(address, &keys, hello, self.0.limits).await {
            Ok(connection) => Ok(Carrier::Remote(connection)),
            Err(remote::Failure::Again(reason)) => Err(ConnectError::Again(format!(
                "failed to connect to {address}: {reason}"
            ))),
            Err(remote::Failure::Untrusted(reason) | remote::Failure::Refused(reason)) => {
                Err(ConnectError::Fatal(Error::Unavailable {
                    cell: self.0.target.cell().to_owned(),
                    reason: format!("{address} is not trusted: {reason}"),
                }))
            }
        }
    }

    async fn dial(&self, path: PathBuf) -> Result<UdsStream, ConnectError> {
        UdsStream::connect(&path)
            .await
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::WouldBlock => {
                    ConnectError::Again("too many connections wait to be accepted".to_owned())
                }
                // Found a moment ago: a swap has just replaced it.
                std::io::ErrorKind::NotFound
                    if matches!(self.0.target.address, Address::Discover) =>
                {
                    ConnectError::Again(format!("{} has just been removed", path.display()))
                }
                _ => self.refused(&path.display().to_string(), &error),
            })
    }

    fn refused(&self, place: &str, error: &std::io::Error) -> ConnectError {
        let reason = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                format!("nobody listens on {place}; start it with `cargo cell dev`")
            }
            _ => format!("failed to connect to {place}: {error}"),
        };
        ConnectError::Fatal(Error::Unavailable {
            cell: self.0.target.cell().to_owned(),
            reason,
        })
    }

    fn late(&self) -> Error {
        Error::DeadlineExceeded {
            cell: self.0.target.cell().to_owned(),
        }
    }

    pub(super) fn error(&self, failure: CallFailure) -> Error {
        let cell = || self.0.target.cell().to_owned();
        match failure {
            CallFailure::Refused(refusal) if refusal.status.code == StatusCode::SchemaMismatch => {
                Error::SchemaMismatch(*refusal)
            }
            CallFailure::Refused(refusal) => Error::Refused(*refusal),
            CallFailure::Status(status) if status.code == StatusCode::Unavailable => {
                Error::Unavailable {
                    cell: cell(),
                    reason: status.message,
                }
            }
            CallFailure::Status(status) if status.code == StatusCode::DeadlineExceeded => {
                self.late()
            }
            CallFailure::Status(status) => Error::Status(*status),
            CallFailure::Full(_) | CallFailure::DeadlineExceeded => self.late(),
            CallFailure::ConnectionLost(reason) | CallFailure::NotStarted(reason) => {
                Error::Unavailable {
                    cell: cell(),
                    reason,
                }
            }
        }
    }
}

/// How this process calls itself in a handshake: its cell's name, or its program's.
fn own_name() -> String {
    std::env::var("CELL_NAME")
        .ok()
        .or_else(program_name)
        .unwrap_or_else(|| "unknown".to_owned())
}

fn program_name() -> Option<String> {
    let mut name = std::env::current_exe()
        .ok()?
        .file_name()?
        .to_string_lossy()
        .into_owned();
    name.truncate(
        (0..=64.min(name.len()))
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or(0),
    );
    Some(name)
}
