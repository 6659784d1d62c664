//! Looking again and again for a short while: the one place that waits without sleeping.
#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge"
)]

use std::future::Future;
use std::hint::spin_loop;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Junction;
use super::segment::Glance;
use super::spin::Spin;

/// How long a caller looks for its answer in place. Short, as it may have other calls to start.
const CALLER: Duration = Duration::from_micros(4);

/// How long a connection's task looks before it lets others run.
const TURN: Duration = Duration::from_micros(5);

/// How long a connection's task looks before it sleeps: about what going to sleep and waking costs both processes, so that looking in vain costs
/// no more than twice what sleeping at once would have (the bound of competitive spinning; Karlin et al., "Empirical Studies of
/// Competitive Spinning for a Shared-Memory Multiprocessor", 1991), and a caller that was just woken is still met.
const TASK: Duration = Duration::from_micros(100);

/// Between two looks at the clock, which costs as much as a few looks at the memory.
const LOOKS: u32 = 16;

/// Looks before the first look at the clock: most answers are there by then.
const FREE_LOOKS: u32 = 48;

fn look(times: u32, is_there: &mut impl FnMut() -> bool) -> bool {
    (0..times).any(|_| {
        let there = is_there();
        if !there {
            spin_loop();
        }
        there
    })
}

/// Whether `is_there` became true in time.
fn run(time: Duration, mut is_there: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if look(LOOKS, &mut is_there) {
            return true;
        }
        if start.elapsed() >= time {
            return false;
        }
    }
}

/// A caller's look in place.
pub(super) fn caller(mut is_there: impl FnMut() -> bool) -> bool {
    look(FREE_LOOKS, &mut is_there) || run(CALLER, is_there)
}

/// Tasks of this process that look at this moment: they share the time that others may have to wait for them.
static LOOKING: AtomicU32 = AtomicU32::new(0);

/// A connection's task that looks for what comes in, turn by turn, before it sleeps.
pub(crate) struct Looker {
    junction: Junction,
    spin: Spin,
    until: Option<Until>,
    /// It has looked since something came last.
    spent: bool,
}

struct Until(Instant);

impl Until {
    fn new() -> Until {
        LOOKING.fetch_add(1, Ordering::Relaxed);
        Until(Instant::now() + TASK)
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        LOOKING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Looker {
    pub(crate) fn new(junction: Junction) -> Looker {
        Looker {
            junction,
            spin: Spin::of_task(),
            until: None,
            spent: false,
        }
    }

    fn glance(&self, look: impl FnOnce(&Glance) -> bool) -> bool {
        self.junction.0.glance(look)
    }

    /// Something came: looking may be worth while again.
    pub(crate) fn reset(&mut self) {
        self.spent = false;
    }

    /// Nobody is expected: what was begun ends.
    pub(crate) fn stop(&mut self) {
        self.until = None;
    }

    /// Ready when it is time to read, or to sleep; until then the task is woken after the others that are ready.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.spent {
            return Poll::Ready(());
        }
        if self.until.is_none() {
            if self.glance(|glance| !glance.is_empty()) {
                return Poll::Ready(());
            }
            if !self.spin.wants() {
                self.spent = true;
                return Poll::Ready(());
            }
            if self.glance(|glance| look(FREE_LOOKS, &mut || !glance.is_empty())) {
                self.spin.hit();
                return Poll::Ready(());
            }
            self.until = Some(Until::new());
        }
        let turn = TURN / LOOKING.load(Ordering::Relaxed).max(1);
        if self.glance(|glance| run(turn, || !glance.is_empty())) {
            self.until = None;
            self.spin.hit();
            return Poll::Ready(());
        }
        if self
            .until
            .as_ref()
            .is_some_and(|until| Instant::now() >= until.0)
        {
            self.until = None;
            self.spent = true;
            self.spin.miss();
            return Poll::Ready(());
        }
        // Polled once, it has the runtime run all others, and look at its sockets, before this task.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }
}
