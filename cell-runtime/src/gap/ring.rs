//! A byte ring with one producer and one consumer, over memory that the other side may write at any moment.
//!
//! Each side keeps its own index to itself and only publishes it; what it reads of the other's is checked before use. Sleeping and
//! waking need no fences and no words of their own: who sleeps marks the index that it waits for, as long as that has not moved, and
//! who publishes exchanges the index for the new one and so sees the mark. Both happen to one word, so that one of them is first.
//!
//! Few bytes for a reader that has read everything go into a slot beside the producer's index instead: what a core fetches with the
//! index it need not fetch from the ring. Beside the index also lies what its owner has read of the ring
//! that goes the other way, so that two who take turns know it without fetching each other's indices.

use std::sync::atomic::Ordering;

/// The shared words of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// How many bytes were ever written; the producer's, but for the mark of a consumer that sleeps.
    Tail,
    /// How many bytes were ever read; the consumer's, but for the mark of a producer that waits for room.
    Head,
    /// The producer writes no more.
    Closed,
    /// How many bytes of the other direction the producer's side had read when it published last; the producer's, beside its index.
    Seen,
}

/// The mark on an index: the other side wants a bell when it moves. No count comes so far.
pub(crate) const MARK: u64 = 1 << 63;

/// On the producer's index: what it was raised by last lies in the slot, not in the ring.
pub(crate) const IN_SLOT: u64 = 1 << 62;

/// The most bytes that a slot may have.
pub(crate) const SLOT_BYTES_MAX: usize = 112;

/// Where a ring lies.
pub trait Region {
    /// The bytes that fit, a power of two.
    fn capacity(&self) -> usize;
    fn load(&self, word: Word, order: Ordering) -> u64;
    fn store(&self, word: Word, value: u64, order: Ordering);
    fn swap(&self, word: Word, value: u64, order: Ordering) -> u64;
    /// Puts `new` in the place of `current`; whether that was there. Acquires and releases.
    fn replace(&self, word: Word, current: u64, new: u64) -> bool;
    /// Copies into the ring; `at` and the length lie within it.
    fn write(&self, at: usize, bytes: &[u8]);
    /// Copies out of the ring; `at` and the length lie within it.
    fn read(&self, at: usize, buf: &mut [u8]);
    /// The bytes that fit into the slot, at most 112; none where there is no slot.
    fn slot_bytes(&self) -> usize;
    /// Copies to the front of the slot; the length lies within it.
    fn write_slot(&self, bytes: &[u8]);
    /// Copies out of the slot; `at` and the length lie within it.
    fn read_slot(&self, at: usize, buf: &mut [u8]);
}

/// The other side's index says more than there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie;

impl From<Lie> for std::io::Error {
    fn from(_: Lie) -> std::io::Error {
        std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "the peer broke the shared memory's indices; the connection ends",
        )
    }
}

/// Marks an index that has not moved since it was `seen`, as a whole word. Whether it is marked now: otherwise it has moved, or was
/// marked already and has lost the mark by moving.
fn mark<R: Region>(region: &R, word: Word, seen: u64) -> bool {
    region.replace(word, seen, seen | MARK) || region.load(word, Ordering::Acquire) == seen | MARK
}

/// The end that writes.
pub struct Producer<R> {
    region: R,
    tail: u64,
    /// What was last seen of the consumer's index.
    head: u64,
    /// So many bytes before `tail` lie in the slot, and nowhere else.
    slot: usize,
    /// What this side has read of the other direction.
    read: u64,
    /// The consumer slept when something was published.
    wakes: bool,
}

impl<R: Region> Producer<R> {
    /// Of a ring that nobody has used.
    pub fn new(region: R) -> Producer<R> {
        Producer {
            region,
            tail: 0,
            head: 0,
            slot: 0,
            read: 0,
            wakes: false,
        }
    }

    /// Takes what [`Consumer::progress`] of this side says: what it has read, which the other side is told with what is published next,
    /// and what that side has read.
    pub fn learn(&mut self, read: u64, seen: u64) {
        self.read = read;
        // Old news are ignored, and so is what cannot be.
        if self.tail.wrapping_sub(seen) < self.tail.wrapping_sub(self.head) {
            self.head = seen;
        }
    }

    /// Writes what fits and publishes it at once; zero where nothing does.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Lie> {
        let len = self.put(bytes)?;
        if len > 0 {
            self.publish();
        }
        Ok(len)
    }

    /// Writes what fits; the other side sees it once it is published.
    pub fn put(&mut self, bytes: &[u8]) -> Result<usize, Lie> {
        if self.head == self.tail && (1..=self.slot_bytes()).contains(&bytes.len()) {
            self.region.write_slot(bytes);
            self.slot = bytes.len();
            self.tail = self.tail.wrapping_add(bytes.len() as u64);
            return Ok(bytes.len());
        }
        let mut room = self.room();
        if room < bytes.len() || self.slot > 0 {
            room = self.look()?;
        }
        let len = bytes.len().min(room);
        if len == 0 {
            return Ok(0);
        }
        self.empty_slot();
        self.copy(self.tail, &bytes[..len]);
        self.tail = self.tail.wrapping_add(len as u64);
        Ok(len)
    }

    fn slot_bytes(&self) -> usize {
        self.region.slot_bytes().min(self.region.capacity())
    }

    /// Before bytes follow those in the slot: puts these to their place in the ring, unless they have been read.
    fn empty_slot(&mut self) {
        let len = std::mem::take(&mut self.slot);
        if len > 0 && self.head != self.tail {
            let mut bytes = [0; SLOT_BYTES_MAX];
            let bytes = &mut bytes[..len];
            self.region.read_slot(0, bytes);
            self.copy(self.tail.wrapping_sub(len as u64), bytes);
        }
    }

    /// Copies into the ring; there is room.
    fn copy(&self, index: u64, bytes: &[u8]) {
        let at = index as usize & (self.region.capacity() - 1);
        let first = bytes.len().min(self.region.capacity() - at);
        self.region.write(at, &bytes[..first]);
        if first < bytes.len() {
            self.region.write(0, &bytes[first..]);
        }
    }

    /// Shows the other side what was put.
    pub fn publish(&mut self) {
        self.region.store(Word::Seen, self.read, Ordering::Release);
        let in_slot = if self.slot > 0 { IN_SLOT } else { 0 };
        let before = self
            .region
            .swap(Word::Tail, self.tail | in_slot, Ordering::AcqRel);
        self.wakes |= before & MARK != 0;
    }

    /// Whether `bytes` were written as a whole; none of them were otherwise.
    pub fn write_whole(&mut self, bytes: &[u8]) -> Result<bool, Lie> {
        if self.room() < bytes.len() && self.look()? < bytes.len() {
            return Ok(false);
        }
        Ok(self.write(bytes)? == bytes.len())
    }

    fn room(&self) -> usize {
        self.region.capacity() - self.tail.wrapping_sub(self.head) as usize
    }

    /// Looks at the consumer's index. Between two looks what was seen stays true: room never shrinks behind a producer's back.
    fn look(&mut self) -> Result<usize, Lie> {
        let head = self.region.load(Word::Head, Ordering::Acquire) & !MARK;
        if self.tail.wrapping_sub(head) > self.region.capacity() as u64 {
            return Err(Lie);
        }
        self.head = head;
        Ok(self.room())
    }

    /// Whether the consumer has to be woken for what was published.
    pub fn has_to_wake(&mut self) -> bool {
        std::mem::take(&mut self.wakes)
    }

    /// Asks for a bell when there is room; `false` where there is some already.
    pub fn wait(&mut self) -> Result<bool, Lie> {
        Ok(self.look()? == 0 && mark(&self.region, Word::Head, self.head))
    }

    /// Says that nothing more comes.
    pub fn close(&mut self) {
        self.region.store(Word::Closed, 1, Ordering::Release);
        // A consumer that falls asleep meanwhile either is seen here, or sees the end.
        self.publish();
    }
}

/// The end that reads.
pub struct Consumer<R> {
    region: R,
    head: u64,
    /// What was last seen of the producer's index.
    tail: u64,
    /// The word in which it was seen, without a mark.
    shown: u64,
    /// Where what lies in the slot begins, if what is to be read lies there.
    slot: Option<u64>,
    /// What the producer's side said last that it had read of the other direction.
    seen: u64,
    asleep: bool,
    /// The producer waits for room.
    wakes: bool,
}

impl<R: Region> Consumer<R> {
    /// Of a ring that nobody has used.
    pub fn new(region: R) -> Consumer<R> {
        Consumer {
            region,
            head: 0,
            tail: 0,
            shown: 0,
            slot: None,
            seen: 0,
            asleep: false,
            wakes: false,
        }
    }

    /// How much this end has read, and how much the other side has read of the other direction, as it says.
    pub fn progress(&self) -> (u64, u64) {
        (self.head, self.seen)
    }

    /// Copies out what is there, as far as it fits into `buf`; zero where nothing is.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Lie> {
        if self.tail == self.head {
            self.look()?;
        }
        let len = buf.len().min(self.tail.wrapping_sub(self.head) as usize);
        if len == 0 {
            return Ok(0);
        }
        let buf = &mut buf[..len];
        match self.slot {
            Some(start) => {
                let at = self.head.wrapping_sub(start) as usize;
                self.region.read_slot(at, buf);
            }
            None => {
                let at = self.head as usize & (self.region.capacity() - 1);
                let first = len.min(self.region.capacity() - at);
                self.region.read(at, &mut buf[..first]);
                if first < len {
                    self.region.read(0, &mut buf[first..]);
                }
            }
        }
        self.head = self.head.wrapping_add(len as u64);
        let before = self.region.swap(Word::Head, self.head, Ordering::AcqRel);
        self.wakes |= before & MARK != 0;
        Ok(len)
    }

    /// Looks at the producer's index, and at what lies beside it. Everything that was seen has been read.
    fn look(&mut self) -> Result<(), Lie> {
        self.shown = self.region.load(Word::Tail, Ordering::Acquire) & !MARK;
        let tail = self.shown & !IN_SLOT;
        let unread = tail.wrapping_sub(self.head);
        let in_slot = self.shown & IN_SLOT != 0 && unread > 0;
        let most = match in_slot {
            true => self.region.slot_bytes().min(SLOT_BYTES_MAX),
            false => self.region.capacity(),
        };
        if unread > most as u64 {
            return Err(Lie);
        }
        self.tail = tail;
        self.slot = in_slot.then_some(self.head);
        self.seen = self.region.load(Word::Seen, Ordering::Acquire);
        Ok(())
    }

    /// Whether a producer waits for the room that was made. It is left asleep until half of the ring is free, as woken for
    /// every byte it would write as little at a time; the last read of what is there makes room enough.
    pub fn has_to_wake(&mut self) -> bool {
        let unread = self.tail.wrapping_sub(self.head) as usize;
        unread <= self.region.capacity() / 2 && std::mem::take(&mut self.wakes)
    }

    /// Whether the producer has closed. It may have written before: look once more after this says so.
    pub fn is_closed(&self) -> bool {
        self.region.load(Word::Closed, Ordering::Acquire) != 0
    }

    /// Asks for a bell with the next bytes. Look again afterwards: where some have come meanwhile it asks for none.
    pub fn sleep(&mut self) {
        self.asleep = self.tail == self.head && mark(&self.region, Word::Tail, self.shown);
    }

    /// Asks for no bell: this side looks by itself.
    pub fn awake(&mut self) {
        if std::mem::take(&mut self.asleep) {
            // Where it has moved the bell was rung already.
            let shown = self.shown;
            self.region.replace(Word::Tail, shown | MARK, shown);
        }
    }
}
