//! Cells on the network: QUIC with mutual TLS, one stream a call, the frames of [`crate::wire`] inside
//! (`docs/remote.md`, and `docs/protocol.md` in "QUIC"). Nobody is anonymous: either side shows a certificate of the mesh's
//! authority, and the client checks that the server's bears the name of the cell that it calls.

mod address;
mod connection;
mod forward;
mod listener;
mod refusal;
mod relay;
mod serve;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub use address::RemoteAddress;
pub(crate) use connection::RemoteConnection;
pub use forward::Forward;
pub use listener::{Closing, QuicListener, Refused};
pub(crate) use refusal::Failure;
pub use relay::relay;
pub use serve::serve_remote;
pub use stream::{QuicReader, QuicStream, QuicWriter};
pub use tls::{ENV_IDENTITY, ENV_KEYS, Keys, identity_file};

use std::time::Duration;

/// The file of the certificates that are trusted: the authority's, and during a rotation the former one's.
pub const AUTHORITY_FILE: &str = "authority.pem";

/// What both sides say they speak (ALPN).
const PROTOCOL: &[u8] = b"cell/1";

/// The peer starts no more calls on this connection.
const DRAINING: u32 = 1;

/// The code of a connection that ends although its peer may not have all that was written: a call without HELLO_ACK may have
/// been started.
const CUT: u32 = 2;

/// What a side grants its peers on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteLimits {
    /// How long a handshake may take.
    pub handshake: Duration,
    /// The most connections of an endpoint, handshakes included.
    pub connections_max: usize,
    /// With more unfinished handshakes than these a peer has to show first that it owns its address.
    pub unproven_max: usize,
    /// The most calls in flight on one connection.
    pub streams_max: u32,
    /// The most bytes of one call that wait to be read.
    pub stream_window: u32,
    /// The most bytes of one connection that wait to be read, or to be acknowledged.
    pub window: u32,
    /// The most bytes of requests that all calls of an endpoint hold.
    pub held_bytes_max: usize,
    /// After so long without a sign of the peer it counts as gone.
    pub idle: Duration,
    /// How often a client without calls shows that it is there.
    pub keep_alive: Duration,
    /// After so long a connection is replaced: certificates are looked at again.
    pub age_max: Duration,
}

impl RemoteLimits {
    /// 5 s, 256 connections of 256 calls, 1 MiB a call, 8 MiB a connection, 256 MiB in all, 15 s, 4 s, an hour.
    pub const DEFAULT: RemoteLimits = RemoteLimits {
        handshake: Duration::from_secs(5),
        connections_max: 256,
        unproven_max: 32,
        streams_max: 256,
        stream_window: 1 << 20,
        window: 8 << 20,
        held_bytes_max: 256 << 20,
        idle: Duration::from_secs(15),
        keep_alive: Duration::from_secs(4),
        age_max: Duration::from_secs(3600),
    };
}

impl Default for RemoteLimits {
    fn default() -> RemoteLimits {
        RemoteLimits::DEFAULT
    }
}
