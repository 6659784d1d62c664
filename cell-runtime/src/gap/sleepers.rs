use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use crate::lock::lock;

/// Who waits for a bell. A socket knows one reader only, and both halves wait for what comes in.
#[derive(Default)]
pub(super) struct Sleepers {
    pub(super) reader: Mutex<Option<Waker>>,
    pub(super) writer: Mutex<Option<Waker>>,
}

impl Sleepers {
    pub(super) fn set(slot: &Mutex<Option<Waker>>, cx: &Context<'_>) {
        let mut slot = lock(slot);
        if !slot
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *slot = Some(cx.waker().clone());
        }
    }

    pub(super) fn wake_one(slot: &Mutex<Option<Waker>>) {
        let waker = lock(slot).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Wake for Sleepers {
    fn wake(self: Arc<Sleepers>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Sleepers>) {
        Sleepers::wake_one(&self.reader);
        Sleepers::wake_one(&self.writer);
    }
}
