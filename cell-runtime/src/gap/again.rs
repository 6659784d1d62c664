use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::lock::lock;

/// Long beside what a look costs, short beside what a person notices.
const MOMENT: Duration = Duration::from_millis(1);

/// Looks again after a moment, where nobody can be relied on to say when.
#[derive(Default)]
pub(super) struct Again(Mutex<Option<Pin<Box<Sleep>>>>);

impl Again {
    /// Ready when a moment has passed since it was asked first.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut moment = lock(&self.0);
        let running = moment.get_or_insert_with(|| Box::pin(sleep(MOMENT)));
        ready!(running.as_mut().poll(cx));
        *moment = None;
        Poll::Ready(())
    }
}
