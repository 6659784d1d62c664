//! Looking again and again for a short while, or after others have had the core: the one place that waits without sleeping.
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
use super::spin::{Look, Spin};

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

/// How often the core is left to others in one look.
const YIELDS: u32 = 2;

/// A look that took longer was none that one should take again: about what sleeping and being woken takes.
const YIELDED: Duration = Duration::from_micros(100);

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

/// A look that takes no longer than most answers do: about a microsecond.
pub(crate) fn at_once(glance: &Glance) -> bool {
    look(FREE_LOOKS, &mut || !glance.is_empty())
}

/// A caller's look in place; whether something came, and soon.
pub(super) fn caller(how: Look, mut is_there: impl FnMut() -> bool) -> bool {
    match how {
        Look::Spin => look(FREE_LOOKS, &mut is_there) || run(CALLER, is_there),
        Look::Yield => yields(is_there),
    }
}

/// Lets others have the core: the peer, if it waits for this one, finds what to do, and yields too when it is done.
fn yields(mut is_there: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    let found = (0..YIELDS).any(|_| {
        std::thread::yield_now();
        is_there()
    });
    // Somebody else may have had the core for his whole turn.
    found && start.elapsed() < YIELDED
}

/// Tasks of this process that look at this moment: they share the time that others may have to wait for them.
static LOOKING: AtomicU32 = AtomicU32::new(0);

/// A connection's task that looks for what comes in, turn by turn, before it sleeps. Where that is in vain it leaves its core to others
/// for a moment, and looks then: a peer on the same core.
pub(crate) struct Looker {
    /// Without it there is nothing to look at.
    glance: Option<Glance>,
    spin: Spin,
    yields: Spin,
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
    pub(crate) fn new(junction: &Junction) -> Looker {
        Looker {
            glance: junction.glance(),
            spin: Spin::of_task(),
            yields: Spin::of_yields(),
            until: None,
            spent: false,
        }
    }

    fn glance(&self, look: impl FnOnce(&Glance) -> bool) -> bool {
        self.glance.as_ref().is_some_and(look)
    }

    /// Something came: looking may be worth while again.
    pub(crate) fn reset(&mut self) {
        self.spent = false;
    }

    /// Nobody is expected: what was begun ends.
    pub(crate) fn stop(&mut self) {
        self.until = None;
    }

    /// Whether a look would leave the core to others: for a peer that has just got something to do.
    pub(crate) fn yields(&self) -> bool {
        !self.spin.is_wanted() && self.yields.is_wanted()
    }

    /// Leaves the core to others, if that is worth while.
    pub(crate) fn try_yield(&mut self) {
        if self.spent || self.glance(|glance| !glance.is_empty()) {
            return;
        }
        self.spent = true;
        if self.yields.wants() {
            if yields(|| self.glance(|glance| !glance.is_empty())) {
                self.spent = false;
                self.yields.hit();
            } else {
                self.yields.miss();
            }
        }
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
                self.try_yield();
                return Poll::Ready(());
            }
            if self.glance(at_once) {
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
