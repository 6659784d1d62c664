//! The memory that two processes share: a sealed memfd with two rings in it.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use super::ring::{Consumer, IN_SLOT, MARK, Producer, Region, SLOT_BYTES_MAX, Word};

/// What a segment holds: one ring for each direction, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    ring_bytes: usize,
    rings: usize,
}

impl Layout {
    /// A connection's frames. Small, as it is walked through again and again, and stays in a core's cache.
    pub(crate) const FRAMES: Layout = Layout {
        ring_bytes: 128 << 10,
        rings: 2,
    };

    /// One direction's large payloads.
    pub(crate) const BULK: Layout = Layout {
        ring_bytes: 4 << 20,
        rings: 1,
    };

    fn len(self) -> usize {
        HEADER_BYTES + self.rings * self.ring_bytes
    }
}

/// Before the data: the magic and both rings' words.
const HEADER_BYTES: usize = 4096;

/// What the first 16 bytes say: the layout's name, then the ring's size.
const MAGIC: u64 = u64::from_le_bytes(*b"CELLGAP3");

/// Words of different owners never share what a core fetches at once (two cache lines, as Intel's cores fetch pairs).
const STRIDE: usize = 128;

/// A word beside `TAIL`, and behind it the slot, which takes the rest of what is fetched with it.
const SEEN: usize = 8;
const SLOT: usize = 16;

/// Of the slot, what lies in the line of `TAIL`.
const SLOT_NEAR: usize = 64 - SLOT;

const _: () = assert!(SLOT + SLOT_BYTES_MAX == STRIDE);

/// The word behind those of a ring's own: how many bytes of sealed messages the reader has given back; the reader's.
const GIVEN_BACK: usize = 3;

/// Where each direction's words begin.
const WORDS: [usize; 2] = [1024, 2048];

/// What keeps the other side from taking the memory away under this one.
const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_SEAL);

/// Segments that this process has mapped.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// The most segments that a process makes; further connections stay on their sockets.
const SEGMENTS_MAX: usize = 256;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Direction {
    ToClient = 0,
    ToServer = 1,
}

/// One mapped segment.
pub(crate) struct Segment {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is only reached through atomics and through the rings, whose ends belong to one owner each.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes a segment and what the other side gets.
    pub(crate) fn make(layout: Layout) -> io::Result<(Arc<Segment>, OwnedFd)> {
        if MAPPED.load(Ordering::Relaxed) >= SEGMENTS_MAX {
            return Err(io::Error::other("as many segments are mapped as may be"));
        }
        let fd = memfd_create(
            c"cell-gap",
            MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
        )?;
        nix::unistd::ftruncate(&fd, layout.len() as i64)?;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(SEALS))?;
        let segment = Segment::map(&fd, layout)?;
        segment.word(0).store(MAGIC, Ordering::Relaxed);
        let bytes = layout.ring_bytes as u64;
        segment.word(8).store(bytes, Ordering::Relaxed);
        Ok((Arc::new(segment), fd))
    }

    /// Takes what the other side made, if it can do no harm: the right kind of memory, of the right size, sealed.
    pub(crate) fn take(fd: &OwnedFd, layout: Layout) -> io::Result<Arc<Segment>> {
        let refuse = |why: &str| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the shared memory that the peer offered {why}; the connection ends"),
            )
        };
        // Huge pages could be taken away under the mapping, files of other kinds have no seals.
        if fstatfs(fd)?.filesystem_type() != TMPFS_MAGIC {
            return Err(refuse("is no memfd of plain pages"));
        }
        let seals = SealFlag::from_bits_truncate(
            fcntl(fd, FcntlArg::F_GET_SEALS).map_err(|_| refuse("cannot be sealed"))?,
        );
        if !seals.contains(SEALS) {
            return Err(refuse("can still be shrunk"));
        }
        if fstat(fd)?.st_size != layout.len() as i64 {
            return Err(refuse("has another size than this version's"));
        }
        let segment = Segment::map(fd, layout)?;
        let magic = segment.word(0).load(Ordering::Relaxed);
        let bytes = segment.word(8).load(Ordering::Relaxed);
        if magic != MAGIC || bytes != layout.ring_bytes as u64 {
            return Err(refuse("has another layout than this version's"));
        }
        Ok(Arc::new(segment))
    }

    fn map(fd: impl AsFd, layout: Layout) -> io::Result<Segment> {
        let size = NonZeroUsize::new(layout.len()).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a fresh mapping at an address that the kernel chooses.
        let base = unsafe {
            mmap(
                None,
                size,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                fd,
                0,
            )
        }?;
        MAPPED.fetch_add(1, Ordering::Relaxed);
        Ok(Segment {
            base: base.cast(),
            layout,
        })
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at.is_multiple_of(8) && at + 8 <= self.layout.len());
        // SAFETY: inside the mapping, aligned, and only ever used as an atomic.
        unsafe { self.base.add(at).cast::<AtomicU64>().as_ref() }
    }

    /// The writing end of a direction. Each is taken once.
    pub(crate) fn producer(self: &Arc<Segment>, direction: Direction) -> Producer<Mapped> {
        Producer::new(self.half(direction))
    }

    /// The reading end of a direction. Each is taken once.
    pub(crate) fn consumer(self: &Arc<Segment>, direction: Direction) -> Consumer<Mapped> {
        Consumer::new(self.half(direction))
    }

    /// A glance at a direction from outside.
    pub(crate) fn glance(self: &Arc<Segment>, direction: Direction) -> Glance {
        Glance(self.half(direction))
    }

    /// Says that this side has let go of a sealed message.
    pub(super) fn give_back(&self, direction: Direction, len: usize) {
        let at = WORDS[direction as usize] + GIVEN_BACK * STRIDE;
        self.word(at).fetch_add(len as u64, Ordering::Relaxed);
    }

    /// How many bytes of sealed messages the other side has let go of, as it says.
    pub(super) fn given_back(&self, direction: Direction) -> u64 {
        let at = WORDS[direction as usize] + GIVEN_BACK * STRIDE;
        self.word(at).load(Ordering::Relaxed)
    }

    fn half(self: &Arc<Segment>, direction: Direction) -> Mapped {
        debug_assert!((direction as usize) < self.layout.rings);
        Mapped {
            segment: Arc::clone(self),
            words: WORDS[direction as usize],
            data: HEADER_BYTES + direction as usize * self.layout.ring_bytes,
            // Large payloads fit into none.
            slot_bytes: if self.layout.rings == 1 {
                0
            } else {
                SLOT_BYTES_MAX
            },
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        MAPPED.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: made by `map`, and nothing refers to it any more. It cannot fail for a mapping of our own.
        let _ = unsafe { munmap(self.base.cast::<c_void>(), self.layout.len()) };
    }
}

/// Sees whether a ring holds something, without its reading end. It keeps the memory.
#[derive(Clone)]
pub(crate) struct Glance(Mapped);

impl Glance {
    /// Both indices may be lies: it is a hint, whoever acts on it reads with the checks of the reading end.
    pub(crate) fn is_empty(&self) -> bool {
        let index = |word| self.0.load(word, Ordering::Relaxed) & !(MARK | IN_SLOT);
        index(Word::Tail) == index(Word::Head)
    }
}

/// One direction of a segment.
#[derive(Clone)]
pub(crate) struct Mapped {
    segment: Arc<Segment>,
    words: usize,
    data: usize,
    slot_bytes: usize,
}

impl Mapped {
    fn at(&self, word: Word) -> &AtomicU64 {
        let at = match word {
            Word::Tail | Word::Head | Word::Closed => word as usize * STRIDE,
            Word::Seen => SEEN,
        };
        self.segment.word(self.words + at)
    }

    fn slot(&self, at: usize, len: usize) -> *mut u8 {
        assert!(at <= self.slot_bytes && len <= self.slot_bytes - at);
        // SAFETY: within the mapping: the words are, and the slot is a part of the first one's place.
        unsafe { self.segment.base.as_ptr().add(self.words + SLOT + at) }
    }

    fn data(&self, at: usize, len: usize) -> *mut u8 {
        let bytes = self.segment.layout.ring_bytes;
        assert!(at <= bytes && len <= bytes - at);
        // SAFETY: within the mapping, as was just checked.
        unsafe { self.segment.base.as_ptr().add(self.data + at) }
    }
}

impl Region for Mapped {
    fn capacity(&self) -> usize {
        self.segment.layout.ring_bytes
    }

    fn load(&self, word: Word, order: Ordering) -> u64 {
        self.at(word).load(order)
    }

    fn store(&self, word: Word, value: u64, order: Ordering) {
        self.at(word).store(value, order);
    }

    fn swap(&self, word: Word, value: u64, order: Ordering) -> u64 {
        self.at(word).swap(value, order)
    }

    fn replace(&self, word: Word, current: u64, new: u64) -> bool {
        self.at(word)
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        // SAFETY: the target is in bounds and is no memory of ours. A peer that keeps to the rules reads it only after the
        // index was published; another one reads garbage.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.data(at, bytes.len()), bytes.len());
        }
    }

    fn read(&self, at: usize, buf: &mut [u8]) {
        // SAFETY: the source is in bounds. A peer that breaks the rules may write it meanwhile: then the copy holds any
        // bytes, which is what bytes from a peer are taken for; nothing refers to the shared bytes themselves.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.data(at, buf.len()).cast_const(),
                buf.as_mut_ptr(),
                buf.len(),
            );
        }
    }

    fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    fn write_slot(&self, bytes: &[u8]) {
        let near = bytes.len().min(SLOT_NEAR);
        // The line that the other side looks at comes last: it would be taken away before the index is in it.
        for part in [near..bytes.len(), 0..near] {
            let to = self.slot(part.start, part.len());
            // SAFETY: as for `write`.
            unsafe { std::ptr::copy_nonoverlapping(bytes[part.clone()].as_ptr(), to, part.len()) };
        }
    }

    fn read_slot(&self, at: usize, buf: &mut [u8]) {
        let from = self.slot(at, buf.len()).cast_const();
        // SAFETY: as for `read`.
        unsafe { std::ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), buf.len()) };
    }
}
