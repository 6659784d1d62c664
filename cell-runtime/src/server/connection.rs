#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge, and passed to the state"
)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::time::{sleep, timeout_at};

use super::load::{Load, Permit};
use super::panics::{CatchPanic, catch};
use super::shared::{Inner, Shared};
use super::streams::{CallStreams, ConnectionPort, Slot, take_items};
use super::{CallContext, Caller, CancelToken, ServerOptions, Service};
use crate::gap::Looker;
use crate::spare::Scratch;
use crate::transport::{Stream, Writer};
use crate::wire::{
    IdMap, IncomingCall, Reply, ServerEvent, ServerState, Serving, Status, StatusCode, Violation,
};

/// How long a drained connection waits for its client to close before it does so itself.
const LINGER: Duration = Duration::from_millis(250);

/// A peer that asks for more and more and reads none of it, although its requests are no longer read: calls that were in
/// flight by then may still be answered, each with a whole payload.
const ABANDONED_BYTES_MAX: usize = 256 << 20;

pub(super) async fn serve<S: Stream>(
    stream: S,
    service: Arc<dyn Service>,
    serving: Serving,
    options: ServerOptions,
    load: Arc<Load>,
    mut drain: watch::Receiver<Option<Duration>>,
) {
    let uid = stream.peer_uid();
    let mut buf = Scratch::take(stream.read_bytes());
    let junction = stream.junction();
    let one_call = stream.carries_one_call();
    let (mut reader, writer) = stream.split();
    let shared = Arc::new(Shared {
        inner: Mutex::new(Inner {
            state: ServerState::new(serving, options.limits),
            task: None,
            woken: false,
            blocked: false,
            broken: false,
            wrote_inline: false,
            running: IdMap::default(),
            streams: IdMap::default(),
            congested: false,
            one_call,
            closed: false,
        }),
        writer,
        metrics: Arc::clone(&options.metrics),
    });
    // However the connection ends, its calls end with it.
    let _guard = AbortOnDrop(Arc::clone(&shared));
    let mut caller = Caller {
        name: "unknown".into(),
        uid,
    };
    let mut inbox = Inbox::new();
    let mut draining = false;
    let mut limit = pin!(sleep(Duration::ZERO));
    let mut handshake = pin!(sleep(options.handshake));
    // Listened to once, not anew at every wait.
    let mut listening = drain.clone();
    let mut drained = pin!(until_draining(&mut listening));
    let mut greeted = false;
    let (mut closed, mut lingering) = (false, false);
    let mut looker = None;
    loop {
        // Asked first: a client that always has more to read would starve the other branches.
        let step = if !draining && drain.has_changed().unwrap_or(false) {
            Step::Drain
        } else if draining && limit.deadline().into_std() <= Instant::now() {
            Step::Limit
        } else {
            tokio::select! {
                biased;
                step = poll_fn(|cx| {
                    poll_step(&shared, &mut reader, &mut buf, !inbox.has_more, &mut looker, cx)
                }) => step,
                // It may be somebody who only wants to hold what a connection costs.
                () = handshake.as_mut(), if !greeted => return,
                () = drained.as_mut(), if !draining => Step::Drain,
                () = limit.as_mut(), if draining => Step::Limit,
            }
        };
        match step {
            Step::Woken => {
                tokio::task::yield_now().await;
                let mut inner = shared.lock();
                inner.woken = false;
                inner.wrote_inline = false;
                if !inner.blocked {
                    inner.flush(&shared.writer);
                }
            }
            Step::Writable => {
                let mut inner = shared.lock();
                inner.blocked = false;
                inner.flush(&shared.writer);
            }
            Step::Read(Ok(0) | Err(_)) => return,
            Step::Read(Ok(len)) => {
                inbox.take(len);
                shared.lock().wrote_inline = false;
            }
            Step::Filled => {
                inbox.take(0);
                shared.lock().wrote_inline = false;
            }
            Step::Drain => {
                draining = true;
                let time = drain.borrow_and_update().unwrap_or(options.drain);
                limit.as_mut().reset(tokio::time::Instant::now() + time);
                let mut inner = shared.lock();
                inner.state.go_away();
                inner.flush(&shared.writer);
            }
            Step::Limit if lingering => return,
            Step::Limit => {
                let status = Status::new(
                    StatusCode::Draining,
                    "the cell stopped before the call was finished",
                );
                let mut inner = shared.lock();
                for id in inner.state.abort_all(&status) {
                    if let Some((task, token)) = inner.forget(id) {
                        token.cancel();
                        task.abort();
                        shared.metrics.ended(false);
                    }
                }
                inner.flush(&shared.writer);
                // A client that does not even read these gets no more time than any other to say goodbye.
                lingering = true;
                limit.as_mut().reset(tokio::time::Instant::now() + LINGER);
            }
        }
        // Whether the peer may have too much to read: asked before the first event, and then known from each answer.
        let mut full = true;
        let mut violated = false;
        loop {
            let event = match inbox.next(&shared, &buf, &mut full) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(_) => {
                    violated = true;
                    break;
                }
            };
            match event {
                ServerEvent::Accepted(hello) => {
                    greeted = true;
                    caller.name = hello.client.into();
                    // Sent before the first call is started: a client whose connection ends without it may send its
                    // calls again.
                    shared.lock().flush(&shared.writer);
                }
                ServerEvent::Call(call) => {
                    full = start(&shared, &*service, &load, &caller, call);
                }
                ServerEvent::Cancelled(id) => cancel(&shared, id),
                ServerEvent::Items(id, items) => take_items(&shared, &load, id, items),
                ServerEvent::Ended(id) => shared.lock().with_slot(id, Slot::end),
                ServerEvent::Credit(id) => shared.lock().with_slot(id, Slot::wake_writer),
                ServerEvent::Gap => {
                    if let Some(junction) = &junction {
                        junction.accepted();
                        let beside = || Box::new(junction.clone());
                        shared.lock().state.set_beside(beside(), beside());
                        looker = Some(Looker::new(junction.clone()));
                    }
                }
            }
        }
        let mut inner = shared.lock();
        if inner.state.wants_gap() {
            inner.offer_gap(junction.as_ref());
        }
        if !inner.blocked {
            inner.flush(&shared.writer);
        }
        let abandoned = inner.state.out().len() > ABANDONED_BYTES_MAX;
        if inner.broken || violated || abandoned {
            return;
        }
        // Half-closed first: closing with unread requests in the buffer could cost the client what was just written.
        if !closed && inner.is_over() && inner.state.out().is_empty() {
            if !inner.closed && shared.writer.close_write().is_err() {
                return;
            }
            (closed, lingering, draining) = (true, true, true);
            limit.as_mut().reset(tokio::time::Instant::now() + LINGER);
        }
    }
}

/// What was read and not looked at yet: a peer that has too much to read already is kept waiting.
struct Inbox {
    /// Where in the buffer it begins and ends.
    at: usize,
    end: usize,
    has_more: bool,
    /// When it was read.
    came: Instant,
}

impl Inbox {
    fn new() -> Inbox {
        Inbox {
            at: 0,
            end: 0,
            has_more: false,
            came: Instant::now(),
        }
    }

    /// So many bytes were read into the buffer. Also without any there may be more: what was read to where it stays.
    fn take(&mut self, len: usize) {
        *self = Inbox {
            at: 0,
            end: len,
            has_more: true,
            came: Instant::now(),
        };
    }

    /// The next event, unless the peer has too much to read already.
    #[inline]
    fn next<W: Writer>(
        &mut self,
        shared: &Shared<W>,
        buf: &[u8],
        full: &mut bool,
    ) -> Result<Option<ServerEvent>, Violation> {
        if !self.has_more {
            return Ok(None);
        }
        let mut inner = shared.lock();
        if *full {
            if inner.is_full() && !inner.blocked {
                inner.flush(&shared.writer);
            }
            *full = inner.is_full();
            if *full {
                return Ok(None);
            }
        }
        let mut left = &buf[self.at..self.end];
        let event = inner.state.next(self.came, &mut left);
        self.at = self.end - left.len();
        self.has_more = matches!(event, Ok(Some(_)));
        event
    }
}

/// Ready once the server drains; never where it is gone without draining.
async fn until_draining(drain: &mut watch::Receiver<Option<Duration>>) {
    if drain.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}

enum Step {
    Woken,
    Writable,
    Read(std::io::Result<usize>),
    /// Read to where it stays.
    Filled,
    Drain,
    Limit,
}

fn poll_step<W: Writer, R: AsyncRead + Unpin>(
    shared: &Shared<W>,
    reader: &mut R,
    buf: &mut [u8],
    wants_more: bool,
    looker: &mut Option<Looker>,
    cx: &mut Context<'_>,
) -> Poll<Step> {
    let (blocked, full, idle, awaits_large) = {
        let mut inner = shared.lock();
        if inner.woken {
            return Poll::Ready(Step::Woken);
        }
        if !inner
            .task
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inner.task = Some(cx.waker().clone());
        }
        let idle = inner.running.is_empty();
        (
            inner.blocked,
            inner.is_full(),
            idle,
            inner.state.awaits_large(),
        )
    };
    if blocked && shared.writer.poll_write_ready(cx).is_ready() {
        return Poll::Ready(Step::Writable);
    }
    if !full && wants_more {
        if let Some(looker) = looker {
            // Handlers that run have more use for the core.
            if !idle {
                looker.stop();
            } else if looker.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        let mut read = |room: &mut ReadBuf<'_>| {
            let outcome = Pin::new(&mut *reader).poll_read(cx, room);
            outcome.map_ok(|()| room.filled().len())
        };
        // The rest of a large payload goes to where it stays.
        let direct = if awaits_large {
            shared.lock().state.fill(&mut read)
        } else {
            None
        };
        let is_direct = direct.is_some();
        let outcome = direct.unwrap_or_else(|| read(&mut ReadBuf::new(buf)));
        if let Poll::Ready(outcome) = outcome {
            if let Some(looker) = looker {
                looker.reset();
            }
            return Poll::Ready(match outcome {
                Ok(1..) if is_direct => Step::Filled,
                outcome => Step::Read(outcome),
            });
        }
    }
    Poll::Pending
}

/// Starts a call. It is polled once in place: a handler that does not wait answers without a task of its own. Whether the
/// peer has too much to read then.
fn start<W: Writer>(
    shared: &Arc<Shared<W>>,
    service: &dyn Service,
    load: &Arc<Load>,
    caller: &Caller,
    call: IncomingCall,
) -> bool {
    let permit = match load.admit(call.payload.len()) {
        Ok(permit) => permit,
        Err(status) => {
            let mut inner = shared.lock();
            inner.state.respond(call.id, Err(status));
            return inner.is_full();
        }
    };
    let began = shared.metrics.started(Instant::now);
    let streams = if call.streams {
        let mut inner = shared.lock();
        inner.streams.insert(call.id, Slot::default());
        inner.state.started(call.id);
        CallStreams::new(ConnectionPort {
            shared: Arc::clone(shared),
            id: call.id,
        })
    } else {
        CallStreams::default()
    };
    // How long a stream lives says nothing about how fast the cell answers.
    let began = began.filter(|_| !call.streams);
    let token = CancelToken::take();
    let context = CallContext {
        deadline: call.deadline,
        caller: caller.clone(),
        trace: call.trace,
        cancelled: token.clone(),
        streams,
    };
    // One that waits is polled again by the task that it gets: until then nobody has to be woken.
    let mut cx = Context::from_waker(Waker::noop());
    let mut future = None;
    let polled = catch(|| {
        let future = future.insert(service.call(call.route, context, call.payload));
        Pin::new(future).poll(&mut cx)
    });
    let ended = match polled {
        Ok(Poll::Pending) => None,
        Ok(Poll::Ready(result)) => Some(result),
        Err(status) => Some(Err(status)),
    };
    if let Some(result) = ended {
        // Dropped only now: a second panic while the first one unwinds would end the process.
        let dropped = catch(|| drop(future));
        token.keep();
        return answer(shared, call.id, dropped.and(result), began);
    }
    let Some(future) = future.map(CatchPanic) else {
        // What waits was polled, so it is there.
        return false;
    };
    let mut inner = shared.lock();
    let (id, deadline) = (call.id, call.deadline);
    if call.streams && !inner.streams.contains(id) {
        // Its caller's items were no archive of what it takes: it is answered already.
        shared.metrics.ended(false);
        return inner.is_full();
    }
    let on_end = Arc::clone(shared);
    let late = token.clone();
    // Registered under the lock that `finish` takes, so that the entry is there before it can be removed.
    let task = tokio::spawn(async move {
        let result = timeout_at(deadline.into(), future)
            .await
            .unwrap_or_else(|_| {
                late.cancel();
                Err(Status::new(
                    StatusCode::DeadlineExceeded,
                    "the deadline passed while the handler worked",
                ))
            });
        // Nobody but the connection has it now, which keeps it for another call.
        drop(late);
        end(permit);
        on_end.finish(id, result, began);
    });
    inner.running.insert(id, (task.abort_handle(), token));
    inner.is_full()
}

/// Before the answer: whoever reads it may call again at once.
fn end(permit: Permit) {
    drop(permit);
}

fn answer<W: Writer>(
    shared: &Shared<W>,
    id: u64,
    result: Result<Reply, Status>,
    began: Option<Instant>,
) -> bool {
    shared.metrics.answered(result.is_ok(), began, Instant::now);
    let mut inner = shared.lock();
    inner.forget(id);
    inner.state.respond(id, result);
    inner.is_full()
}

pub(super) fn cancel<W: Writer>(shared: &Shared<W>, id: u64) {
    let running = shared.lock().forget(id);
    if let Some((task, token)) = running {
        token.cancel();
        task.abort();
        shared.metrics.ended(false);
    }
}

struct AbortOnDrop<W: Writer>(Arc<Shared<W>>);

impl<W: Writer> Drop for AbortOnDrop<W> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        drop(inner.streams.take_all());
        for (_, (task, token)) in inner.running.take_all() {
            token.cancel();
            task.abort();
            self.0.metrics.ended(false);
        }
    }
}
