//! What a server says of itself, and what comes in from its clients.

use std::sync::Arc;
use std::time::Instant;

use super::{Hello, RouteId, Status, TraceParent};
use crate::vesicle::Vesicle;

/// What a server tells its peers it is.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The name of the cell.
    pub cell: Arc<str>,
    /// The fingerprint of its service; zero accepts any client.
    pub fingerprint: u64,
    /// Why it takes no further client, if it does not.
    pub refusal: Option<Status>,
}

/// A call to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingCall {
    /// The call's number on this connection.
    pub id: u64,
    /// The route's fingerprint.
    pub route: RouteId,
    /// When the caller gives up, by this side's clock.
    pub deadline: Instant,
    /// The caller's trace context.
    pub trace: Option<TraceParent>,
    /// The archive of the arguments, not validated yet.
    pub payload: Vesicle,
    /// Items go with it: [`ServerState::started`](super::ServerState::started) lets the caller send its own.
    pub streams: bool,
}

/// What the I/O around a [`ServerState`](super::ServerState) has to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// The handshake succeeded.
    Accepted(Hello),
    /// Start this call.
    Call(IncomingCall),
    /// Stop this call: its caller has gone, or has sent more than there is room for.
    Cancelled(u64),
    /// A batch of the caller's items: the archive of a `Vec`, not validated yet.
    Items(u64, Vesicle),
    /// The caller's items are complete.
    Ended(u64),
    /// The caller lets more items be sent.
    Credit(u64),
    /// The client goes on in the shared memory that it was offered.
    Gap,
}
