//! A byte ring with one producer and one consumer, over memory that the other side may write at any moment.
//!
//! Each side keeps its own index to itself and only publishes it; what it reads of the other's is checked before use. Sleeping and
//! waking need no fences and no words of their own: who sleeps marks the index that it waits for, as long as that has not moved, and
//! who publishes exchanges the index for the new one and so sees the mark. Both happen to one word, so that one of them is first.

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
}

/// The mark on an index: the other side wants a bell when it moves. No count comes so far.
pub(crate) const MARK: u64 = 1 << 63;

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

/// Marks an index that has not moved since it was `seen`. Whether it is marked now: otherwise it has moved, or was marked already and
/// has lost the mark by moving.
fn mark<R: Region>(region: &R, word: Word, seen: u64) -> bool {
    region.replace(word, seen, seen | MARK) || region.load(word, Ordering::Acquire) == seen | MARK
}

/// The end that writes.
pub struct Producer<R> {
    region: R,
    tail: u64,
    /// What was last seen of the consumer's index.
    head: u64,
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
            wakes: false,
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
        let mut room = self.room();
        if room < bytes.len() {
            room = self.look()?;
        }
        let len = bytes.len().min(room);
        if len == 0 {
            return Ok(0);
        }
        let at = self.tail as usize & (self.region.capacity() - 1);
        let first = len.min(self.region.capacity() - at);
        self.region.write(at, &bytes[..first]);
        if first < len {
            self.region.write(0, &bytes[first..len]);
        }
        self.tail = self.tail.wrapping_add(len as u64);
        Ok(len)
    }

    /// Shows the other side what was put.
    pub fn publish(&mut self) {
        let before = self.region.swap(Word::Tail, self.tail, Ordering::AcqRel);
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
            asleep: false,
            wakes: false,
        }
    }

    /// Copies out what is there, as far as it fits into `buf`; zero where nothing is.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Lie> {
        if self.tail == self.head {
            let tail = self.region.load(Word::Tail, Ordering::Acquire) & !MARK;
            if tail.wrapping_sub(self.head) > self.region.capacity() as u64 {
                return Err(Lie);
            }
            self.tail = tail;
        }
        let len = buf.len().min(self.tail.wrapping_sub(self.head) as usize);
        if len == 0 {
            return Ok(0);
        }
        let at = self.head as usize & (self.region.capacity() - 1);
        let first = len.min(self.region.capacity() - at);
        self.region.read(at, &mut buf[..first]);
        if first < len {
            self.region.read(0, &mut buf[first..len]);
        }
        self.head = self.head.wrapping_add(len as u64);
        let before = self.region.swap(Word::Head, self.head, Ordering::AcqRel);
        self.wakes |= before & MARK != 0;
        Ok(len)
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
        self.asleep = self.tail == self.head && mark(&self.region, Word::Tail, self.tail);
    }

    /// Asks for no bell: this side looks by itself.
    pub fn awake(&mut self) {
        if std::mem::take(&mut self.asleep) {
            // Where it has moved the bell was rung already.
            self.region.replace(Word::Tail, self.tail | MARK, self.tail);
        }
    }
}
