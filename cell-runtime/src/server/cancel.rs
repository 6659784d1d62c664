use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a thread keeps for other calls.
const KEPT_MAX: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<CancelToken>> = const { RefCell::new(Vec::new()) };
}

/// Tells work that outlives its handler that the caller has gone. The handler itself is simply dropped.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Whether the caller has gone, or the deadline has passed.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// A call's: one that a call before it needs no longer, where there is one.
    pub(super) fn take() -> CancelToken {
        let kept = KEPT.try_with(|kept| kept.borrow_mut().pop());
        kept.ok().flatten().unwrap_or_default()
    }

    /// Keeps it for another call, where nobody looks at it any more.
    pub(super) fn keep(mut self) {
        let Some(cancelled) = Arc::get_mut(&mut self.0) else {
            return;
        };
        *cancelled.get_mut() = false;
        // A thread that ends keeps nothing.
        let _ = KEPT.try_with(|kept| {
            let kept = &mut *kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(self);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_again_only_when_nobody_looks_at_it() {
        let first = CancelToken::take();
        let outlives = first.clone();
        first.cancel();
        first.keep();
        let second = CancelToken::take();
        assert!(outlives.is_cancelled() && !second.is_cancelled());
        second.cancel();
        let at = Arc::as_ptr(&second.0);
        second.keep();
        let third = CancelToken::take();
        assert_eq!(Arc::as_ptr(&third.0), at);
        assert!(!third.is_cancelled());
    }
}
