//! Letting the other tasks that are ready run first.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::runtime::{Handle, RuntimeFlavor};

/// Comes back after the other tasks that are ready. [`tokio::task::yield_now`] has the runtime ask the system for events too, which is a
/// system call; where the tasks have one queue, its end will do.
pub(crate) async fn others_first() {
    let one_queue = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        if one_queue {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            pin!(tokio::task::yield_now()).poll(cx)
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn after_the_others() -> usize {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        let last = tokio::spawn(async move {
            for _ in 0..10 {
                let count = Arc::clone(&seen);
                tokio::spawn(async move { count.fetch_add(1, Ordering::Relaxed) });
            }
            others_first().await;
            seen.load(Ordering::Relaxed)
        });
        last.await.unwrap()
    }

    #[tokio::test]
    async fn tasks_that_were_woken_before_have_run() {
        assert_eq!(after_the_others().await, 10);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_comes_back_in_any_runtime() {
        assert!(after_the_others().await <= 10);
    }
}
