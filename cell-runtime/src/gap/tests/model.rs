//! Every order in which two threads can meet, and every value that weak memory lets them see, by loom.

use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::gap::ring::{Consumer, Producer, Region, Word};

#[derive(Clone)]
struct Modelled(Arc<Inner>);

struct Inner {
    words: [AtomicU64; 4],
    data: Vec<UnsafeCell<u8>>,
    slot: Vec<UnsafeCell<u8>>,
}

// SAFETY: loom checks every access to the cells.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Modelled {
    fn new(capacity: usize, slot: usize) -> Modelled {
        let cells = |len| (0..len).map(|_| UnsafeCell::new(0)).collect();
        Modelled(Arc::new(Inner {
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            data: cells(capacity),
            slot: cells(slot),
        }))
    }
}

fn fill(cells: &[UnsafeCell<u8>], bytes: &[u8]) {
    for (cell, byte) in cells.iter().zip(bytes) {
        // SAFETY: loom fails the test where the reader is there at the same time.
        cell.with_mut(|cell| unsafe { *cell = *byte });
    }
}

fn copy(cells: &[UnsafeCell<u8>], buf: &mut [u8]) {
    for (cell, byte) in cells.iter().zip(buf) {
        // SAFETY: loom fails the test where the writer is there at the same time.
        *byte = cell.with(|cell| unsafe { *cell });
    }
}

impl Region for Modelled {
    fn capacity(&self) -> usize {
        self.0.data.len()
    }

    fn load(&self, word: Word, order: Ordering) -> u64 {
        self.0.words[word as usize].load(order)
    }

    fn store(&self, word: Word, value: u64, order: Ordering) {
        self.0.words[word as usize].store(value, order);
    }

    fn swap(&self, word: Word, value: u64, order: Ordering) -> u64 {
        self.0.words[word as usize].swap(value, order)
    }

    fn replace(&self, word: Word, current: u64, new: u64) -> bool {
        self.0.words[word as usize]
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        fill(&self.0.data[at..][..bytes.len()], bytes);
    }

    fn read(&self, at: usize, buf: &mut [u8]) {
        copy(&self.0.data[at..][..buf.len()], buf);
    }

    fn slot_bytes(&self) -> usize {
        self.0.slot.len()
    }

    fn write_slot(&self, bytes: &[u8]) {
        fill(&self.0.slot[..bytes.len()], bytes);
    }

    fn read_slot(&self, at: usize, buf: &mut [u8]) {
        copy(&self.0.slot[at..][..buf.len()], buf);
    }
}

/// The bells of one connection: one for each end.
#[derive(Clone)]
struct Bells {
    data: Arc<Notify>,
    room: Arc<Notify>,
}

/// Sends at most `piece` bytes at a time.
fn send(mut producer: Producer<Modelled>, bells: &Bells, bytes: &[u8], piece: usize) {
    let mut sent = 0;
    while sent < bytes.len() {
        let end = bytes.len().min(sent + piece);
        let written = producer.write(&bytes[sent..end]).unwrap();
        sent += written;
        if written > 0 {
            if producer.has_to_wake() {
                bells.data.notify();
            }
        } else if producer.wait().unwrap() {
            bells.room.wait();
        }
    }
    producer.close();
    if producer.has_to_wake() {
        bells.data.notify();
    }
}

/// Reads as the transport does: look, ask for a bell, look again, sleep.
fn receive(mut consumer: Consumer<Modelled>, bells: &Bells, buf_len: usize) -> Vec<u8> {
    let mut received = Vec::new();
    let mut buf = vec![0; buf_len];
    let mut asked = false;
    loop {
        let len = consumer.read(&mut buf).unwrap();
        if len > 0 {
            received.extend_from_slice(&buf[..len]);
            if consumer.has_to_wake() {
                bells.room.notify();
            }
            if std::mem::take(&mut asked) {
                consumer.awake();
            }
            continue;
        }
        if consumer.is_closed() {
            let len = consumer.read(&mut buf).unwrap();
            if len == 0 {
                return received;
            }
            received.extend_from_slice(&buf[..len]);
            continue;
        }
        if asked {
            // A deadlock here is a bell that was never rung: loom would find it.
            bells.data.wait();
            asked = false;
        } else {
            consumer.sleep();
            asked = true;
        }
    }
}

/// A ring, its slot, and how much is written and read at once.
#[derive(Clone, Copy)]
struct Sizes {
    ring: usize,
    slot: usize,
    piece: usize,
    buf: usize,
}

fn model() -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model
}

fn check(sizes: Sizes, bytes: &'static [u8]) {
    model().check(move || {
        let region = Modelled::new(sizes.ring, sizes.slot);
        let bells = Bells {
            data: Arc::new(Notify::new()),
            room: Arc::new(Notify::new()),
        };
        let producer = Producer::new(region.clone());
        let theirs = bells.clone();
        let writer = loom::thread::spawn(move || send(producer, &theirs, bytes, sizes.piece));
        let received = receive(Consumer::new(region), &bells, sizes.buf);
        writer.join().unwrap();
        assert_eq!(received, bytes);
    });
}

const fn sizes(ring: usize, slot: usize, piece: usize, buf: usize) -> Sizes {
    Sizes {
        ring,
        slot,
        piece,
        buf,
    }
}

#[test]
fn no_order_loses_a_byte_or_a_bell() {
    check(sizes(2, 0, 2, 2), b"ab");
}

#[test]
fn no_order_loses_the_bell_for_room() {
    check(sizes(1, 0, 1, 1), b"ab");
}

#[test]
fn no_order_loses_what_lies_in_the_slot() {
    check(sizes(2, 1, 1, 2), b"ab");
}

#[test]
fn no_order_loses_what_leaves_the_slot_while_it_is_read() {
    check(sizes(4, 2, 2, 1), b"abc");
}

/// Reads one byte that is to come.
fn await_byte(consumer: &mut Consumer<Modelled>) -> u8 {
    let mut buf = [0];
    while consumer.read(&mut buf).unwrap() == 0 {
        loom::thread::yield_now();
    }
    buf[0]
}

/// One end of a connection says something unasked, so that the other one may see what it has read before it sees what it has
/// published with that.
#[test]
fn no_order_lets_the_slot_be_written_while_it_is_read() {
    model().check(|| {
        let [there, back] = std::array::from_fn(|_| Modelled::new(2, 1));
        let (mut asks, mut answers) = (Producer::new(there.clone()), Consumer::new(back.clone()));
        let peer = loom::thread::spawn(move || {
            let (mut asked, mut answer) = (Consumer::new(there), Producer::new(back));
            answer.write(b"x").unwrap();
            assert_eq!(await_byte(&mut asked), b'a');
            let (read, seen) = asked.progress();
            answer.learn(read, seen);
            answer.write(b"y").unwrap();
            assert_eq!(await_byte(&mut asked), b'b');
        });
        asks.write(b"a").unwrap();
        assert_eq!(await_byte(&mut answers), b'x');
        let (read, seen) = answers.progress();
        asks.learn(read, seen);
        asks.write(b"b").unwrap();
        assert_eq!(await_byte(&mut answers), b'y');
        peer.join().unwrap();
    });
}
