//! Ways for bytes to reach a peer: one trait, one conformance suite.

mod memory;
#[cfg(test)]
pub(crate) mod tests;
mod uds;

pub use memory::{MemoryListener, MemoryReader, MemoryStream, MemoryWriter, memory};
pub use uds::{UdsListener, UdsStream, bind_std};

use std::future::Future;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncRead;

use crate::gap::Junction;

/// A connected byte stream.
pub trait Stream: Send + 'static {
    /// The half that the connection's task owns.
    type Reader: AsyncRead + Unpin + Send + 'static;
    /// The half that callers write to.
    type Writer: Writer;
    /// Both halves.
    fn split(self) -> (Self::Reader, Self::Writer);
    /// The peer's user id, where the transport knows it.
    fn peer_uid(&self) -> Option<u32>;
    /// What moves it into shared memory, where it can.
    fn junction(&self) -> Option<Junction> {
        None
    }
    /// Whether it carries a single call: then it ends with the answer.
    fn carries_one_call(&self) -> bool {
        false
    }
    /// How much is read at once: room for many small frames where many calls share the stream.
    fn read_bytes(&self) -> usize {
        64 << 10
    }
}

/// The writing half. Every method takes `&self`, so that a caller writes in place while the connection's task reads.
/// Dropping it ends the half; what was written still arrives.
pub trait Writer: Send + Sync + 'static {
    /// Writes what fits; `WouldBlock` where nothing does.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes what fits of parts that follow each other. Without a way of its own, the first that is not empty.
    fn try_write_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let part = parts.iter().find(|part| !part.is_empty());
        part.map_or(Ok(0), |part| self.try_write(part))
    }
    /// Ready when a write may succeed. Only the last caller is woken.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ready once the peer wants to read no more. Asked where a stream of one call says nothing more itself; never ready where
    /// the transport cannot tell. Only the last caller is woken.
    fn poll_gone(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
    /// Ends this half while the value lives on.
    fn close_write(&self) -> io::Result<()>;
}

/// Takes a stream, or gives it back where there are too many.
pub type Start<S> = Arc<dyn Fn(S) -> Option<S> + Send + Sync>;

/// Something that accepts streams.
pub trait Listener: Send + Sync + 'static {
    /// What it accepts.
    type Stream: Stream;
    /// The next stream. Dropping the future loses none.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// Streams of one call may be given to `start` as they come, without a hop to who accepts; what it gives back is accepted.
    /// Without a way of its own a listener gives it none. Dropping the listener drops `start`.
    fn hand_over(&self, _start: Start<Self::Stream>) {}
}
