//! The ring of shared memory, with a peer that writes its words as it likes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use cell_sdk::__private::ring::{Consumer, Producer, Region, Word};

use crate::feed::Feed;

const CAPACITY: usize = 64;
const SLOT: usize = 24;
const WORDS: [Word; 4] = [Word::Tail, Word::Head, Word::Closed, Word::Seen];

#[derive(Clone)]
struct Shared(Rc<Memory>);

#[derive(Clone)]
struct Memory {
    data: RefCell<[u8; CAPACITY]>,
    slot: RefCell<[u8; SLOT]>,
    words: [Cell<u64>; 4],
}

impl Region for Shared {
    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn load(&self, word: Word, _: Ordering) -> u64 {
        self.0.words[word as usize].get()
    }

    fn store(&self, word: Word, value: u64, _: Ordering) {
        self.0.words[word as usize].set(value);
    }

    fn swap(&self, word: Word, value: u64, _: Ordering) -> u64 {
        self.0.words[word as usize].replace(value)
    }

    fn replace(&self, word: Word, current: u64, new: u64) -> bool {
        let word = &self.0.words[word as usize];
        let is_there = word.get() == current;
        if is_there {
            word.set(new);
        }
        is_there
    }

    // Slices panic where an index leaves the ring: that is what is looked for.
    fn write(&self, at: usize, bytes: &[u8]) {
        self.0.data.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn read(&self, at: usize, buf: &mut [u8]) {
        buf.copy_from_slice(&self.0.data.borrow()[at..at + buf.len()]);
    }

    fn slot_bytes(&self) -> usize {
        SLOT
    }

    fn write_slot(&self, bytes: &[u8]) {
        self.0.slot.borrow_mut()[..bytes.len()].copy_from_slice(bytes);
    }

    fn read_slot(&self, at: usize, buf: &mut [u8]) {
        buf.copy_from_slice(&self.0.slot.borrow()[at..at + buf.len()]);
    }
}

/// Both ends and a third hand in their words. Nothing is read or written outside of the ring; as long as nobody has lied
/// what comes out is what went in, and every sleeper that has something to do is woken.
pub fn ring(data: &[u8]) {
    let mut feed = Feed(data);
    let shared = Shared(Rc::new(Memory {
        data: RefCell::new([0; CAPACITY]),
        slot: RefCell::new([0; SLOT]),
        words: Default::default(),
    }));
    let mut producer = Producer::new(shared.clone());
    let mut consumer = Consumer::new(shared.clone());
    let mut model: VecDeque<u8> = VecDeque::new();
    let mut honest = true;
    let (mut asleep, mut waiting) = (false, false);
    while !feed.is_empty() {
        match feed.byte() % 16 {
            0..=5 => {
                let len = usize::from(feed.byte()) % 100;
                let bytes: Vec<u8> = (0..len).map(|_| feed.byte()).collect();
                let Ok(written) = producer.write(&bytes) else {
                    assert!(!honest);
                    return;
                };
                assert!(written <= bytes.len().min(CAPACITY));
                let woken = written > 0 && producer.has_to_wake();
                if honest {
                    assert_eq!(written, bytes.len().min(CAPACITY - model.len()));
                    model.extend(&bytes[..written]);
                    assert_eq!(woken, written > 0 && asleep);
                    asleep &= !woken;
                }
            }
            6..=11 => {
                let mut buf = vec![0; usize::from(feed.byte()) % 100];
                let Ok(read) = consumer.read(&mut buf) else {
                    assert!(!honest);
                    return;
                };
                assert!(read <= buf.len().min(CAPACITY));
                let woken = read > 0 && consumer.has_to_wake();
                if honest {
                    assert!(model.drain(..read).eq(buf[..read].iter().copied()));
                    assert_eq!(read == 0, buf.is_empty() || model.is_empty() && read == 0);
                    // For room of at least half of the ring; all of it is enough.
                    assert!(!woken || waiting && model.len() <= CAPACITY);
                    assert!(woken || read == 0 || !waiting || !model.is_empty());
                    waiting &= !woken;
                }
            }
            12 => {
                // Only who has read everything sleeps.
                consumer.sleep();
                asleep = model.is_empty();
            }
            13 if feed.byte().is_multiple_of(2) => {
                let (read, seen) = consumer.progress();
                // What this end has read, and whatever the other one says that it has.
                producer.learn(seen, read);
            }
            13 => {
                consumer.awake();
                asleep = false;
            }
            14 => match producer.wait() {
                Ok(waits) => {
                    assert!(!honest || waits == (model.len() == CAPACITY));
                    waiting |= waits;
                }
                Err(_) => {
                    assert!(!honest);
                    return;
                }
            },
            _ => {
                let word = WORDS[usize::from(feed.byte()) % WORDS.len()];
                let small = u64::from(feed.byte());
                let near = shared
                    .load(word, Ordering::Relaxed)
                    .wrapping_add(small)
                    .wrapping_sub(128);
                let value = if small.is_multiple_of(3) {
                    feed.number()
                } else {
                    near
                };
                shared.store(word, value, Ordering::Relaxed);
                honest = false;
            }
        }
    }
}
