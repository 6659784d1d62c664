//! The ring over memory of the process' own: against a model, against a peer that lies, and in every order of two threads.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use crate::gap::ring::{Consumer, IN_SLOT, Lie, MARK, Producer, Region, Word};

/// A ring on the heap, which Miri can follow.
#[derive(Clone)]
struct Heap(Arc<HeapInner>);

struct HeapInner {
    words: [AtomicU64; 4],
    data: Box<[UnsafeCell<u8>]>,
    slot: Box<[UnsafeCell<u8>]>,
}

// SAFETY: the indices keep both ends apart, which is what Miri checks here.
unsafe impl Send for HeapInner {}
// SAFETY: as above.
unsafe impl Sync for HeapInner {}

impl Heap {
    fn new(capacity: usize, slot: usize) -> Heap {
        let cells = |len| (0..len).map(|_| UnsafeCell::new(0)).collect();
        Heap(Arc::new(HeapInner {
            words: Default::default(),
            data: cells(capacity),
            slot: cells(slot),
        }))
    }
}

fn fill(cells: &[UnsafeCell<u8>], bytes: &[u8]) {
    for (cell, byte) in cells.iter().zip(bytes) {
        // SAFETY: the reader has been told of these bytes only before they were read, or not yet.
        unsafe { *cell.get() = *byte };
    }
}

fn copy(cells: &[UnsafeCell<u8>], buf: &mut [u8]) {
    for (cell, byte) in cells.iter().zip(buf) {
        // SAFETY: the writer has published these bytes.
        *byte = unsafe { *cell.get() };
    }
}

impl Region for Heap {
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

fn pair(capacity: usize, slot: usize) -> (Producer<Heap>, Consumer<Heap>, Heap) {
    let region = Heap::new(capacity, slot);
    (
        Producer::new(region.clone()),
        Consumer::new(region.clone()),
        region,
    )
}

/// Miri is slow, and what it looks for does not hang on the values.
const CASES: u32 = if cfg!(miri) { 4 } else { 256 };

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_queue(
        slot in 0usize..40,
        steps in prop::collection::vec((0u8..3, 0usize..40), 1..200),
    ) {
        let (mut producer, mut consumer, _) = pair(32, slot);
        let mut model = VecDeque::new();
        let mut next = 0u8;
        for (step, len) in steps {
            if step == 0 {
                let bytes: Vec<u8> = (0..len).map(|i| next.wrapping_add(i as u8)).collect();
                let written = producer.write(&bytes).unwrap();
                prop_assert_eq!(written, len.min(32 - model.len()));
                next = next.wrapping_add(written as u8);
                model.extend(&bytes[..written]);
            } else if step == 1 {
                let mut buf = vec![0; len];
                let read = consumer.read(&mut buf).unwrap();
                // What was published after the last look at the index may be read with the next call.
                prop_assert!(read <= len.min(model.len()));
                prop_assert_eq!(read == 0, len == 0 || model.is_empty());
                let expected: Vec<u8> = model.drain(..read).collect();
                prop_assert_eq!(&buf[..read], &expected[..]);
            } else {
                producer.learn(0, consumer.progress().0);
            }
        }
    }

    #[test]
    fn a_peer_that_lies_gets_an_error_and_nothing_out_of_bounds(
        slot in 0usize..40,
        steps in prop::collection::vec((0usize..4, any::<u64>(), 0usize..64), 1..60),
    ) {
        let (mut producer, mut consumer, region) = pair(32, slot);
        for (word, value, len) in steps {
            let word = [Word::Tail, Word::Head, Word::Closed, Word::Seen][word];
            // Small lies too: those are the ones that pass.
            let value = match value % 4 {
                0 => value,
                1 => (value % 80) | IN_SLOT,
                _ => value % 80,
            };
            region.store(word, value, Ordering::SeqCst);
            if let Ok(written) = producer.write(&vec![7; len]) {
                prop_assert!(written <= 32);
            }
            let mut buf = vec![0; len];
            if let Ok(read) = consumer.read(&mut buf) {
                prop_assert!(read <= 32.max(slot));
            }
            consumer.sleep();
            let _ = (producer.wait(), producer.has_to_wake(), consumer.has_to_wake(), consumer.is_closed());
            consumer.awake();
            producer.learn(value, consumer.progress().1);
        }
    }
}

#[test]
fn indices_beyond_the_ring_are_lies() {
    let (mut producer, mut consumer, region) = pair(32, 16);
    for lie in [33, u64::MAX, 33 | MARK, 17 | IN_SLOT] {
        region.store(Word::Tail, lie, Ordering::Relaxed);
        assert_eq!(consumer.read(&mut [0; 8]), Err(Lie), "{lie:x}");
    }
    assert_eq!(producer.write(&[1; 32]), Ok(32));
    for seen in [33, u64::MAX, 1 << 40] {
        producer.learn(0, seen);
        assert_eq!(producer.write(&[1; 8]), Ok(0), "{seen:x}");
    }
    region.store(Word::Head, 33, Ordering::Relaxed);
    assert_eq!(producer.write(&[1; 8]), Err(Lie));
    assert_eq!(producer.wait(), Err(Lie));
}

#[test]
fn few_bytes_for_a_reader_that_has_read_everything_lie_beside_the_index() {
    let (mut producer, mut consumer, region) = pair(32, 16);
    let in_slot = || region.load(Word::Tail, Ordering::Relaxed) & IN_SLOT != 0;
    let mut buf = [0; 32];
    // Nobody knows that they were read until it is said.
    for (bytes, told, lies_there) in [
        (&b"first"[..], true, true),
        (b"second", false, true),
        (b"third", true, false),
        (b"fourth", true, true),
        (b"more than fits there", true, false),
    ] {
        producer.write(bytes).unwrap();
        assert_eq!(in_slot(), lies_there, "{}", bytes.escape_ascii());
        let len = consumer.read(&mut buf).unwrap();
        assert_eq!(&buf[..len], bytes);
        if told {
            producer.learn(0, consumer.progress().0);
        }
    }
    // What follows bytes in the slot takes them along into the ring, whoever has begun to read them.
    producer.write(b"abcd").unwrap();
    assert_eq!(consumer.read(&mut buf[..1]), Ok(1));
    producer.write(b"ef").unwrap();
    assert!(!in_slot());
    assert_eq!(consumer.read(&mut buf[1..]), Ok(3));
    assert_eq!(consumer.read(&mut buf[4..]), Ok(2));
    assert_eq!(&buf[..6], b"abcdef");
    // An end changes nothing of that.
    producer.learn(0, consumer.progress().0);
    producer.write(b"bye").unwrap();
    consumer.sleep();
    producer.close();
    assert!(in_slot());
    assert_eq!(consumer.read(&mut buf), Ok(3));
    assert_eq!(&buf[..3], b"bye");
}

#[test]
fn a_bell_is_asked_for_once() {
    let (mut producer, mut consumer, _) = pair(32, 16);
    producer.write(b"a").unwrap();
    assert!(!producer.has_to_wake(), "nobody sleeps");
    consumer.read(&mut [0; 8]).unwrap();
    consumer.sleep();
    producer.write(b"b").unwrap();
    assert!(producer.has_to_wake());
    assert!(!producer.has_to_wake(), "one bell is enough");
    // The other way round: a producer without room.
    producer.write(&[0; 32]).unwrap();
    assert!(producer.wait().unwrap());
    consumer.read(&mut [0; 8]).unwrap();
    assert!(!consumer.has_to_wake(), "not for a little room");
    consumer.read(&mut [0; 8]).unwrap();
    assert!(consumer.has_to_wake());
    assert!(!consumer.has_to_wake());
    assert!(!producer.wait().unwrap(), "there is room now");
}

#[test]
fn what_was_written_before_the_end_is_read() {
    let (mut producer, mut consumer, _) = pair(32, 16);
    producer.write(b"bye").unwrap();
    producer.close();
    assert!(consumer.is_closed());
    let mut buf = [0; 8];
    assert_eq!(consumer.read(&mut buf), Ok(3));
    assert_eq!(consumer.read(&mut buf), Ok(0));
}

/// Two threads of the machine (or of Miri) pass bytes through a small ring, and through its slot where one waits for the other.
#[test]
fn bytes_pass_between_threads_in_order() {
    let (mut producer, mut consumer, region) = pair(64, 40);
    let total: usize = if cfg!(miri) { 500 } else { 1_000_000 };
    let writer = std::thread::spawn(move || {
        let mut sent = 0;
        while sent < total {
            // The other direction would bring this.
            producer.learn(0, region.load(Word::Head, Ordering::Acquire));
            let len = (total - sent).min(1 + sent % 61);
            let bytes: Vec<u8> = (sent..sent + len).map(|i| (i % 251) as u8).collect();
            let written = producer.write(&bytes).unwrap();
            if written == 0 || sent % 7 == 0 {
                std::thread::yield_now();
            }
            sent += written;
        }
    });
    let mut received = 0;
    let mut buf = [0; 47];
    while received < total {
        let len = consumer.read(&mut buf).unwrap();
        for (i, byte) in buf[..len].iter().enumerate() {
            assert_eq!(*byte, ((received + i) % 251) as u8);
        }
        if len == 0 {
            std::thread::yield_now();
        }
        received += len;
    }
    writer.join().unwrap();
}
