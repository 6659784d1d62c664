//! Streams inside one process, for tests without sockets.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::{Listener, Stream, Writer};

use crate::lock::lock;

/// What one direction holds before a write has to wait, in bytes: about a socket's buffer.
const CAPACITY: usize = 256 << 10;

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The reading half of a [`MemoryStream`].
pub struct MemoryReader(Arc<Mutex<Pipe>>);

/// The writing half of a [`MemoryStream`].
pub struct MemoryWriter(Arc<Mutex<Pipe>>);

/// One end of a stream in memory.
pub struct MemoryStream {
    read: MemoryReader,
    write: MemoryWriter,
}

impl MemoryStream {
    /// Two connected ends.
    pub fn pair() -> (MemoryStream, MemoryStream) {
        let (a, b): (Arc<Mutex<Pipe>>, Arc<Mutex<Pipe>>) = (Arc::default(), Arc::default());
        (
            MemoryStream {
                read: MemoryReader(Arc::clone(&a)),
                write: MemoryWriter(Arc::clone(&b)),
            },
            MemoryStream {
                read: MemoryReader(b),
                write: MemoryWriter(a),
            },
        )
    }
}

impl Stream for MemoryStream {
    type Reader = MemoryReader;
    type Writer = MemoryWriter;

    fn split(self) -> (MemoryReader, MemoryWriter) {
        (self.read, self.write)
    }

    fn peer_uid(&self) -> Option<u32> {
        None
    }
}

impl AsyncRead for MemoryReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.0);
        if pipe.bytes.is_empty() && !pipe.closed {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = buf.remaining().min(pipe.bytes.len());
        let bytes: Vec<u8> = pipe.bytes.drain(..len).collect();
        buf.put_slice(&bytes);
        if let Some(waker) = pipe.writer.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Writer for MemoryWriter {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = lock(&self.0);
        if pipe.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = bytes.len().min(CAPACITY - pipe.bytes.len());
        if len == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.bytes.extend(&bytes[..len]);
        if let Some(waker) = pipe.reader.take() {
            waker.wake();
        }
        Ok(len)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.0);
        if pipe.bytes.len() < CAPACITY || pipe.closed {
            return Poll::Ready(Ok(()));
        }
        pipe.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn close_write(&self) -> io::Result<()> {
        close(&self.0);
        Ok(())
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        close(&self.0);
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        close(&self.0);
    }
}

fn close(pipe: &Mutex<Pipe>) {
    let mut pipe = lock(pipe);
    pipe.closed = true;
    for waker in [pipe.reader.take(), pipe.writer.take()]
        .into_iter()
        .flatten()
    {
        waker.wake();
    }
}

/// Makes a listener and the function that connects to it.
pub fn memory() -> (
    MemoryListener,
    impl Fn() -> io::Result<MemoryStream> + Clone + Send + Sync + 'static,
) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let connect = move || {
        let (client, server) = MemoryStream::pair();
        sender
            .send(server)
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(client)
    };
    (MemoryListener(AsyncMutex::new(receiver)), connect)
}

/// Accepts streams in memory.
pub struct MemoryListener(AsyncMutex<mpsc::UnboundedReceiver<MemoryStream>>);

impl Listener for MemoryListener {
    type Stream = MemoryStream;

    async fn accept(&self) -> io::Result<MemoryStream> {
        match self.0.lock().await.recv().await {
            Some(stream) => Ok(stream),
            // Nobody can connect any more: a listener that waits for ever, as a socket would.
            None => std::future::pending().await,
        }
    }
}
