//! Every order in which two threads can meet, and every value that weak memory lets them see, by loom.

use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::gap::ring::{Consumer, Producer, Region, Word};

#[derive(Clone)]
struct Modelled(Arc<Inner>);

struct Inner {
    words: [AtomicU64; 3],
    data: Vec<UnsafeCell<u8>>,
}

// SAFETY: loom checks every access to the cells.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Modelled {
    fn new(capacity: usize) -> Modelled {
        Modelled(Arc::new(Inner {
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            data: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
        }))
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
        for (cell, byte) in self.0.data[at..][..bytes.len()].iter().zip(bytes) {
            // SAFETY: loom fails the test where the reader is there at the same time.
            cell.with_mut(|cell| unsafe { *cell = *byte });
        }
    }

    fn read(&self, at: usize, buf: &mut [u8]) {
        let len = buf.len();
        for (cell, byte) in self.0.data[at..][..len].iter().zip(buf) {
            // SAFETY: loom fails the test where the writer is there at the same time.
            *byte = cell.with(|cell| unsafe { *cell });
        }
    }
}

/// The bells of one connection: one for each end.
#[derive(Clone)]
struct Bells {
    data: Arc<Notify>,
    room: Arc<Notify>,
}

fn send(mut producer: Producer<Modelled>, bells: &Bells, bytes: &[u8]) {
    let mut sent = 0;
    while sent < bytes.len() {
        let written = producer.write(&bytes[sent..]).unwrap();
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

fn check(capacity: usize, bytes: &'static [u8], buf_len: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let region = Modelled::new(capacity);
        let bells = Bells {
            data: Arc::new(Notify::new()),
            room: Arc::new(Notify::new()),
        };
        let producer = Producer::new(region.clone());
        let theirs = bells.clone();
        let writer = loom::thread::spawn(move || send(producer, &theirs, bytes));
        let received = receive(Consumer::new(region), &bells, buf_len);
        writer.join().unwrap();
        assert_eq!(received, bytes);
    });
}

#[test]
fn no_order_loses_a_byte_or_a_bell() {
    check(2, b"ab", 2);
}

#[test]
fn no_order_loses_the_bell_for_room() {
    check(1, b"ab", 1);
}
