#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge, and passed to the state"
)]

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::call::Call;
use super::driver;
use super::exchange::{Exchange, StreamSlot};
use super::ring::Ring;
use crate::gap::{Junction, Look};
use crate::lock::lock;
use crate::transport::{Stream, Writer};
use crate::wire::{
    CallFailure, ClientEvent, ClientSink, ClientState, Hello, IdMap, Limits, Reply, Request,
    features,
};

/// One connection that many calls share; cloning it shares it. It closes when the last clone is dropped and nothing is in
/// flight.
#[derive(Clone)]
pub struct Connection {
    owner: Arc<Owner>,
}

/// With more calls in flight than these a connection is under load.
pub(super) const QUIET_CALLS_MAX: usize = 4;

/// What callers and the connection's task share.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    writer: Box<dyn Writer>,
    /// Told when a call ends while others wait for their turn.
    pub(super) room: Notify,
    pub(super) junction: Option<Junction>,
    /// It carries a single call.
    pub(super) one_call: bool,
}

pub(super) struct Inner {
    pub(super) state: ClientState,
    pub(super) driver: Option<Waker>,
    /// The task has been asked to run since it last did.
    pub(super) woken: bool,
    /// The socket took no more; the task waits until it does.
    pub(super) blocked: bool,
    pub(super) orphaned: bool,
    /// A caller has written in place since the task last ran.
    pub(super) wrote_inline: bool,
    /// When the task's timer fires.
    pub(super) armed: Option<Instant>,
    pub(super) slots: IdMap<Slot>,
    /// Callers that wait because the connection has as many calls in flight as the protocol allows.
    pub(super) waiting: usize,
    /// Somebody waits for the server to read.
    pub(super) congested: bool,
    /// What moves the connection into shared memory, until it does.
    pub(super) junction: Option<Junction>,
    /// Once it goes through shared memory.
    pub(super) ring: Option<Box<Ring>>,
    /// The task looks for answers in a way that makes it worth while to wake it for every call.
    pub(super) task_looks: bool,
    /// Why the connection's task has to end it.
    pub(super) failed: Option<String>,
}

pub(super) enum Slot {
    Waiting(Option<Waker>),
    Done(Result<Reply, CallFailure>),
    /// A call with streams.
    Streams(Box<StreamSlot>),
}

/// Lives as long as somebody can start calls.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.orphaned = true;
        inner.wake_driver();
    }
}

impl Connection {
    /// Starts a connection on the current runtime. The handshake is sent without waiting for its answer; calls may follow.
    pub fn open<S: Stream>(stream: S, hello: &Hello, limits: Limits) -> Connection {
        let (connection, driver) = Connection::with_driver(stream, hello, limits);
        tokio::spawn(driver);
        connection
    }

    fn with_driver<S: Stream>(
        stream: S,
        hello: &Hello,
        limits: Limits,
    ) -> (Connection, impl Future<Output = ()> + Send + use<S>) {
        let read_bytes = stream.read_bytes();
        let junction = stream.junction();
        let one_call = stream.carries_one_call();
        let mut hello = hello.clone();
        if let Some(junction) = &junction {
            junction.expect();
            hello.features |= features::GAP;
        }
        let (reader, writer) = stream.split();
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                state: ClientState::new(&hello, limits),
                driver: None,
                woken: false,
                blocked: false,
                orphaned: false,
                wrote_inline: false,
                armed: None,
                slots: IdMap::default(),
                waiting: 0,
                congested: false,
                junction: junction.clone(),
                ring: None,
                task_looks: false,
                failed: None,
            }),
            writer: Box::new(writer),
            room: Notify::new(),
            junction,
            one_call,
        });
        let driver = driver::drive(Arc::clone(&shared), reader, read_bytes);
        let owner = Arc::new(Owner(shared));
        (Connection { owner }, driver)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.owner.0
    }

    /// Makes a call. Dropping the future cancels it at the other side.
    pub async fn call(&self, request: &Request) -> Result<Reply, CallFailure> {
        self.call_at(Instant::now(), request).await
    }

    /// As [`Connection::call`], where it is known what time it is.
    pub(super) async fn call_at(
        &self,
        now: Instant,
        request: &Request,
    ) -> Result<Reply, CallFailure> {
        // Started with its waker: the first poll has nothing to register.
        let begun = poll_fn(|cx| Poll::Ready(self.clone().begin(now, request, cx.waker()))).await;
        match begun {
            Err(failure) if failure.is_full() => {
                let started = self.wait_and_start(request).await?;
                self.clone().follow(started, false).await
            }
            begun => begun?.await,
        }
    }

    /// Starts a call that wakes `caller`, unless its first poll finds the answer.
    pub(super) fn begin(
        self,
        now: Instant,
        request: &Request,
        caller: &Waker,
    ) -> Result<Call, CallFailure> {
        let started = self.shared().start(now, request, Some(caller))?;
        let waits = started.looks.is_none();
        Ok(self.follow(started, waits))
    }

    fn follow(self, started: Started, waits: bool) -> Call {
        Call {
            connection: self,
            id: started.id,
            looks: started.looks,
            waits,
            is_over: started.answer.is_some(),
            answer: started.answer,
        }
    }

    /// Starts a call with streams. Dropping what is given cancels it at the other side.
    pub(crate) async fn open_streams(&self, request: &Request) -> Result<Exchange, CallFailure> {
        let started = match self.shared().start(Instant::now(), request, None) {
            Err(failure) if failure.is_full() => self.wait_and_start(request).await?,
            outcome => outcome?,
        };
        let exchange = Exchange::new(self.clone(), started.id);
        exchange.started().await?;
        Ok(exchange)
    }

    /// The connection is full: starts the call when others have ended.
    async fn wait_and_start(&self, request: &Request) -> Result<Started, CallFailure> {
        let shared = self.shared();
        let _waiting = Waiting::new(shared);
        loop {
            let mut room = pin!(shared.room.notified());
            // Listening before looking: a call that ends in between is not missed.
            room.as_mut().enable();
            match shared.start(Instant::now(), request, None) {
                Err(failure) if failure.is_full() => {}
                outcome => return outcome,
            }
            timeout_at(request.deadline.into(), room)
                .await
                .map_err(|_| CallFailure::DeadlineExceeded)?;
        }
    }

    /// Whether new calls can be started.
    pub fn is_open(&self) -> bool {
        self.shared().lock().state.is_open()
    }

    /// Whether both are the same connection.
    pub(super) fn is(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.owner, &other.owner)
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    pub(super) fn writer(&self) -> &dyn Writer {
        &*self.writer
    }

    /// Starts a call. A caller that does not look for the answer itself is woken by it.
    fn start(
        &self,
        now: Instant,
        request: &Request,
        caller: Option<&Waker>,
    ) -> Result<Started, CallFailure> {
        let mut inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(_) => {
                let mut inner = self.lock();
                inner.has_met();
                inner
            }
        };
        let id = inner.state.start(now, request)?;
        let looks = if request.streams {
            None
        } else {
            inner.prepare_look()
        };
        if looks.is_none() {
            inner.ask_for_bells();
        }
        let slot = if request.streams {
            Slot::Streams(Box::default())
        } else {
            Slot::Waiting(caller.filter(|_| looks.is_none()).cloned())
        };
        inner.slots.insert(id, slot);
        let timer_too_late = inner.armed.is_none_or(|armed| request.deadline < armed);
        if timer_too_late {
            inner.armed = Some(request.deadline);
        }
        // A lone call is written at once, without a hop through the task, also beside a few that take long. Under load the
        // task sends many frames in one write.
        inner.write_in_place(self.writer());
        if timer_too_late || inner.has_output() {
            inner.wake_driver();
        } else if inner.task_looks && looks.is_none() {
            inner.let_driver_look();
        }
        let answer = match looks {
            Some(Look::Spin) => inner.look_at_once(id),
            _ => None,
        };
        if answer.is_some() {
            inner.make_room(self);
        }
        Ok(Started { id, looks, answer })
    }
}

impl Inner {
    /// A call has ended: another one may start.
    pub(super) fn make_room(&self, shared: &Shared) {
        if self.waiting > 0 {
            shared.room.notify_one();
        }
    }

    fn write_in_place(&mut self, writer: &dyn Writer) {
        let is_quiet = self.state.in_flight() <= QUIET_CALLS_MAX;
        if is_quiet && !self.blocked && !std::mem::replace(&mut self.wrote_inline, true) {
            self.flush(writer);
        }
    }

    /// Sends what a call with streams has queued.
    pub(super) fn send(&mut self, writer: &dyn Writer) {
        self.write_in_place(writer);
        if self.has_output() {
            self.wake_driver();
        }
    }

    /// Sends what is queued, as far as the socket takes it.
    pub(super) fn flush(&mut self, writer: &dyn Writer) {
        let out = self.state.out();
        self.blocked = match out.write_all(|parts| writer.try_write_parts(parts)) {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                out.compact();
                true
            }
            // Not the end yet: the reader finds out what the server still said.
            Err(error) => {
                let reason = format!("the connection failed: {error}");
                self.settle(|state, callers| state.write_failed(&reason, callers));
                false
            }
        };
        self.relieve();
    }

    pub(super) fn has_output(&mut self) -> bool {
        !self.state.out().is_empty()
    }

    /// The task has nothing to do but to look for what comes in.
    fn let_driver_look(&self) {
        if let Some(waker) = &self.driver {
            waker.wake_by_ref();
        }
    }

    pub(super) fn wake_driver(&mut self) {
        if !std::mem::replace(&mut self.woken, true)
            && let Some(waker) = &self.driver
        {
            waker.wake_by_ref();
        }
    }

    /// Gives a part of the state's work to `work`; what happens goes to whom it belongs to.
    pub(super) fn settle<T>(
        &mut self,
        work: impl FnOnce(&mut ClientState, &mut Callers<'_>) -> T,
    ) -> T {
        let mut callers = Callers {
            slots: &mut self.slots,
            has_gap: false,
        };
        let outcome = work(&mut self.state, &mut callers);
        if callers.has_gap {
            self.enter_ring();
        }
        outcome
    }
}

/// Those who wait for what happens.
pub(super) struct Callers<'a> {
    slots: &'a mut IdMap<Slot>,
    has_gap: bool,
}

impl ClientSink for Callers<'_> {
    #[inline]
    fn take(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Done(id, result) => match self.slots.get_mut(id) {
                Some(Slot::Streams(slot)) => slot.finish(result),
                Some(slot) => {
                    if let Slot::Waiting(Some(waker)) = std::mem::replace(slot, Slot::Done(result))
                    {
                        waker.wake();
                    }
                }
                None => {}
            },
            ClientEvent::Items(id, items) => {
                if let Some(Slot::Streams(slot)) = self.slots.get_mut(id) {
                    slot.push(items);
                }
            }
            ClientEvent::Credit(id) => {
                if let Some(Slot::Streams(slot)) = self.slots.get_mut(id) {
                    slot.credit();
                }
            }
            ClientEvent::GoAway => {}
            // Nothing comes behind it.
            ClientEvent::Gap => self.has_gap = true,
        }
    }
}

/// Counts a waiting caller, also one whose future is dropped.
struct Waiting<'a>(&'a Shared);

impl Waiting<'_> {
    fn new(shared: &Shared) -> Waiting<'_> {
        shared.lock().waiting += 1;
        Waiting(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.waiting -= 1;
        // Handed on: where the connection has closed, no further call ends to wake the others.
        if inner.waiting > 0 {
            self.0.room.notify_one();
        }
    }
}

/// A call that is on its way.
struct Started {
    id: u64,
    /// Its caller has to look for the answer.
    looks: Option<Look>,
    /// Found by the first look.
    answer: Option<Result<Reply, CallFailure>>,
}
