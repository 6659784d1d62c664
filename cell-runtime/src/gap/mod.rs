//! Gap junctions: two cells of one machine that share memory.
//!
//! A connection begins on its Unix socket. Where both sides can, the server makes a segment (a sealed memfd with one ring for each
//! direction), sends it with a GAP frame, and both go on in the rings with the same frames. The socket stays: a byte on it
//! is a bell for a side that sleeps, and its end says that the other process has gone. `docs/protocol.md` has the layout.

mod again;
mod beside;
mod burst;
mod link;
mod patience;
pub(crate) mod ring;
mod sealed;
mod segment;
mod sleepers;
mod socket;
mod spin;
mod switch;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

pub(crate) use burst::{Looker, at_once};
use link::Link;
pub use link::{LocalReader, LocalWriter};
pub(crate) use patience::Patience;
pub(crate) use segment::Glance;
pub(crate) use spin::{CallerLooks, Look};

/// The environment variable that keeps a process on its sockets where it says `off`.
pub const GAP_ENV: &str = "CELL_GAP";

/// Whether this process shares memory with others.
fn is_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os(GAP_ENV).is_none_or(|value| value != "off"))
}

/// A connected local stream.
pub(crate) struct Local(Arc<Link>);

impl Local {
    /// Takes a connected socket that does not block.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Local> {
        Ok(Local(Arc::new(Link::new(stream)?)))
    }

    pub(crate) fn junction(&self) -> Junction {
        Junction(Arc::clone(&self.0))
    }

    pub(crate) fn split(self) -> (LocalReader, LocalWriter) {
        (LocalReader(Arc::clone(&self.0)), LocalWriter(self.0))
    }
}

/// Moves a local stream into shared memory.
#[derive(Clone)]
pub struct Junction(Arc<Link>);

impl Junction {
    /// Of a stream of this process, unless it is told to stay on its sockets.
    pub(crate) fn of(local: &Local) -> Option<Junction> {
        is_on().then(|| local.junction())
    }

    /// A client that says that it takes a segment looks for one from now on.
    pub(crate) fn expect(&self) {
        self.0.expect();
    }

    /// The server's side: makes a segment. `queue` queues the offer, and says how many bytes are written before it and with it;
    /// what is written after those goes into the segment.
    pub(crate) fn offer(&self, queue: impl FnOnce() -> (usize, usize)) -> io::Result<()> {
        self.0.offer(queue)
    }

    /// The client's side: takes the segment that came with the offer. What is written after `after` more bytes goes into it.
    pub(crate) fn accept(&self, after: usize) -> io::Result<()> {
        self.0.accept(after)
    }

    /// The server's side: its client writes into the segment from now on.
    pub(crate) fn accepted(&self) {
        self.0.accepted();
    }

    /// The connection is over: the memory goes, although somebody may still hold on to the connection.
    pub(crate) fn release(&self) {
        self.0.release();
    }

    /// Asks for no bell: somebody is about to look, and then to read until nothing is there.
    pub(crate) fn awake(&self) {
        self.0.awake();
    }

    /// A way to see whether something comes in, which has to go with the connection.
    pub(crate) fn glance(&self) -> Option<Glance> {
        self.0.glance(Glance::clone)
    }

    /// A caller's look for its answer; whether something came.
    pub(crate) fn look(&self, how: Look) -> bool {
        burst::caller(how, || {
            self.0.glance(|glance| !glance.is_empty()).unwrap_or(false)
        })
    }

    /// Reads what is there, and asks for no bell with what comes next.
    pub(crate) fn try_take(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.0.try_take(buf)
    }

    /// Reads what is there; where nothing is, asks for a bell.
    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.0.try_read(buf)
    }
}
