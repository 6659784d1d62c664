use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use super::DRAINING;
use crate::lock::lock;
use crate::transport::{Stream, Writer};
use crate::wire::HEADER_LEN;

/// A call asks for this much at once.
const READ_BYTES: usize = 16 << 10;

/// One stream of a QUIC connection: one call, in frames.
pub struct QuicStream {
    reader: QuicReader,
    writer: QuicWriter,
}

/// Held while this side's half of a stream is not finished; the connection's end waits until nobody holds one, and the peer has
/// what was written.
#[derive(Clone)]
pub(super) struct Alive {
    /// Nothing is sent: that it exists counts.
    _held: mpsc::Sender<std::convert::Infallible>,
    finished: Arc<Mutex<Finished>>,
}

/// The other end of [`Alive`].
pub(super) struct Ended {
    held: mpsc::Receiver<std::convert::Infallible>,
    finished: Arc<Mutex<Finished>>,
}

/// Halves that the peer may not have to the end.
#[derive(Default)]
struct Finished {
    halves: Vec<SendStream>,
    /// With so many they are gone through.
    many: usize,
}

/// So few halves are not worth going through.
const FINISHED_MIN: usize = 64;

impl Alive {
    pub(super) fn new() -> (Alive, Ended) {
        let (held, receiver) = mpsc::channel(1);
        let finished = Arc::<Mutex<Finished>>::default();
        let ended = Ended {
            held: receiver,
            finished: Arc::clone(&finished),
        };
        let alive = Alive {
            _held: held,
            finished,
        };
        (alive, ended)
    }

    /// Keeps a half until the peer has it. A task for each would cost more than looking after many of them at times.
    fn keep(self, half: SendStream) {
        let mut finished = lock(&self.finished);
        finished.halves.push(half);
        if finished.halves.len() >= finished.many.max(FINISHED_MIN) {
            finished.halves.retain(|half| !is_done_with(half));
            finished.many = finished.halves.len() + FINISHED_MIN;
        }
    }
}

/// Whether the peer has all of it, or has stopped it, or the connection is lost.
fn is_done_with(half: &SendStream) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    pin!(half.stopped()).poll(&mut cx).is_ready()
}

impl Ended {
    /// How many halves are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        lock(&self.finished).halves.len()
    }

    pub(super) async fn wait(mut self) {
        // It ends when all that hold the other side have gone.
        let _ = self.held.recv().await;
        let halves = std::mem::take(&mut lock(&self.finished).halves);
        for half in halves {
            // Whether the peer has it, or wants none of it.
            let _ = half.stopped().await;
        }
    }
}

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
                charge: Some(Charge::new(budget)),
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

    fn carries_one_call(&self) -> bool {
        true
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
                let held = match &mut this.charge {
                    Some(charge) => charge.read(&buf.filled()[before..]),
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
    /// Ready once the peer has stopped it, or lost it with the connection.
    gone: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    /// The peer has stopped it.
    stopped: bool,
    alive: Option<Alive>,
}

impl Half {
    fn new(send: SendStream, alive: Option<Alive>) -> Half {
        Half {
            send: Some(send),
            waker: Waker::noop().clone(),
            gone: None,
            stopped: false,
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
                WriteError::Stopped(_) => {
                    self.stopped = true;
                    io::ErrorKind::BrokenPipe.into()
                }
                error => error.into(),
            })
    }

    /// Ends the half. The connection lives until the peer has all that was written.
    fn finish(&mut self) {
        let Some(mut send) = self.send.take() else {
            return;
        };
        self.gone = None;
        // It fails where the peer wants no more, or was told so already.
        let _ = send.finish();
        // A stopped one is of use to nobody: it is reset with the value, and its place is free.
        if let Some(alive) = self.alive.take().filter(|_| !self.stopped) {
            alive.keep(send);
        }
    }
}

impl QuicWriter {
    fn lock(&self) -> MutexGuard<'_, Half> {
        lock(&self.0)
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

    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut half = self.lock();
        let Half { send, gone, .. } = &mut *half;
        let Some(send) = send else {
            return Poll::Pending;
        };
        let gone = gone.get_or_insert_with(|| {
            let stopped = send.stopped();
            Box::pin(async move {
                // Either way nobody reads.
                let _ = stopped.await;
            })
        });
        let gone = gone.as_mut().poll(cx);
        half.stopped |= gone.is_ready();
        gone
    }

    fn close_write(&self) -> io::Result<()> {
        self.lock().finish();
        Ok(())
    }
}

impl Drop for QuicWriter {
    fn drop(&mut self) {
        let mut half = self.lock();
        // Without an answer: nearly always since nobody wants one.
        if let Some(send) = half.send.as_ref().filter(|_| half.alive.is_some()) {
            half.stopped |= is_done_with(send);
        }
        half.finish();
    }
}

impl AsyncWrite for &QuicWriter {
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

/// The bytes of unfinished frames that the calls of an endpoint may hold together. Whole ones are the server's to count.
pub(super) struct Budget {
    free: AtomicUsize,
}

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Budget {
        Budget {
            free: AtomicUsize::new(bytes_max),
        }
    }
}

/// What one call is charged: the frame that it has not sent to its end.
struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
    /// The length at the head of the frame, as far as it has come.
    head: [u8; 4],
    /// What is left of the frame, once its length is known.
    left: usize,
}

impl Charge {
    fn new(budget: Arc<Budget>) -> Charge {
        Charge {
            budget,
            bytes: 0,
            head: [0; 4],
            left: 0,
        }
    }

    /// Takes what was read; says whether the budget has room for it.
    fn read(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let len = if self.left == 0 {
                // A new frame, or more of its length: until that is whole, `bytes` counts what came of it.
                let len = bytes.len().min(self.head.len() - self.bytes);
                self.head[self.bytes..][..len].copy_from_slice(&bytes[..len]);
                if self.bytes + len == self.head.len() {
                    // A length over the limits ends the connection where the frame is read.
                    self.left =
                        HEADER_LEN - self.head.len() + u32::from_le_bytes(self.head) as usize;
                }
                len
            } else {
                let len = bytes.len().min(self.left);
                self.left -= len;
                len
            };
            if !self.take(len) {
                return false;
            }
            if self.left == 0 && self.bytes >= HEADER_LEN {
                self.give_back();
            }
            bytes = &bytes[len..];
        }
        true
    }

    fn take(&mut self, len: usize) -> bool {
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

    fn give_back(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::AcqRel);
        self.bytes = 0;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_share_a_budget_for_what_is_unfinished() {
        let budget = Arc::new(Budget::new(200));
        let (mut a, mut b) = (
            Charge::new(Arc::clone(&budget)),
            Charge::new(Arc::clone(&budget)),
        );
        let frame = |len: u32| {
            let mut frame = len.to_le_bytes().to_vec();
            frame.resize(HEADER_LEN + len as usize, 0);
            frame
        };
        // However much passes through a call, in whatever pieces: whole frames are not held.
        let many = [frame(0), frame(100), frame(7), frame(0)].concat();
        for piece in [1, 3, 32, 33, 500] {
            assert!(many.chunks(piece).all(|part| a.read(part)), "{piece}");
            assert_eq!(budget.free.load(Ordering::Acquire), 200, "{piece}");
        }
        assert!(a.read(&frame(1000)[..150]));
        assert_eq!(budget.free.load(Ordering::Acquire), 50);
        assert!(!b.read(&frame(1000)[..51]));
        assert!(Charge::new(Arc::clone(&budget)).read(&frame(0)));
        drop(a);
        drop(b);
        assert_eq!(budget.free.load(Ordering::Acquire), 200);
    }
}
