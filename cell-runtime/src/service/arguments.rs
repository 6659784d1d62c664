//! `cell::State` and `cell::Context`.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::server::{CallContext, Caller, CancelToken};
use crate::wire::TraceParent;

/// What all calls of a cell share: the value given to `handlers().state(…)`.
///
/// It dereferences to the value; put what changes behind a lock or into an actor.
#[derive(Debug)]
pub struct State<S>(Arc<S>);

impl<S> State<S> {
    /// For calling a handler directly, as in a unit test.
    pub fn new(state: S) -> State<S> {
        State(Arc::new(state))
    }

    pub(crate) fn shared(state: Arc<S>) -> State<S> {
        State(state)
    }
}

impl<S> Clone for State<S> {
    fn clone(&self) -> State<S> {
        State(Arc::clone(&self.0))
    }
}

impl<S> Deref for State<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

/// Everything about a call but its arguments.
#[derive(Clone, Debug)]
pub struct Context(CallContext);

impl Context {
    /// For calling a handler directly, as in a unit test.
    pub fn new(context: CallContext) -> Context {
        Context(context)
    }

    /// When the caller gives up.
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// How long after `now` the caller gives up; zero when it has already.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.0.deadline.saturating_duration_since(now)
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// The trace that the call belongs to.
    pub fn trace(&self) -> Option<&TraceParent> {
        self.0.trace.as_ref()
    }

    /// Tells work that outlives the handler, such as a spawned thread, that nobody waits for it any more.
    pub fn cancelled(&self) -> &CancelToken {
        &self.0.cancelled
    }
}
