//! The protocol of `docs/protocol.md`, without I/O: bytes and the time go in, events and bytes come out.

mod beside;
mod call;
mod client;
mod deadline;
mod drift;
mod flow;
mod frame;
mod handshake;
mod header;
mod id_map;
mod incoming;
mod limits;
mod outbox;
mod outlet;
mod server;
mod status;
#[cfg(test)]
mod tests;
mod trace;

pub use call::{CallFailure, ClientEvent, ClientSink, Request};
pub use client::ClientState;
pub use deadline::Clock;
pub(crate) use deadline::DEFAULT_DEADLINE;
pub(crate) use deadline::{is_none, none};
pub use drift::drift_message;
pub use frame::{Frame, FrameDecoder, encode_frame};
pub use handshake::{Hello, HelloAck, Refusal, features};
pub use header::{HEADER_LEN, Header, Kind, flags};
pub(crate) use id_map::{HashedIds, IdMap};
pub use incoming::{IncomingCall, ServerEvent, Serving};
pub use limits::Limits;
pub use outbox::Outbox;
pub(crate) use outlet::Outlet;
pub use server::ServerState;
pub use status::{Status, StatusCode};
pub use trace::TraceParent;

use std::fmt;

use crate::vesicle::Vesicle;

/// The fingerprint of a route: how a request names what it calls.
pub type RouteId = u64;

/// The version that this crate speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// What a handler answered: the archive of its value, or of its own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The archive of the value.
    Ok(Vesicle),
    /// The archive of the handler's `E`.
    AppError(Vesicle),
}

/// Why a peer's bytes were refused. The connection ends: nothing after a violation can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer broke the protocol: {}", self.0)
    }
}

impl std::error::Error for Violation {}
