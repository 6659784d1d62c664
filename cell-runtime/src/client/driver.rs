#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge, and passed to the state"
)]

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use super::connection::{Inner, QUIET_CALLS_MAX, Shared};
use crate::gap::{Looker, Patience};
use crate::spare::Scratch;
use crate::turn::others_first;
use crate::wire::Violation;

/// After so many reads without anything else the clock is looked at first.
const READS_IN_A_ROW_MAX: u32 = 32;

/// The connection's task: reads, sends what callers queued, and keeps the deadlines.
pub(super) async fn drive<R: AsyncRead + Unpin>(
    shared: Arc<Shared>,
    mut reader: R,
    read_bytes: usize,
) {
    // However this ends, also by the runtime's shutdown, no caller is left waiting.
    let _guard = CloseOnDrop(Arc::clone(&shared));
    let mut buf = Scratch::take(read_bytes);
    let mut timer = pin!(sleep_until(far_future().into()));
    let mut reads = 0;
    let mut waits = false;
    let mut looker = None;
    let mut patience = Patience::new();
    loop {
        // A cell that always has more to say would keep the deadlines of those who wait for something else from being seen.
        let late_first = reads >= READS_IN_A_ROW_MAX;
        let step = poll_fn(|cx| {
            if late_first && timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Deadline);
            }
            poll_step(
                &shared,
                &mut reader,
                &mut buf,
                &mut looker,
                &mut patience,
                timer.as_mut(),
                cx,
            )
        })
        .await;
        let has_waited = std::mem::take(&mut waits);
        reads = match step {
            Step::Read(_) | Step::Received(_) if !late_first => reads + 1,
            _ => 0,
        };
        match step {
            // Its end leaves together with what its owner sends next elsewhere.
            Step::Woken if shared.lock().is_abandoned() => return,
            Step::Woken => {
                // Callers that were woken by one read run first; then one write sends all that they queued.
                if !shared.one_call && !has_waited {
                    others_first().await;
                }
                let mut inner = shared.lock();
                inner.woken = false;
                inner.wrote_inline = false;
                if !inner.blocked {
                    inner.flush(shared.writer());
                }
                arm(&mut inner, timer.as_mut());
                if let Some(reason) = inner.failed.take() {
                    drop(inner);
                    return close(&shared, &reason);
                }
                if inner.state.is_finished() || inner.is_abandoned() {
                    return;
                }
            }
            Step::Writable => {
                let mut inner = shared.lock();
                inner.blocked = false;
                inner.flush(shared.writer());
            }
            Step::Read(Ok(0)) => return close(&shared, "the cell closed the connection"),
            Step::Read(Ok(len)) => {
                let mut inner = shared.lock();
                let outcome = inner.take_in(&buf[..len]);
                if answer(inner, &shared, outcome).is_break() {
                    return;
                }
            }
            Step::Received(outcome) => {
                if answer(shared.lock(), &shared, outcome).is_break() {
                    return;
                }
                // Those who were woken run before the task finds that nothing more is there, and goes to sleep: that takes longer
                // than what they wait for. But what could not be written is not kept waiting for those who write more.
                if !shared.lock().has_output() {
                    // Also a caller that the runtime blocks on, whose turn comes after a look at the sockets.
                    tokio::task::yield_now().await;
                    waits = true;
                }
            }
            Step::Read(Err(error)) => {
                return close(&shared, &format!("the connection failed: {error}"));
            }
            Step::Deadline => {
                let mut inner = shared.lock();
                inner.settle(|state, callers| state.expire(Instant::now(), callers));
                inner.armed = inner.state.next_deadline();
                arm(&mut inner, timer.as_mut());
                inner.flush(shared.writer());
                if inner.state.is_finished() {
                    return;
                }
            }
        }
    }
}

enum Step {
    Woken,
    Writable,
    Read(std::io::Result<usize>),
    /// Read from shared memory, or to where it stays, and taken in at once.
    Received(Result<(), Violation>),
    Deadline,
}

/// After something was taken in.
fn answer(
    mut inner: MutexGuard<'_, Inner>,
    shared: &Shared,
    outcome: Result<(), Violation>,
) -> ControlFlow<()> {
    let failed = inner.failed.take();
    if let Some(reason) = outcome
        .err()
        .map(|violation| violation.to_string())
        .or(failed)
    {
        drop(inner);
        close(shared, &reason);
        return ControlFlow::Break(());
    }
    if inner.state.is_finished() || (inner.orphaned && inner.state.in_flight() == 0) {
        return ControlFlow::Break(());
    }
    if !inner.blocked && inner.has_output() {
        inner.flush(shared.writer());
    }
    ControlFlow::Continue(())
}

fn poll_step<R: AsyncRead + Unpin>(
    shared: &Shared,
    reader: &mut R,
    buf: &mut [u8],
    looker: &mut Option<Looker>,
    patience: &mut Patience,
    timer: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<Step> {
    let mut inner = shared.lock();
    let blocked = {
        if inner.woken {
            return Poll::Ready(Step::Woken);
        }
        if !inner
            .driver
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inner.driver = Some(cx.waker().clone());
        }
        inner.blocked
    };
    // Callers read from shared memory too: taking in what was read must not be overtaken by them.
    let in_ring = inner.ring.is_some();
    let calls = inner.state.in_flight();
    inner.task_looks = looker.as_ref().is_some_and(Looker::yields);
    let awaits_large = inner.state.awaits_large();
    drop(inner);
    if in_ring && let Some(junction) = &shared.junction {
        let looker = looker.get_or_insert_with(|| Looker::new(junction));
        if calls <= QUIET_CALLS_MAX {
            // Their callers have looked themselves.
            looker.stop();
            if calls > 0 && looker.yields() {
                looker.try_yield();
            }
        } else if looker.poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
    let mut inner = (in_ring || awaits_large).then(|| shared.lock());
    if let Some(ring) = inner.as_mut().and_then(|inner| inner.ring.as_mut()) {
        ring.task_reads();
    }
    let mut read = |room: &mut ReadBuf<'_>| {
        let outcome = Pin::new(&mut *reader).poll_read(cx, room);
        outcome.map_ok(|()| room.filled().len())
    };
    // The rest of a large payload goes to where it stays.
    let direct = inner.as_mut().and_then(|inner| inner.state.fill(&mut read));
    let is_direct = direct.is_some();
    let outcome = direct.unwrap_or_else(|| read(&mut ReadBuf::new(buf)));
    if let Poll::Ready(outcome) = outcome {
        patience.came();
        return Poll::Ready(match (inner, outcome) {
            (Some(mut inner), Ok(len)) if len > 0 => {
                if let Some(looker) = looker {
                    looker.reset();
                }
                let bytes = if is_direct { &[] } else { &buf[..len] };
                Step::Received(inner.take_in(bytes))
            }
            (_, outcome) => Step::Read(outcome),
        });
    }
    drop(inner);
    if blocked && shared.writer().poll_write_ready(cx).is_ready() {
        return Poll::Ready(Step::Writable);
    }
    if timer.poll(cx).is_ready() {
        return Poll::Ready(Step::Deadline);
    }
    if !in_ring && !blocked && calls > QUIET_CALLS_MAX {
        patience.wait(cx);
    }
    Poll::Pending
}

impl Inner {
    /// Nobody can start a call, and nothing is left to do.
    fn is_abandoned(&mut self) -> bool {
        self.orphaned && self.state.in_flight() == 0 && !self.has_output()
    }

    pub(super) fn take_in(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.wrote_inline = false;
        self.settle(|state, callers| state.receive(bytes, callers))
    }
}

fn arm(inner: &mut Inner, timer: Pin<&mut Sleep>) {
    timer.reset(inner.armed.unwrap_or_else(far_future).into());
}

/// A time that no connection lives to see; tokio has no timer without one.
fn far_future() -> Instant {
    Instant::now() + std::time::Duration::from_secs(30 * 365 * 24 * 3600)
}

fn close(shared: &Shared, reason: &str) {
    let mut inner = shared.lock();
    inner.settle(|state, callers| state.close(reason, callers));
}

struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if self.0.one_call {
            // Its caller, who may have driven it, wants no answer any more.
            self.0.lock().flush(self.0.writer());
        }
        close(
            &self.0,
            "the runtime that drove the connection was shut down",
        );
        // The value may live on in a pool; the server is not kept waiting for it. It has gone where this fails. A stream of one
        // call ends with its owner, whose next call then shares a packet with that end.
        if !self.0.one_call {
            let _ = self.0.writer().close_write();
        }
        self.0.leave_ring();
    }
}
