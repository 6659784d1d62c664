//! A client's call, and what can come of it.

use std::time::Instant;

use super::{Refusal, Reply, RouteId, Status, TraceParent};
use crate::vesicle::Vesicle;

/// A call that a client wants to make.
#[derive(Clone, Debug)]
pub struct Request {
    /// The route's fingerprint.
    pub route: RouteId,
    /// The archive of the arguments.
    pub payload: Vesicle,
    /// When the caller gives up.
    pub deadline: Instant,
    /// The caller's trace context.
    pub trace: Option<TraceParent>,
    /// Items go with it, one way or both.
    pub streams: bool,
}

/// Why a call has no reply. What is large is boxed: the type goes with every answer from hand to hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// The server did not start it: it may be sent again on another connection without being done twice.
    NotStarted(String),
    /// The handshake was refused.
    Refused(Box<Refusal>),
    /// The server answered with a status.
    Status(Box<Status>),
    /// The connection has this many calls in flight, as many as it may, or as many as their arguments leave room for.
    Full(usize),
    /// The deadline passed on this side.
    DeadlineExceeded,
    /// The connection ended after the server may have started the call.
    ConnectionLost(String),
}

impl From<Status> for CallFailure {
    fn from(status: Status) -> CallFailure {
        CallFailure::Status(Box::new(status))
    }
}

impl CallFailure {
    /// Whether the call can start as soon as another one ends.
    pub fn is_full(&self) -> bool {
        matches!(self, CallFailure::Full(_))
    }
}

/// What the I/O around a [`ClientState`](super::ClientState) has to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// A call has ended.
    Done(u64, Result<Reply, CallFailure>),
    /// The server starts no more calls: new ones need another connection.
    GoAway,
    /// A batch of the server's items: the archive of a `Vec`, not validated yet.
    Items(u64, Vesicle),
    /// The server lets more items be sent; the first time it also says that the call was started.
    Credit(u64),
    /// The server goes on in shared memory, and so does this side after the frame that was just queued.
    Gap,
}

/// Where a [`ClientState`](super::ClientState) puts what happened.
pub trait ClientSink {
    /// Takes the next event.
    fn take(&mut self, event: ClientEvent);
}

impl ClientSink for Vec<ClientEvent> {
    fn take(&mut self, event: ClientEvent) {
        self.push(event);
    }
}
