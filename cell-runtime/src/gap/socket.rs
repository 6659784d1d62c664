//! A Unix socket, with the little that rings need of it: bells and one descriptor.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, send, sendmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::beside::Waiting;

/// Room for a few bells and descriptors; the kernel makes it what it takes at least (socket(7)).
const BELLS_BYTES: usize = 4096;

/// A socket that is polled by its runtime.
pub(super) struct Socket(AsyncFd<UnixStream>);

impl Socket {
    pub(super) fn new(stream: UnixStream) -> io::Result<Socket> {
        // SAFETY: the stream owns its descriptor, which stays the same until it is dropped.
        let socket = unsafe { AsyncFd::register(stream) }?;
        Ok(Socket(socket))
    }

    fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub(super) fn shutdown(&self) -> io::Result<()> {
        self.0.get_ref().shutdown(std::net::Shutdown::Write)
    }

    /// From now on it carries bells and descriptors alone: what waits in it unread is kept small.
    pub(super) fn shrink(&self) {
        // Where it fails the usual size stays.
        let _ = setsockopt(self.0.get_ref(), sockopt::SndBuf, &BELLS_BYTES);
    }

    /// Reads bytes; descriptors that come with them are put into `waiting`, where some are expected.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        mut waiting: Option<&mut Waiting>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let before = waiting.as_ref().map_or(0, |waiting| waiting.came());
            let outcome = guard.try_io(|socket| {
                retry(|| match &mut waiting {
                    None => nix::sys::socket::recv(socket.as_raw_fd(), buf, MsgFlags::empty()),
                    Some(waiting) => {
                        receive_with(socket.as_raw_fd(), buf, waiting, MsgFlags::empty())
                    }
                })
            });
            match outcome {
                Ok(Ok(len)) => {
                    let came = waiting.as_ref().map_or(0, |waiting| waiting.came());
                    // The buffer was emptied: what comes now is an event of its own (as tokio's own sockets take it). With a
                    // descriptor the kernel gives no more than what came with it, and more may be there.
                    if 0 < len && len < buf.len() && came == before {
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(len));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }

    /// Takes what is there, also behind its runtime's back; zero bytes are the end.
    pub(super) fn try_receive(&self, waiting: &mut Waiting) -> io::Result<usize> {
        let mut bells = [0; 64];
        retry(|| receive_with(self.raw(), &mut bells, waiting, MsgFlags::MSG_DONTWAIT))
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_io(Interest::WRITABLE, |socket| {
            retry(|| send(socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL))
        })
    }

    /// Writes parts that follow each other, in one call of the system.
    pub(super) fn try_write_parts(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        if let [only] = parts {
            return self.try_write(only);
        }
        self.0.try_io(Interest::WRITABLE, |socket| {
            retry(|| sendmsg::<()>(socket.as_raw_fd(), parts, &[], MsgFlags::MSG_NOSIGNAL, None))
        })
    }

    /// Writes bytes and a descriptor with the first of them.
    pub(super) fn try_write_with(&self, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<usize> {
        self.0
            .try_io(Interest::WRITABLE, |_| self.send_with(bytes, descriptor))
    }

    /// A bell and a descriptor; whether there was room for it.
    pub(super) fn ring_with(&self, descriptor: &OwnedFd) -> bool {
        self.send_with(&[1], descriptor).is_ok()
    }

    fn send_with(&self, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<usize> {
        let descriptors = [descriptor.as_raw_fd()];
        retry(|| {
            sendmsg::<()>(
                self.raw(),
                &[io::IoSlice::new(bytes)],
                &[ControlMessage::ScmRights(&descriptors)],
                MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
                None,
            )
        })
    }

    /// Whether nobody is at the other end any more, whatever is left to read.
    pub(super) fn has_hung_up(&self) -> bool {
        let mut asked = [PollFd::new(self.0.get_ref().as_fd(), PollFlags::empty())];
        let told = poll(&mut asked, PollTimeout::ZERO).is_ok();
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
        told && asked[0]
            .revents()
            .is_some_and(|events| events.intersects(gone))
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx).map_ok(drop)
    }

    /// Wakes the other side. A full socket holds bells enough; `false` where nobody is there any more.
    pub(super) fn ring(&self) -> bool {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        match retry(|| send(self.raw(), &[1], flags)) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

fn retry(mut operation: impl FnMut() -> nix::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(Errno::EINTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

thread_local! {
    /// Room for descriptors: a client whose server offers no shared memory looks for one at every read.
    static SPACE: RefCell<Vec<u8>> = RefCell::new(nix::cmsg_space!([RawFd; 2]));
}

/// Every descriptor that comes is owned at once, so that none stays open unseen.
fn receive_with(
    socket: RawFd,
    buf: &mut [u8],
    waiting: &mut Waiting,
    flags: MsgFlags,
) -> nix::Result<usize> {
    let mut parts = [io::IoSliceMut::new(buf)];
    SPACE.with_borrow_mut(|space| {
        let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(socket, &mut parts, Some(space), flags)?;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = part {
                for descriptor in descriptors {
                    // SAFETY: the kernel has just made it for this process, and nothing else knows its number.
                    waiting.push(unsafe { OwnedFd::from_raw_fd(descriptor) });
                }
            }
        }
        Ok(message.bytes)
    })
}
