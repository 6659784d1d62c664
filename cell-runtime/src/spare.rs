//! Buffers of messages that are used again, so that a call in steady state allocates nothing. Each thread keeps its own, up
//! to a limit.

use std::cell::RefCell;
use std::sync::Mutex;

use rkyv::util::AlignedVec;
use triomphe::{Arc, UniqueArc};

use crate::lock::lock;
use crate::vesicle::ALIGNMENT;

/// A message's memory; counted, since messages are shared.
pub(crate) type Buffer = Arc<AlignedVec<ALIGNMENT>>;

/// Memory that nobody else has: writing to it asks nothing, and making it a message changes nothing.
type Sole = UniqueArc<AlignedVec<ALIGNMENT>>;

fn new() -> Sole {
    UniqueArc::new(AlignedVec::new())
}

/// What a thread keeps for itself; larger buffers are shared by all.
const BUFFER_BYTES_MAX: usize = 128 << 10;

/// A still larger buffer is given back: it would be kept for messages that hardly ever come. A message of the usual limit fits.
const LARGE_BYTES_MAX: usize = 16 << 20;

/// What a process keeps of large buffers. Memory that was never used before costs a page fault every 4 KiB, several times
/// what it costs to fill it.
const LARGE_KEPT_BYTES_MAX: usize = 32 << 20;

/// From so many bytes on the system may take a kept buffer's pages back where memory is short, and gives others when they are used again.
const LENT_BYTES_MIN: usize = 1 << 20;

/// What a thread keeps at most.
const KEPT_MAX: usize = 256;
const KEPT_BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
struct Kept {
    buffers: Vec<Sole>,
    bytes: usize,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// Large buffers: few, so that they go from one thread, which reads a message, to another, which drops it.
static LARGE: Mutex<Vec<Sole>> = Mutex::new(Vec::new());

/// A message that is being written, empty at first.
pub(crate) struct Draft(Sole);

impl Draft {
    /// One that was used before, or a new one.
    pub(crate) fn take() -> Draft {
        // A thread that ends has nothing any more.
        let spare = KEPT.try_with(|kept| {
            let kept = &mut *kept.borrow_mut();
            let buffer = kept.buffers.pop()?;
            kept.bytes -= buffer.capacity();
            Some(buffer)
        });
        Draft(spare.ok().flatten().unwrap_or_else(new))
    }

    /// The bytes that were written.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What is written to.
    pub(crate) fn bytes(&mut self) -> &mut AlignedVec<ALIGNMENT> {
        &mut self.0
    }

    pub(crate) fn finish(self) -> Buffer {
        self.0.shareable()
    }

    /// Makes room for `len` bytes in all, what is there included.
    pub(crate) fn make_room(&mut self, len: usize) {
        if len <= BUFFER_BYTES_MAX {
            let bytes = self.bytes();
            bytes.reserve(len - bytes.len());
        } else if !self.try_large(len) {
            let bytes = self.bytes();
            bytes.reserve_exact(len - bytes.len());
        }
    }

    /// Goes on in a large buffer that was used before, where one is kept that `len` bytes fit into.
    pub(crate) fn try_large(&mut self, len: usize) -> bool {
        if len <= BUFFER_BYTES_MAX {
            return false;
        }
        let Some(larger) = take_large(len) else {
            return false;
        };
        let mut larger = Draft(larger);
        larger.bytes().extend_from_slice(&self.0);
        keep_sole(std::mem::replace(self, larger).0);
        true
    }
}

/// Tells the system that what is in an empty buffer is not needed (madvise(2), `MADV_FREE`).
#[cfg(all(target_os = "linux", not(miri)))]
fn lend(bytes: &mut AlignedVec<ALIGNMENT>) {
    use nix::sys::mman::{MmapAdvise, madvise};

    const PAGE: usize = 4096;
    debug_assert!(bytes.is_empty());
    let start = bytes.as_mut_ptr();
    let skip = start.align_offset(PAGE);
    let whole = bytes.capacity().saturating_sub(skip) / PAGE * PAGE;
    if let Some(first) = std::ptr::NonNull::new(start.wrapping_add(skip).cast())
        && whole > 0
    {
        // SAFETY: whole pages inside of the buffer's own memory, which holds nothing: it may be lost. Where pages are larger than
        // that, the system refuses.
        let _ = unsafe { madvise(first, whole, MmapAdvise::MADV_FREE) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn lend(_: &mut AlignedVec<ALIGNMENT>) {}

/// The smallest that `len` bytes fit into.
fn take_large(len: usize) -> Option<Sole> {
    let mut kept = lock(&LARGE);
    let (at, _) = kept
        .iter()
        .enumerate()
        .filter(|(_, buffer)| buffer.capacity() >= len)
        .min_by_key(|(_, buffer)| buffer.capacity())?;
    Some(kept.swap_remove(at))
}

/// The one that was kept first makes room for this one.
fn keep_large(buffer: Sole) {
    let mut kept = lock(&LARGE);
    kept.push(buffer);
    let mut whole: usize = kept.iter().map(|buffer| buffer.capacity()).sum();
    let mut over = Vec::new();
    while whole > LARGE_KEPT_BYTES_MAX {
        let first = kept.remove(0);
        whole -= first.capacity();
        over.push(first);
    }
    // Given back to the system without the lock.
    drop(kept);
    drop(over);
}

/// Keeps a buffer for later, where nobody else has it and there is room.
pub(crate) fn keep(buffer: Buffer) {
    if let Ok(sole) = Arc::try_unique(buffer) {
        keep_sole(sole);
    }
}

fn keep_sole(mut buffer: Sole) {
    let capacity = buffer.capacity();
    if capacity == 0 || capacity > LARGE_BYTES_MAX {
        return;
    }
    buffer.clear();
    if capacity > BUFFER_BYTES_MAX {
        if capacity >= LENT_BYTES_MIN {
            lend(&mut buffer);
        }
        return keep_large(buffer);
    }
    // Dropped with the thread's others where it ends.
    let _ = KEPT.try_with(|kept| {
        let kept = &mut *kept.borrow_mut();
        if kept.buffers.len() < KEPT_MAX && kept.bytes + capacity <= KEPT_BYTES_MAX {
            kept.bytes += capacity;
            kept.buffers.push(buffer);
        }
    });
}

/// What bytes are read into before they are taken apart. A connection of a single call needs one for a moment only, so a thread
/// keeps some.
pub(crate) struct Scratch(Vec<u8>);

/// Larger ones belong to connections that live long.
const SCRATCH_BYTES_MAX: usize = 16 << 10;

/// What a thread keeps at most: a megabyte.
const SCRATCHES_MAX: usize = 64;

thread_local! {
    static SCRATCHES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

impl Scratch {
    /// One of `len` bytes; what is in it is left from before.
    pub(crate) fn take(len: usize) -> Scratch {
        let kept = SCRATCHES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            let at = kept.iter().rposition(|bytes| bytes.len() == len)?;
            Some(kept.swap_remove(at))
        });
        Scratch(kept.ok().flatten().unwrap_or_else(|| vec![0; len]))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.len() > SCRATCH_BYTES_MAX {
            return;
        }
        let bytes = std::mem::take(&mut self.0);
        // Dropped with the thread's others where it ends.
        let _ = SCRATCHES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < SCRATCHES_MAX {
                kept.push(bytes);
            }
        });
    }
}

impl std::ops::Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vesicle::Vesicle;

    fn kept() -> (usize, usize) {
        KEPT.with(|kept| {
            let kept = kept.borrow();
            let whole = kept.buffers.iter().map(|buffer| buffer.capacity()).sum();
            assert_eq!(kept.bytes, whole);
            (kept.buffers.len(), whole)
        })
    }

    #[test]
    fn the_last_owner_gives_a_buffer_back_and_the_next_message_takes_it() {
        let first = Vesicle::wrap([1; 100]);
        let at = first.as_slice().as_ptr();
        let shared = first.clone();
        drop(first);
        assert_eq!(kept().0, 0);
        drop(shared);
        assert_eq!(kept().0, 1);
        let second = Vesicle::wrap([2; 50]);
        assert_eq!((second.as_slice(), second.as_ptr()), (&[2; 50][..], at));
        assert_eq!(kept(), (0, 0));
    }

    #[test]
    fn what_a_thread_keeps_is_limited() {
        drop(Vesicle::wrap(vec![0; BUFFER_BYTES_MAX + 1]));
        assert_eq!(kept().0, 0);
        let many: Vec<Vesicle> = (0..2 * KEPT_MAX).map(|_| Vesicle::wrap([0; 64])).collect();
        drop(many);
        assert_eq!(kept().0, KEPT_MAX);
        let large: Vec<Vesicle> = (0..KEPT_MAX)
            .map(|_| Vesicle::wrap(vec![0; BUFFER_BYTES_MAX / 2]))
            .collect();
        drop(large);
        assert!(kept().1 <= KEPT_BYTES_MAX);
    }

    #[test]
    fn scratches_are_used_again_where_they_are_as_long() {
        let first = Scratch::take(100);
        let at = first.as_ptr();
        drop(first);
        assert_ne!(Scratch::take(101).as_ptr(), at);
        let second = Scratch::take(100);
        assert_eq!((second.as_ptr(), second.len()), (at, 100));
        drop(Scratch::take(SCRATCH_BYTES_MAX + 1));
        let many: Vec<Scratch> = (0..2 * SCRATCHES_MAX).map(|_| Scratch::take(8)).collect();
        drop((second, many));
        SCRATCHES.with_borrow(|kept| {
            assert_eq!(kept.len(), SCRATCHES_MAX);
            assert!(kept.iter().all(|bytes| bytes.len() <= SCRATCH_BYTES_MAX));
        });
    }

    #[test]
    fn large_buffers_are_shared_and_limited() {
        let large = |len: usize| {
            let mut draft = Draft::take();
            draft.bytes().extend_from_slice(b"kept");
            draft.make_room(len);
            assert_eq!(draft.bytes().as_slice(), b"kept");
            assert!(draft.bytes().capacity() >= len);
            draft.bytes().resize(len, 1);
            Vesicle::drafted(draft)
        };
        // The only test that has buffers of these sizes.
        let sizes = [8, 7, 9, 13].map(|mebi| mebi << 20);
        let held = sizes.map(large);
        let at: Vec<*const u8> = held.iter().map(|vesicle| vesicle.as_ptr()).collect();
        std::thread::spawn(move || drop(held))
            .join()
            .expect("the other thread gives them back");
        let kept: usize = LARGE.lock().unwrap().iter().map(|b| b.capacity()).sum();
        assert!(kept <= LARGE_KEPT_BYTES_MAX, "{kept}");
        // The smallest that is large enough; the first one had to go.
        assert_eq!(large((7 << 20) - 5).as_ptr(), at[1]);
        drop(large(LARGE_BYTES_MAX + 1));
        let largest = LARGE.lock().unwrap().iter().map(|b| b.capacity()).max();
        assert!(largest <= Some(LARGE_BYTES_MAX));
    }
}
