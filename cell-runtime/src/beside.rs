//! Large messages that go beside a stream of frames: what the protocol (`wire`) asks for and shared memory (`gap`) does.

use std::fmt;

use crate::vesicle::Vesicle;

/// Where a payload is that does not follow its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the ring for large payloads.
    Bulk,
    /// In a sealed segment of its own.
    Sealed,
}

/// A way for large payloads, in the order of their frames.
pub(crate) trait Beside: Send + fmt::Debug {
    /// Sends a payload whose frame is queued next; nothing where it has to go with its frame.
    fn put(&mut self, payload: &[u8]) -> Option<Place>;
    /// Takes the payload of the frame that was just read; what is wrong with it otherwise.
    fn take(&mut self, place: Place, len: usize) -> Result<Vesicle, String>;
}
