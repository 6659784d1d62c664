//! Unix domain sockets.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::task::{Context, Poll};

use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::{UnixListener, UnixStream};

use super::{Listener, Stream, Writer};
use crate::gap::{Junction, Local, LocalReader, LocalWriter};

/// A connected Unix socket whose peer belongs to the same user. It can move into shared memory (`docs/protocol.md`).
pub struct UdsStream {
    inner: Local,
    uid: u32,
}

impl UdsStream {
    /// Connects to the socket at `path`. A full backlog is `WouldBlock`: the caller may try again.
    pub async fn connect(path: &Path) -> io::Result<UdsStream> {
        UdsStream::new(UnixStream::connect(path).await?)
    }

    /// Connects for somebody who passes bytes on and never shares memory.
    #[cfg(feature = "remote")]
    pub(crate) async fn connect_plain(path: &Path) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(path).await?;
        peer_uid(&stream)?;
        Ok(stream)
    }

    /// Takes a connected socket after checking who is at the other end.
    pub fn new(inner: UnixStream) -> io::Result<UdsStream> {
        let uid = peer_uid(&inner)?;
        let inner = Local::new(inner.into_std()?)?;
        Ok(UdsStream { inner, uid })
    }
}

/// Who is at the other end, if this process may talk to them.
fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    let uid = getsockopt(&stream.as_fd(), sockopt::PeerCredentials)?.uid();
    check_uid(uid, nix::unistd::geteuid().as_raw(), overflow_uid())?;
    Ok(uid)
}

/// Only the same user may talk. Where user namespaces hide who it is, the kernel reports the overflow uid: never trusted.
fn check_uid(peer: u32, own: u32, overflow: u32) -> io::Result<()> {
    if peer == own && peer != overflow {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "the peer runs as user {peer}, this process as {own}; cells of different users do not talk"
        ),
    ))
}

/// The uid that stands for users without a mapping (`/proc/sys/kernel/overflowuid`).
fn overflow_uid() -> u32 {
    65534
}

impl Stream for UdsStream {
    type Reader = LocalReader;
    type Writer = LocalWriter;

    fn split(self) -> (LocalReader, LocalWriter) {
        self.inner.split()
    }

    fn junction(&self) -> Option<Junction> {
        Junction::of(&self.inner)
    }

    fn peer_uid(&self) -> Option<u32> {
        Some(self.uid)
    }
}

impl Writer for LocalWriter {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        LocalWriter::try_write(self, bytes)
    }

    fn try_write_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        LocalWriter::try_write_parts(self, parts)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        LocalWriter::poll_write_ready(self, cx)
    }

    fn close_write(&self) -> io::Result<()> {
        LocalWriter::close_write(self)
    }
}

/// A bound Unix socket. Unlinking its path is the business of whoever bound it.
#[derive(Debug)]
pub struct UdsListener(UnixListener);

impl UdsListener {
    /// The connections that may wait to be accepted; a swap of generations must fit.
    pub const BACKLOG: i32 = 4096;

    /// Takes a listener of the standard library, for example one that was passed down.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<UdsListener> {
        listener.set_nonblocking(true)?;
        Ok(UdsListener(UnixListener::from_std(listener)?))
    }

    /// Binds `path`, which must not exist.
    pub fn bind(path: &Path) -> io::Result<UdsListener> {
        UdsListener::from_std(bind_std(path)?)
    }
}

/// Binds `path` with [`UdsListener::BACKLOG`]; every descriptor is close-on-exec.
pub fn bind_std(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
    };
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(UdsListener::BACKLOG)?)?;
    Ok(socket.into())
}

impl Listener for UdsListener {
    type Stream = UdsStream;

    async fn accept(&self) -> io::Result<UdsStream> {
        let (stream, _) = self.0.accept().await?;
        UdsStream::new(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_mapped_user_is_trusted() {
        for (peer, own, trusted) in [
            (0, 0, true),
            (1000, 1000, true),
            (1000, 0, false),
            (0, 1000, false),
            (65534, 65534, false),
        ] {
            assert_eq!(
                check_uid(peer, own, overflow_uid()).is_ok(),
                trusted,
                "{peer} to {own}"
            );
        }
    }
}
