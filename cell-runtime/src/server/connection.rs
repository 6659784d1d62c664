#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge, and passed to the state"
)]

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::begin::{Begun, Unattended, Waiting, begin};
use super::inbox::Inbox;
use super::shared::{Inner, QUIET_CALLS_MAX, Shared};
use super::streams::{CallStreams, ConnectionPort, Slot, take_items};
use super::{Caller, Host};
use crate::gap::{Junction, Looker, Patience};
use crate::spare::Scratch;
use crate::transport::{Stream, Writer};
use crate::turn::others_first;
use crate::wire::{IdMap, IncomingCall, ServerEvent, ServerState, Serving, Status, StatusCode};

/// How long a drained connection waits for its client to close before it does so itself.
const LINGER: Duration = Duration::from_millis(250);

/// A peer that asks for more and more and reads none of it, although its requests are no longer read: calls that were in
/// flight by then may still be answered, each with a whole payload.
const ABANDONED_BYTES_MAX: usize = 256 << 20;

/// A connection as far as it has come.
pub(super) struct Talk<R, W> {
    pub(super) reader: R,
    pub(super) writer: W,
    pub(super) junction: Option<Junction>,
    pub(super) one_call: bool,
    pub(super) state: ServerState,
    pub(super) buf: Scratch,
    pub(super) inbox: Inbox,
    pub(super) caller: Caller,
    pub(super) greeted: bool,
    /// The peer has said all.
    pub(super) ended: bool,
    /// A call that is to begin.
    pub(super) call: Option<IncomingCall>,
    /// A call that has begun.
    pub(super) waiting: Option<Unattended>,
}

impl<R: AsyncRead + Unpin, W: Writer> Talk<R, W> {
    /// A new connection.
    pub(super) fn new<S: Stream<Reader = R, Writer = W>>(
        stream: S,
        refusal: Option<Status>,
        host: &Host,
    ) -> Talk<R, W> {
        let caller = Caller {
            name: Arc::clone(&host.unknown),
            uid: stream.peer_uid(),
        };
        let buf = Scratch::take(stream.read_bytes());
        let junction = stream.junction();
        let one_call = stream.carries_one_call();
        let (reader, writer) = stream.split();
        Talk {
            reader,
            writer,
            junction,
            one_call,
            state: ServerState::new(
                Serving {
                    refusal,
                    ..host.serving.clone()
                },
                host.options.limits,
            ),
            buf,
            inbox: Inbox::new(),
            caller,
            greeted: false,
            ended: false,
            call: None,
            waiting: None,
        }
    }
}

pub(super) async fn serve<R: AsyncRead + Unpin, W: Writer>(talk: Talk<R, W>, host: Arc<Host>) {
    let (options, mut drain) = (&host.options, host.drain.clone());
    let Talk {
        mut reader,
        writer,
        junction,
        one_call,
        state,
        mut buf,
        mut inbox,
        mut caller,
        mut greeted,
        mut ended,
        call,
        waiting,
    } = talk;
    let shared = Arc::new(Shared {
        inner: Mutex::new(Inner {
            state,
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
    if let Some(call) = call {
        drop(start(&shared, &host, &caller, call));
    }
    if let Some(waiting) = waiting.and_then(Unattended::take) {
        wait_for(&shared, &mut shared.lock(), waiting);
    }
    // What was read, or said already, is looked at before anything is waited for.
    let mut goes_on = one_call;
    let mut draining = false;
    let mut limit = pin!(sleep(Duration::ZERO));
    let mut handshake = pin!(sleep(options.handshake));
    // Listened to once, not anew at every wait.
    let mut listening = drain.clone();
    let mut drained = pin!(until_draining(&mut listening));
    let (mut closed, mut lingering) = (false, false);
    let mut looker = None;
    let (mut patience, mut is_busy) = (Patience::new(), false);
    loop {
        // Asked first: a client that always has more to read would starve the other branches.
        let step = if std::mem::take(&mut goes_on) {
            Step::GoesOn
        } else if !draining && drain.has_changed().unwrap_or(false) {
            Step::Drain
        } else if draining && limit.deadline().into_std() <= Instant::now() {
            Step::Limit
        } else {
            tokio::select! {
                biased;
                step = poll_fn(|cx| {
                    if ended && shared.writer.poll_gone(cx).is_ready() {
                        return Poll::Ready(Step::Gone);
                    }
                    poll_step(&shared, &mut reader, &mut buf, !ended && !inbox.has_more, &mut looker, is_busy.then_some(&mut patience), cx)
                }) => step,
                // It may be somebody who only wants to hold what a connection costs.
                () = handshake.as_mut(), if !greeted => return,
                () = drained.as_mut(), if !draining => Step::Drain,
                () = limit.as_mut(), if draining => Step::Limit,
            }
        };
        let mut has_read = false;
        match step {
            Step::Woken => {
                others_first().await;
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
            Step::Read(Ok(0)) if one_call && !closed && shared.lock().owes_an_answer() => {
                ended = true
            }
            Step::Read(Ok(0) | Err(_)) | Step::Gone => return,
            Step::Read(Ok(len)) => {
                inbox.take(len);
                patience.came();
                has_read = true;
            }
            Step::Filled => {
                inbox.take(0);
                has_read = true;
            }
            Step::GoesOn => {}
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
        let mut calls = 0;
        let mut inner = shared.lock();
        inner.wrote_inline &= !has_read;
        loop {
            let event = match inbox.next(&mut inner, &shared.writer, &buf, &mut full) {
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
                    inner.flush(&shared.writer);
                }
                ServerEvent::Call(call) => {
                    calls += 1;
                    drop(inner);
                    inner = start(&shared, &host, &caller, call);
                    full = inner.is_full();
                }
                ServerEvent::Cancelled(id) => {
                    drop(inner);
                    cancel(&shared, id);
                    inner = shared.lock();
                }
                ServerEvent::Items(id, items) => {
                    drop(inner);
                    take_items(&shared, &host.load, id, items);
                    inner = shared.lock();
                }
                ServerEvent::Ended(id) => inner.with_slot(id, Slot::end),
                ServerEvent::Credit(id) => inner.with_slot(id, Slot::wake_writer),
                ServerEvent::Gap => {
                    if let Some(junction) = &junction {
                        junction.accepted();
                        let beside = || Box::new(junction.clone());
                        inner.state.set_beside(beside(), beside());
                        looker = Some(Looker::new(junction));
                    }
                }
            }
        }
        if calls > 0 {
            is_busy = calls > QUIET_CALLS_MAX;
        }
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
        // It says no more, and waits for nothing.
        if ended && !closed && inner.state.in_flight() == 0 && inner.state.out().is_empty() {
            // It fails where the client has gone.
            let _ = shared.writer.close_write();
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

/// Ready once the server drains; never where it is gone without draining.
async fn until_draining(drain: &mut watch::Receiver<Option<Duration>>) {
    if drain.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}

enum Step {
    GoesOn,
    Woken,
    Writable,
    Read(std::io::Result<usize>),
    /// Read to where it stays.
    Filled,
    /// The peer wants no answer any more.
    Gone,
    Drain,
    Limit,
}

fn poll_step<W: Writer, R: AsyncRead + Unpin>(
    shared: &Shared<W>,
    reader: &mut R,
    buf: &mut [u8],
    wants_more: bool,
    looker: &mut Option<Looker>,
    patience: Option<&mut Patience>,
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
        if let Some(patience) = patience
            && looker.is_none()
            && idle
        {
            patience.wait(cx);
        }
    }
    Poll::Pending
}

/// Starts a call; one that has not ended at once gets a task.
fn start<'a, W: Writer>(
    shared: &'a Arc<Shared<W>>,
    host: &Host,
    caller: &Caller,
    call: IncomingCall,
) -> MutexGuard<'a, Inner> {
    let id = call.id;
    let streams = || {
        let mut inner = shared.lock();
        inner.streams.insert(id, Slot::default());
        inner.state.started(id);
        CallStreams::new(ConnectionPort {
            shared: Arc::clone(shared),
            id,
        })
    };
    let begun = begin(host, caller, call, streams);
    let mut inner = shared.lock();
    match begun {
        Begun::Ended(result) => {
            inner.forget(id);
            inner.state.respond(id, result);
        }
        Begun::Waits(waiting) => wait_for(shared, &mut inner, waiting),
    }
    inner
}

/// Gives a call that waits a task of its own.
fn wait_for<W: Writer>(shared: &Arc<Shared<W>>, inner: &mut Inner, waiting: Waiting) {
    let id = waiting.id;
    if waiting.has_streams && !inner.streams.contains(id) {
        // Its caller's items were no archive of what it takes: it is answered already.
        shared.metrics.ended(false);
        return;
    }
    let on_end = Arc::clone(shared);
    let token = waiting.token.clone();
    // Registered under the lock that `finish` takes, so that the entry is there before it can be removed.
    let task = tokio::spawn(async move {
        let began = waiting.began;
        let result = waiting.end().await;
        on_end.finish(id, result, began);
    });
    inner.running.insert(id, (task.abort_handle(), token));
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
