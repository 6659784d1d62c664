//! What the calls that a handler makes inherit from the call that it works on.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::server::CallContext;
use crate::wire::TraceParent;

thread_local! {
    /// Of the call whose handler is being polled on this thread. A pointer instead of a value: it is set and reset at every poll.
    static CURRENT: Cell<*const Inherited> = const { Cell::new(ptr::null()) };
}

/// What a call hands down to those that are made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inherited {
    pub(crate) deadline: Instant,
    pub(crate) trace: Option<TraceParent>,
}

impl Inherited {
    pub(crate) fn of(context: &CallContext) -> Inherited {
        Inherited {
            deadline: context.deadline,
            trace: context.trace,
        }
    }
}

/// What the call that the current task works on hands down.
pub(crate) fn inherited() -> Option<Inherited> {
    // A thread that ends works on no call.
    let current = CURRENT.try_with(Cell::get).ok()?;
    // SAFETY: it is null, or set by a `Scoped` that is being polled further up on this thread's stack. That one is borrowed until its
    // poll returns, and then the pointer is reset, also by a panic.
    let current = unsafe { current.as_ref() };
    current.copied()
}

/// A handler's future; the calls that it makes inherit.
pub(crate) struct Scoped<F> {
    handed_down: Inherited,
    future: F,
}

impl<F> Scoped<F> {
    pub(crate) fn new(handed_down: Inherited, future: F) -> Scoped<F> {
        Scoped {
            handed_down,
            future,
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is not moved out of its place, and `Scoped` neither has a `Drop` nor is it `Unpin` where `F` is not.
        let (handed_down, future) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.handed_down, Pin::new_unchecked(&mut this.future))
        };
        let _entered = Entered::new(handed_down);
        future.poll(cx)
    }
}

/// Puts back what was there before.
struct Entered(*const Inherited);

impl Entered {
    fn new(handed_down: &Inherited) -> Entered {
        let handed_down = NonNull::from(handed_down).as_ptr().cast_const();
        Entered(CURRENT.replace(handed_down))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;

    fn handed_down(seconds: u64) -> Inherited {
        Inherited {
            deadline: Instant::now() + Duration::from_secs(seconds),
            trace: None,
        }
    }

    #[tokio::test]
    async fn what_is_inside_sees_it_and_what_is_outside_does_not() {
        let (outer, inner) = (handed_down(1), handed_down(2));
        assert_eq!(inherited(), None);
        let work = Scoped::new(outer, async {
            assert_eq!(inherited(), Some(outer));
            tokio::task::yield_now().await;
            Scoped::new(inner, async {
                assert_eq!(inherited(), Some(inner));
                tokio::task::yield_now().await;
                assert_eq!(inherited(), Some(inner));
            })
            .await;
            assert_eq!(inherited(), Some(outer));
        });
        let other = async {
            assert_eq!(inherited(), None);
            tokio::task::yield_now().await;
            assert_eq!(inherited(), None);
        };
        tokio::join!(work, other);
        assert_eq!(inherited(), None);
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let mut work = pin!(Scoped::new(handed_down(1), async {
            panic!("as asked");
        }));
        let mut cx = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _: Poll<()> = work.as_mut().poll(&mut cx);
        }));
        assert!(polled.is_err());
        assert_eq!(inherited(), None);
    }
}
