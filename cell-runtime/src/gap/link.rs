//! A connection between two processes of one machine: a Unix socket that may move into shared memory.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop;

use super::again::Again;
use super::beside::{Inward, Outward, Waiting};
use super::ring::{Consumer, Lie, Producer};
use super::segment::{Direction, Glance, Layout, Mapped, Segment};
use super::sleepers::Sleepers;
use super::socket::Socket;
use super::switch::Switch;
use crate::beside::Place;
use crate::lock::lock;
use crate::vesicle::Vesicle;

/// What both halves of a connection share.
pub(super) struct Link {
    socket: Socket,
    read: Mutex<ReadSide>,
    write: Mutex<WriteSide>,
    /// What comes in beside the stream.
    arriving: Mutex<Arriving>,
    /// Large messages on their way out.
    outward: Mutex<Option<Outward>>,
    sleepers: Arc<Sleepers>,
    bell: Waker,
    /// The other process has gone.
    gone: AtomicBool,
    /// Room in the ring is looked for without a bell.
    again: Again,
    /// A glance at what comes in, for those who spin.
    glance: RwLock<Option<Glance>>,
    progress: Progress,
}

/// From the reading half to the writing one: how many bytes of its ring were read, and how many of ours the other side has read.
#[derive(Default)]
struct Progress {
    read: AtomicU64,
    seen: AtomicU64,
}

enum ReadSide {
    Socket,
    Ring(Consumer<Mapped>),
    /// The ring was given back.
    Over,
}

enum WriteSide {
    Socket(Option<Switch>),
    Ring(Producer<Mapped>),
    /// The ring was given back.
    Over,
}

#[derive(Default)]
struct Arriving {
    /// A segment's descriptor, then those of large messages.
    waiting: Waiting,
    /// The server's own until its client has switched.
    ring: Option<Consumer<Mapped>>,
    /// Whether descriptors are looked for.
    expected: bool,
    inward: Option<Inward>,
}

impl Link {
    /// Takes a connected socket that does not block.
    pub(super) fn new(stream: UnixStream) -> io::Result<Link> {
        let sleepers = Arc::new(Sleepers::default());
        Ok(Link {
            socket: Socket::new(stream)?,
            read: Mutex::new(ReadSide::Socket),
            write: Mutex::new(WriteSide::Socket(None)),
            arriving: Mutex::default(),
            outward: Mutex::default(),
            bell: Waker::from(Arc::clone(&sleepers)),
            sleepers,
            gone: AtomicBool::new(false),
            again: Again::default(),
            glance: RwLock::new(None),
            progress: Progress::default(),
        })
    }

    /// A client that offers to take a segment looks for a descriptor from now on.
    pub(super) fn expect(&self) {
        lock(&self.arriving).expected = true;
    }

    /// The server's side: makes the segment. `queue` queues the offer, and says how many bytes are written before it and with it;
    /// what is written after those goes into the segment.
    pub(super) fn offer(&self, queue: impl FnOnce() -> (usize, usize)) -> io::Result<()> {
        let (segment, descriptor) = Segment::make(Layout::FRAMES)?;
        {
            let mut arriving = lock(&self.arriving);
            arriving.ring = Some(segment.consumer(Direction::ToServer));
            arriving.expected = true;
            arriving.inward = Some(Inward::new(&segment, Direction::ToServer));
        }
        *lock(&self.outward) = Some(Outward::new(&segment, Direction::ToClient));
        self.set_glance(Some(segment.glance(Direction::ToServer)));
        let (before, after) = queue();
        *lock(&self.write) = WriteSide::Socket(Some(Switch {
            before,
            after,
            ring: segment.producer(Direction::ToClient),
            descriptor: Some(descriptor),
            bell_due: false,
        }));
        Ok(())
    }

    /// The client's side: takes the segment that came with the offer, reads from it at once, and writes into it after `after`
    /// more bytes, the last frame of which says so.
    pub(super) fn accept(&self, after: usize) -> io::Result<()> {
        let descriptor = {
            let mut arriving = lock(&self.arriving);
            arriving.waiting.pop()
        };
        let descriptor = descriptor.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the cell offered shared memory and sent none; the connection ends",
            )
        })?;
        let segment = Segment::take(&descriptor, Layout::FRAMES)?;
        lock(&self.arriving).inward = Some(Inward::new(&segment, Direction::ToClient));
        *lock(&self.outward) = Some(Outward::new(&segment, Direction::ToServer));
        *lock(&self.read) = ReadSide::Ring(segment.consumer(Direction::ToClient));
        self.set_glance(Some(segment.glance(Direction::ToClient)));
        *lock(&self.write) = WriteSide::Socket(Some(Switch {
            before: 0,
            after,
            ring: segment.producer(Direction::ToServer),
            descriptor: None,
            bell_due: false,
        }));
        Ok(())
    }

    /// The server's side: its client writes into the segment from now on.
    pub(super) fn accepted(&self) {
        if let Some(ring) = lock(&self.arriving).ring.take() {
            *lock(&self.read) = ReadSide::Ring(ring);
        }
    }

    fn set_glance(&self, glance: Option<Glance>) {
        *self.glance.write().unwrap_or_else(PoisonError::into_inner) = glance;
    }

    /// Gives `look` a way to see whether something comes in, where there is one.
    pub(super) fn glance<T>(&self, look: impl FnOnce(&Glance) -> T) -> Option<T> {
        let glance = self.glance.read().unwrap_or_else(PoisonError::into_inner);
        glance.as_ref().map(look)
    }

    /// The connection is over: the memory goes, although somebody may still hold on to the connection.
    pub(super) fn release(&self) {
        self.set_glance(None);
        *lock(&self.arriving) = Arriving::default();
        *lock(&self.outward) = None;
        if let side @ ReadSide::Ring(_) = &mut *lock(&self.read) {
            *side = ReadSide::Over;
        }
        if let side @ (WriteSide::Ring(_) | WriteSide::Socket(Some(_))) = &mut *lock(&self.write) {
            *side = WriteSide::Over;
        }
    }

    /// Asks for no bell: somebody is about to look.
    pub(super) fn awake(&self) {
        if let ReadSide::Ring(ring) = &mut *lock(&self.read) {
            ring.awake();
        }
    }

    /// Reads what is there. Where nothing is, bells are asked for.
    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        let ReadSide::Ring(ring) = &mut *lock(&self.read) else {
            return Ok(None);
        };
        if let Some(len) = self.take(ring, buf)? {
            return Ok(Some(len));
        }
        ring.sleep();
        let taken = self.take(ring, buf)?;
        if taken.is_some() {
            ring.awake();
        }
        Ok(taken)
    }

    /// Reads what is there, and asks for no bells.
    pub(super) fn try_take(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        let ReadSide::Ring(ring) = &mut *lock(&self.read) else {
            return Ok(None);
        };
        Ok(self.take(ring, buf)?)
    }

    #[cfg(test)]
    pub(super) fn ring_for_tests(&self) {
        self.socket.ring();
    }

    /// Sends a large message whose frame follows; nothing where it has to go with its frame.
    pub(super) fn put_beside(&self, message: &[u8]) -> Option<Place> {
        // Between frames on the socket there is no place for it.
        if !matches!(&*lock(&self.write), WriteSide::Ring(_)) || self.is_gone() {
            return None;
        }
        lock(&self.outward).as_mut()?.put(&self.socket, message)
    }

    /// Takes the large message of the frame that was just read.
    pub(super) fn take_beside(&self, place: Place, len: usize) -> Result<Vesicle, String> {
        let mut rung = false;
        let message = {
            let Arriving {
                waiting, inward, ..
            } = &mut *lock(&self.arriving);
            inward
                .as_mut()
                .ok_or_else(|| "a message in shared memory that there is not".to_owned())?
                .take(place, len, || waiting.fetch(&self.socket, &mut rung))
        };
        if rung {
            // The bells were for somebody who sleeps.
            self.bell.wake_by_ref();
        }
        message
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// A bell for the other side, now or as soon as the socket carries no frames any more.
    fn ring_bell(&self) {
        if let WriteSide::Socket(Some(switch)) = &mut *lock(&self.write) {
            switch.bell_due = true;
            return;
        }
        self.socket.ring();
    }

    /// Takes the bells that were rung. An end means that the other process has gone.
    fn poll_bells(&self, cx: &Context<'_>, own: &Mutex<Option<Waker>>) -> Poll<()> {
        if self.is_gone() {
            return Poll::Ready(());
        }
        Sleepers::set(own, cx);
        let mut bells = [0; 64];
        let mut cx = Context::from_waker(&self.bell);
        let outcome = {
            let mut arriving = lock(&self.arriving);
            self.socket
                .poll_read(&mut cx, &mut bells, Some(&mut arriving.waiting))
        };
        match ready!(outcome) {
            Ok(1..) => {}
            // Whatever is wrong with the socket: nobody will ever ring again.
            Ok(0) | Err(_) => self.gone.store(true, Ordering::Relaxed),
        }
        Poll::Ready(())
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut read = lock(&self.read);
        if let ReadSide::Over = &*read {
            return Poll::Ready(Ok(()));
        }
        let ReadSide::Ring(ring) = &mut *read else {
            drop(read);
            let mut arriving = lock(&self.arriving);
            let expected = arriving.expected;
            let waiting = expected.then_some(&mut arriving.waiting);
            return read_into(buf, |bytes| self.socket.poll_read(cx, bytes, waiting));
        };
        let progress = ready!(coop::poll_proceed(cx));
        ready!(read_into(buf, |bytes| self.poll_ring(ring, cx, bytes)))?;
        progress.made_progress();
        Poll::Ready(Ok(()))
    }

    fn poll_ring(
        &self,
        ring: &mut Consumer<Mapped>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ring.awake();
        if let Some(len) = self.take(ring, buf)? {
            return Poll::Ready(Ok(len));
        }
        loop {
            ring.sleep();
            if let Some(len) = self.take(ring, buf)? {
                ring.awake();
                return Poll::Ready(Ok(len));
            }
            if self.is_gone() {
                return Poll::Ready(Ok(0));
            }
            ready!(self.poll_bells(cx, &self.sleepers.reader));
            // A bell may be for the writing half.
            Sleepers::wake_one(&self.sleepers.writer);
        }
    }

    /// What the ring holds; zero bytes are the end.
    fn take(&self, ring: &mut Consumer<Mapped>, buf: &mut [u8]) -> Result<Option<usize>, Lie> {
        let mut len = ring.read(buf)?;
        if len == 0 {
            if !ring.is_closed() {
                return Ok(None);
            }
            // It may have written before it closed.
            len = ring.read(buf)?;
            return Ok(Some(len));
        }
        if ring.has_to_wake() {
            self.ring_bell();
        }
        let (read, seen) = ring.progress();
        // Whoever writes next may write over what the other side had read by then.
        self.progress.read.store(read, Ordering::Release);
        self.progress.seen.store(seen, Ordering::Release);
        Ok(Some(len))
    }
}

/// Reads into what is not filled, without filling it with zeros first: `read` says how much of it it wrote, and reads none of it.
fn read_into(
    buf: &mut ReadBuf<'_>,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<()>> {
    // SAFETY: nothing is made uninitialised, and only what was written is taken for initialised.
    let unfilled = unsafe { buf.unfilled_mut() };
    // SAFETY: both have the same layout; the socket and the ring write to it and do not look at what was there.
    let bytes = unsafe { &mut *(std::ptr::from_mut::<[MaybeUninit<u8>]>(unfilled) as *mut [u8]) };
    let most = bytes.len();
    let len = ready!(read(bytes))?;
    assert!(len <= most, "more was read than there is room for");
    // SAFETY: so many bytes were written.
    unsafe { buf.assume_init(len) };
    buf.advance(len);
    Poll::Ready(Ok(()))
}

/// The reading half.
pub struct LocalReader(pub(super) Arc<Link>);

impl AsyncRead for LocalReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.0.poll_read(cx, buf)
    }
}

/// The writing half.
pub struct LocalWriter(pub(super) Arc<Link>);

impl LocalWriter {
    /// Writes what fits; `WouldBlock` where nothing does.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_parts(&[IoSlice::new(bytes)])
    }

    /// Writes what fits of parts that follow each other, none of them empty, with one look at the socket or one bell.
    pub(crate) fn try_write_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let link = &*self.0;
        let mut write = lock(&link.write);
        match &mut *write {
            WriteSide::Socket(None) => link.socket.try_write_parts(parts),
            WriteSide::Socket(Some(switch)) => {
                let bytes = parts.first().map_or(&[][..], |part| part);
                let len = switch.write(&link.socket, bytes)?;
                if switch.after == 0
                    && let WriteSide::Socket(Some(switch)) =
                        std::mem::replace(&mut *write, WriteSide::Socket(None))
                {
                    *write = WriteSide::Ring(switch.ring);
                    link.socket.shrink();
                    if switch.bell_due {
                        link.socket.ring();
                    }
                }
                Ok(len)
            }
            WriteSide::Over => Err(io::ErrorKind::BrokenPipe.into()),
            WriteSide::Ring(_) if link.is_gone() => Err(io::ErrorKind::BrokenPipe.into()),
            WriteSide::Ring(ring) => {
                let progress = |word: &AtomicU64| word.load(Ordering::Acquire);
                ring.learn(progress(&link.progress.read), progress(&link.progress.seen));
                let mut len = 0;
                for part in parts {
                    let wrote = ring.put(part)?;
                    len += wrote;
                    if wrote < part.len() {
                        break;
                    }
                }
                if len > 0 {
                    ring.publish();
                    if ring.has_to_wake() && !link.socket.ring() {
                        link.gone.store(true, Ordering::Relaxed);
                    }
                }
                if len == 0 && parts.iter().any(|part| !part.is_empty()) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(len)
            }
        }
    }

    /// Ready when a write may succeed.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let link = &*self.0;
        loop {
            match &mut *lock(&link.write) {
                WriteSide::Over => return Poll::Ready(Ok(())),
                WriteSide::Socket(_) => return link.socket.poll_write_ready(cx),
                WriteSide::Ring(ring) => {
                    if link.is_gone() || !ring.wait()? {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            if matches!(&*lock(&link.read), ReadSide::Socket) {
                // The client's last frames are on their way through the socket, and are not for this half to read; the bells are behind
                // them, and may be more than the socket holds until somebody reads those frames.
                ready!(link.again.poll(cx));
                if link.socket.has_hung_up() {
                    link.gone.store(true, Ordering::Relaxed);
                }
            } else {
                ready!(link.poll_bells(cx, &link.sleepers.writer));
                Sleepers::wake_one(&link.sleepers.reader);
            }
        }
    }

    /// Ends this half.
    pub(crate) fn close_write(&self) -> io::Result<()> {
        match &mut *lock(&self.0.write) {
            WriteSide::Over => Ok(()),
            WriteSide::Socket(_) => self.0.socket.shutdown(),
            WriteSide::Ring(ring) => {
                ring.close();
                // Whether or not it sleeps: an end is no time to be exact.
                self.0.socket.ring();
                Ok(())
            }
        }
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        // Where it fails the other side has gone already.
        let _ = self.close_write();
    }
}
