//! A byte ring with one producer and one consumer, over memory that the other side may write at any moment.
//!
//! Each side keeps its own index to itself and only publishes it; what it reads of the other's is checked before use. Sleeping and
//! waking is Dekker's handshake: say that you sleep, fence, look again; publish, fence, look whether the other sleeps.

use std::sync::atomic::Ordering;

/// The shared words of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// How many bytes were ever written; the producer's.
    Tail,
    /// How many bytes were ever read; the consumer's.
    Head,
    /// The consumer wants a bell with the next bytes.
    Asleep,
    /// The producer wants a bell when there is room.
    Waiting,
    /// The producer writes no more.
    Closed,
}

/// Where a ring lies.
pub trait Region {
    /// The bytes that fit, a power of two.
    fn capacity(&self) -> usize;
    fn load(&self, word: Word, order: Ordering) -> u64;
    fn store(&self, word: Word, value: u64, order: Ordering);
    fn swap(&self, word: Word, value: u64, order: Ordering) -> u64;
    /// Sequentially consistent.
    fn fence(&self);
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

/// Wakes the sleeper behind `word`, once for every time it went to sleep.
fn has_to_wake<R: Region>(region: &R, word: Word) -> bool {
    region.fence();
    region.load(word, Ordering::Relaxed) != 0 && region.swap(word, 0, Ordering::AcqRel) != 0
}

/// Says that this side sleeps. Whoever calls it looks again afterwards. Both sides change the word by swaps alone, so that
/// each change is ordered after the one that it replaces.
fn go_to_sleep<R: Region>(region: &R, word: Word) {
    region.swap(word, 1, Ordering::AcqRel);
    region.fence();
}

/// The end that writes.
pub struct Producer<R> {
    region: R,
    tail: u64,
    /// What was last seen of the consumer's index.
    head: u64,
}

impl<R: Region> Producer<R> {
    /// Of a ring that nobody has used.
    pub fn new(region: R) -> Producer<R> {
        Producer {
            region,
            tail: 0,
            head: 0,
        }
    }

    /// Writes what fits and publishes it at once; zero where nothing does.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Lie> {
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
        self.region.store(Word::Tail, self.tail, Ordering::Release);
        Ok(len)
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
        let head = self.region.load(Word::Head, Ordering::Acquire);
        if self.tail.wrapping_sub(head) > self.region.capacity() as u64 {
            return Err(Lie);
        }
        self.head = head;
        Ok(self.room())
    }

    /// Whether the consumer has to be woken for what was written.
    pub fn has_to_wake(&self) -> bool {
        has_to_wake(&self.region, Word::Asleep)
    }

    /// Asks for a bell when there is room; `false` where there is some already.
    pub fn wait(&mut self) -> Result<bool, Lie> {
        if self.look()? > 0 {
            return Ok(false);
        }
        go_to_sleep(&self.region, Word::Waiting);
        Ok(self.look()? == 0)
    }

    /// Says that nothing more comes.
    pub fn close(&self) {
        self.region.store(Word::Closed, 1, Ordering::Release);
    }
}

/// The end that reads.
pub struct Consumer<R> {
    region: R,
    head: u64,
    /// What was last seen of the producer's index.
    tail: u64,
    asleep: bool,
}

impl<R: Region> Consumer<R> {
    /// Of a ring that nobody has used.
    pub fn new(region: R) -> Consumer<R> {
        Consumer {
            region,
            head: 0,
            tail: 0,
            asleep: false,
        }
    }

    /// Copies out what is there, as far as it fits into `buf`; zero where nothing is.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Lie> {
        if self.tail == self.head {
            let tail = self.region.load(Word::Tail, Ordering::Acquire);
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
        self.region.store(Word::Head, self.head, Ordering::Release);
        Ok(len)
    }

    /// Whether a producer waits for the room that was just made. It is left asleep until half of the ring is free, as woken for
    /// every byte it would write as little at a time; the last read of what is there makes room enough.
    pub fn has_to_wake(&self) -> bool {
        let unread = self.tail.wrapping_sub(self.head) as usize;
        unread <= self.region.capacity() / 2 && has_to_wake(&self.region, Word::Waiting)
    }

    /// Whether the producer has closed. It may have written before: look once more after this says so.
    pub fn is_closed(&self) -> bool {
        self.region.load(Word::Closed, Ordering::Acquire) != 0
    }

    /// Asks for a bell with the next bytes. Look again afterwards.
    pub fn sleep(&mut self) {
        self.asleep = true;
        go_to_sleep(&self.region, Word::Asleep);
    }

    /// Asks for no bell: this side looks by itself.
    pub fn awake(&mut self) {
        if std::mem::take(&mut self.asleep) {
            self.region.swap(Word::Asleep, 0, Ordering::AcqRel);
        }
    }
}
