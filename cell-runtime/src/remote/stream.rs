use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::DRAINING;
use crate::transport::{Stream, Writer};

/// A call asks for this much at once.
const READ_BYTES: usize = 16 << 10;

/// One stream of a QUIC connection: one call, in frames.
pub struct QuicStream {
    reader: QuicReader,
    writer: QuicWriter,
}

/// Held while a stream lives; the connection's end waits until nobody holds one.
pub(super) type Alive = mpsc::Sender<std::convert::Infallible>;

impl QuicStream {
    /// A stream that this side opened; `draining` is set where the peer takes no more.
    pub(super) fn opened(
        send: SendStream,
        recv: RecvStream,
        draining: Arc<AtomicBool>,
    ) -> QuicStream {
        QuicStream {
            reader: QuicReader {
                recv,
                draining: Some(draining),
                charge: None,
            },
            writer: QuicWriter(Mutex::new(Half::new(send, None))),
        }
    }

    /// A stream that the peer opened; what it sends is charged to the endpoint's budget.
    pub(super) fn accepted(
        send: SendStream,
        recv: RecvStream,
        budget: Arc<Budget>,
        alive: Alive,
    ) -> QuicStream {
        QuicStream {
            reader: QuicReader {
                recv,
                draining: None,
                charge: Some(Charge { budget, bytes: 0 }),
            },
            writer: QuicWriter(Mutex::new(Half::new(send, Some(alive)))),
        }
    }
}

impl Stream for QuicStream {
    type Reader = QuicReader;
    type Writer = QuicWriter;

    fn split(self) -> (QuicReader, QuicWriter) {
        (self.reader, self.writer)
    }

    fn peer_uid(&self) -> Option<u32> {
        None
    }

    fn read_bytes(&self) -> usize {
        READ_BYTES
    }
}

/// The reading half of a [`QuicStream`].
pub struct QuicReader {
    recv: RecvStream,
    draining: Option<Arc<AtomicBool>>,
    charge: Option<Charge>,
}

impl AsyncRead for QuicReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match this.recv.poll_read_buf(cx, buf) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                let len = buf.filled().len() - before;
                let held = match &mut this.charge {
                    Some(charge) => charge.take(len),
                    None => true,
                };
                Poll::Ready(if held {
                    Ok(())
                } else {
                    Err(io::Error::new(
                        io::ErrorKind::QuotaExceeded,
                        "the calls of this endpoint hold as many bytes as they may",
                    ))
                })
            }
            Poll::Ready(Err(error)) => {
                if let (ReadError::Reset(code), Some(draining)) = (&error, &this.draining)
                    && *code == VarInt::from_u32(DRAINING)
                {
                    draining.store(true, Ordering::Release);
                }
                Poll::Ready(Err(error.into()))
            }
        }
    }
}

/// The writing half of a [`QuicStream`].
pub struct QuicWriter(Mutex<Half>);

struct Half {
    send: Option<SendStream>,
    /// Who waits for room: a write that does not fit must not make it forgotten.
    waker: Waker,
    alive: Option<Alive>,
}

impl Half {
    fn new(send: SendStream, alive: Option<Alive>) -> Half {
        Half {
            send: Some(send),
            waker: Waker::noop().clone(),
            alive,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(send) = &mut self.send else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        Pin::new(send)
            .poll_write(&mut Context::from_waker(&self.waker), bytes)
            .map_err(|error| match error {
                // The conformance of transports: a reader that has gone is a broken pipe.
                WriteError::Stopped(_) => io::ErrorKind::BrokenPipe.into(),
                error => error.into(),
            })
    }

    /// Ends the half. The connection lives until the peer has all that was written.
    fn finish(&mut self) {
        let Some(mut send) = self.send.take() else {
            return;
        };
        // It fails where the peer wants no more, or was told so already.
        let _ = send.finish();
        if let (Some(alive), Ok(runtime)) = (self.alive.take(), Handle::try_current()) {
            runtime.spawn(async move {
                let _ = send.stopped().await;
                drop(alive);
            });
        }
    }
}

impl QuicWriter {
    fn lock(&self) -> MutexGuard<'_, Half> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer for QuicWriter {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.lock().write(bytes) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut half = self.lock();
        half.waker.clone_from(cx.waker());
        // A write of nothing is blocked exactly when a write is.
        half.write(&[]).map_ok(|_| ())
    }

    fn close_write(&self) -> io::Result<()> {
        self.lock().finish();
        Ok(())
    }
}

impl Drop for QuicWriter {
    fn drop(&mut self) {
        self.lock().finish();
    }
}

impl AsyncWrite for QuicWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut half = self.lock();
        half.waker.clone_from(cx.waker());
        half.write(bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.close_write())
    }
}

/// The bytes that the calls of an endpoint may hold together.
pub(super) struct Budget {
    free: AtomicUsize,
    /// What one call is charged at most: it holds one unfinished frame, however much passes through it.
    call_max: usize,
}

impl Budget {
    pub(super) fn new(bytes_max: usize, call_max: usize) -> Budget {
        Budget {
            free: AtomicUsize::new(bytes_max),
            call_max,
        }
    }
}

struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    fn take(&mut self, len: usize) -> bool {
        let len = len.min(self.budget.call_max - self.bytes);
        let taken = self
            .budget
            .free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| {
                free.checked_sub(len)
            })
            .is_ok();
        self.bytes += if taken { len } else { 0 };
        taken
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_share_a_budget_and_give_it_back() {
        let budget = Arc::new(Budget::new(100, 60));
        let charge = || Charge {
            budget: Arc::clone(&budget),
            bytes: 0,
        };
        let (mut a, mut b) = (charge(), charge());
        // One call is never charged more than a call can hold.
        assert!(a.take(50) && a.take(50) && a.take(50));
        assert!(!b.take(41) && b.take(40) && !b.take(1));
        drop(a);
        assert!(b.take(20));
        drop(b);
        assert_eq!(budget.free.load(Ordering::Acquire), 100);
    }
}
