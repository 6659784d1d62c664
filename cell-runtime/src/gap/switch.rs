//! The moment at which a writing half moves from its socket into shared memory.

use std::io;
use std::os::fd::OwnedFd;

use super::ring::Producer;
use super::segment::Mapped;
use super::socket::Socket;

/// The writing side moves into the ring after so many more bytes.
pub(super) struct Switch {
    /// Bytes before the frame that the descriptor belongs to.
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) ring: Producer<Mapped>,
    /// Travels with the first byte of that frame.
    pub(super) descriptor: Option<OwnedFd>,
    /// The other side has asked for a bell, which cannot be rung between frames.
    pub(super) bell_due: bool,
}

impl Switch {
    pub(super) fn write(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..self.after.min(bytes.len())];
        let len = match &self.descriptor {
            Some(_) if self.before > 0 => {
                socket.try_write(&bytes[..self.before.min(bytes.len())])?
            }
            Some(descriptor) => {
                let len = socket.try_write_with(bytes, descriptor)?;
                self.descriptor = None;
                len
            }
            None => socket.try_write(bytes)?,
        };
        self.before = self.before.saturating_sub(len);
        self.after -= len;
        Ok(len)
    }
}
