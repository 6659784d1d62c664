use std::time::Instant;

use super::{Connection, Exchange};
#[cfg(feature = "remote")]
use crate::remote::RemoteConnection;
use crate::wire::{CallFailure, Reply, Request};

/// What a pool holds: one connection that carries many calls.
#[derive(Clone)]
pub(super) enum Carrier {
    /// All calls on one byte stream.
    Shared(Connection),
    /// A stream for each call.
    #[cfg(feature = "remote")]
    Remote(RemoteConnection),
}

impl Carrier {
    pub(super) async fn call(&self, now: Instant, request: &Request) -> Result<Reply, CallFailure> {
        match self {
            Carrier::Shared(connection) => connection.call_at(now, request).await,
            #[cfg(feature = "remote")]
            Carrier::Remote(connection) => connection.call(request).await,
        }
    }

    pub(super) async fn open_streams(&self, request: &Request) -> Result<Exchange, CallFailure> {
        match self {
            Carrier::Shared(connection) => connection.open_streams(request).await,
            #[cfg(feature = "remote")]
            Carrier::Remote(connection) => connection.open_streams(request).await,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        match self {
            Carrier::Shared(connection) => connection.is_open(),
            #[cfg(feature = "remote")]
            Carrier::Remote(connection) => connection.is_open(),
        }
    }

    /// Whether it is worth a try. A shared connection says at once, and takes no time for it, where it is not open.
    pub(super) fn may_be_open(&self) -> bool {
        match self {
            Carrier::Shared(_) => true,
            #[cfg(feature = "remote")]
            Carrier::Remote(connection) => connection.is_open(),
        }
    }

    /// Whether a call that this one did not start needs another one: a stream of its own can be refused while the
    /// connection goes on.
    pub(super) fn is_spent(&self) -> bool {
        match self {
            Carrier::Shared(_) => true,
            #[cfg(feature = "remote")]
            Carrier::Remote(connection) => !connection.is_open(),
        }
    }

    pub(super) fn is(&self, other: &Carrier) -> bool {
        match (self, other) {
            (Carrier::Shared(one), Carrier::Shared(other)) => one.is(other),
            #[cfg(feature = "remote")]
            (Carrier::Remote(one), Carrier::Remote(other)) => one.is(other),
            #[cfg(feature = "remote")]
            _ => false,
        }
    }
}
