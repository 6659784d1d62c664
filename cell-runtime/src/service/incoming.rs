//! A call on its way from bytes to a handler and back.

use std::future::Future;
use std::sync::Arc;

use crate::handlers::AnyState;
use crate::protein::{self, Protein};
use crate::server::{CallContext, CallFuture, CallStreams, Reply, Status, StatusCode};
use crate::stream::Stream;
use crate::vesicle::Vesicle;

use super::scope::{Inherited, Scoped};
use super::{Context, State, View};

/// Runs what is around a handler, so that the calls that it makes know what they are made for.
#[cfg(feature = "tower")]
pub(crate) fn made_for(context: CallContext, call: CallFuture) -> CallFuture {
    CallFuture::new(Scoped::new(Inherited::of(&context), call))
}

/// A call that nobody has looked into yet.
pub struct Incoming {
    context: CallContext,
    payload: Vesicle,
    state: Option<AnyState>,
}

impl Incoming {
    pub(crate) fn new(context: CallContext, payload: Vesicle, state: Option<AnyState>) -> Incoming {
        Incoming {
            context,
            payload,
            state,
        }
    }

    pub(crate) fn payload(&self) -> &Vesicle {
        &self.payload
    }

    /// Runs a handler, so that the calls that it makes know what they are made for.
    pub fn run<F, Fut>(self, handler: F) -> CallFuture
    where
        F: FnOnce(Incoming) -> Fut,
        Fut: Future<Output = Result<Reply, Status>> + Send + 'static,
    {
        let inherited = Inherited::of(&self.context);
        CallFuture::new(Scoped::new(inherited, handler(self)))
    }

    /// The items that go with the call.
    pub(crate) fn streams(&self) -> &CallStreams {
        &self.context.streams
    }

    /// The items that the caller streams.
    pub fn items<T: Protein>(&self) -> Stream<T> {
        Stream::remote(self.streams().port())
    }

    /// Validates the request.
    pub fn open<T: Protein>(&self) -> Result<View<T>, Status> {
        View::open(self.payload.clone()).map_err(|error| {
            let message = format!("the request is no archive of `{}`: {error}", T::TY);
            Status::new(StatusCode::BadRequest, message)
        })
    }

    /// The call's context.
    pub fn context(&self) -> Context {
        Context::new(self.context.clone())
    }

    /// The cell's state.
    pub fn state<S: Send + Sync + 'static>(&self) -> Result<State<S>, Status> {
        let state = self
            .state
            .clone()
            .and_then(|state| Arc::downcast(state).ok());
        state.map(State::shared).ok_or_else(|| {
            let message = format!(
                "the cell was served without its state, a `{}`",
                std::any::type_name::<S>()
            );
            Status::new(StatusCode::Internal, message)
        })
    }
}

/// Archives what a handler returned.
pub fn answer<T: Protein>(value: &T) -> Result<Reply, Status> {
    archive(value).map(Reply::Ok)
}

/// Archives what a fallible handler returned.
pub fn answer_result<T: Protein, E: Protein>(result: &Result<T, E>) -> Result<Reply, Status> {
    match result {
        Ok(value) => archive(value).map(Reply::Ok),
        Err(error) => archive(error).map(Reply::AppError),
    }
}

fn archive<T: Protein>(value: &T) -> Result<Vesicle, Status> {
    protein::archive(value).map_err(|error| {
        let message = format!("the answer cannot be archived as `{}`: {error}", T::TY);
        Status::new(StatusCode::Internal, message)
    })
}
