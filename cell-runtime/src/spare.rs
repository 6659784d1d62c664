//! Buffers of messages that are used again, so that a call in steady state allocates nothing. Each thread keeps its own, up
//! to a limit.

use std::cell::RefCell;
use std::sync::Arc;

use rkyv::util::AlignedVec;

use crate::vesicle::ALIGNMENT;

/// A message's memory; counted, since messages are shared.
pub(crate) type Buffer = Arc<AlignedVec<ALIGNMENT>>;

/// A larger buffer is given back: it would be kept for messages that hardly ever come.
const BUFFER_BYTES_MAX: usize = 128 << 10;

/// What a thread keeps at most.
const KEPT_MAX: usize = 256;
const KEPT_BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
struct Kept {
    buffers: Vec<Buffer>,
    bytes: usize,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// A buffer that nobody else has, empty.
pub(crate) struct Draft(Buffer);

impl Draft {
    /// One that was used before, or a new one.
    pub(crate) fn take() -> Draft {
        // A thread that ends has nothing any more.
        let spare = KEPT.try_with(|kept| {
            let kept = &mut *kept.borrow_mut();
            let buffer = kept.buffers.pop();
            kept.bytes -= buffer.as_ref().map_or(0, |buffer| buffer.capacity());
            buffer
        });
        Draft(spare.ok().flatten().unwrap_or_default())
    }

    /// What is written to.
    pub(crate) fn bytes(&mut self) -> &mut AlignedVec<ALIGNMENT> {
        // Nobody else has it, so it is never copied.
        Arc::make_mut(&mut self.0)
    }

    pub(crate) fn finish(self) -> Buffer {
        self.0
    }
}

/// Keeps a buffer for later, where nobody else has it and there is room.
pub(crate) fn keep(mut buffer: Buffer) {
    let Some(bytes) = Arc::get_mut(&mut buffer) else {
        return;
    };
    let capacity = bytes.capacity();
    if capacity == 0 || capacity > BUFFER_BYTES_MAX {
        return;
    }
    bytes.clear();
    // Dropped with the thread's others where it ends.
    let _ = KEPT.try_with(|kept| {
        let kept = &mut *kept.borrow_mut();
        if kept.buffers.len() < KEPT_MAX && kept.bytes + capacity <= KEPT_BYTES_MAX {
            kept.bytes += capacity;
            kept.buffers.push(buffer);
        }
    });
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
}
