use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;

use super::receive::{Batch, open};
use super::send::{Plain, pump};
use crate::client::{Exchange, Next, OpenCall};
use crate::protein::{Protein, decode};
use crate::service::View;
use crate::vesicle::Vesicle;
use crate::wire::{Reply, Status};
use crate::{CallError, Error};

/// What a call with streams can end with, besides its value.
pub trait Failure: From<Error> + Send {
    /// The handler's own error, out of its archive.
    #[doc(hidden)]
    fn app(archive: &Vesicle) -> Self;
}

impl Failure for Error {
    fn app(_: &Vesicle) -> Error {
        Error::Codec("the handler answered with an error, but its schema has none".into())
    }
}

impl<E: Protein + Send> Failure for CallError<E> {
    fn app(archive: &Vesicle) -> CallError<E> {
        match decode(archive) {
            Ok(error) => CallError::App(error),
            Err(error) => CallError::Failed(bad_archive::<E>(&error)),
        }
    }
}

fn bad_archive<T: Protein>(error: &dyn fmt::Display) -> Error {
    Error::Codec(format!("the answer is no archive of `{}`: {error}", T::TY))
}

/// What a cell streams to its caller: a stream of `Result<T, F>`, where `F` is [`Error`], or [`CallError`] for a route that has
/// an error of its own. An error ends it; an end without one is an end that the handler meant.
///
/// Dropping it cancels the call at the other side. Items that are not taken hold the handler back.
#[must_use = "dropping it cancels the call"]
pub struct Streaming<T: Protein, F = Error> {
    call: Option<Call>,
    batch: Batch<T>,
    failure: PhantomData<fn() -> F>,
}

/// A call, and what sends its caller's items.
struct Call {
    open: OpenCall,
    _pump: Option<Pump>,
}

/// Sends a caller's items in a task of its own, since they are wanted whether or not anybody reads the answers.
struct Pump(JoinHandle<()>);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Call {
    fn new(open: OpenCall) -> Call {
        Call { open, _pump: None }
    }

    fn sending<T, S>(open: OpenCall, items: S) -> Call
    where
        T: Protein + Send,
        S: futures_core::Stream<Item = T> + Send + 'static,
    {
        let exchange = Arc::clone(&open.exchange);
        let task = tokio::spawn(async move {
            let sending = Sending(Some(&exchange));
            match pump::<S, Plain<T>>(&*exchange, items).await {
                Ok(_) => exchange.end(),
                Err(status) => exchange.abandon(status.into()),
            }
            sending.finish();
        });
        Call {
            open,
            _pump: Some(Pump(task)),
        }
    }

    /// The end of a call whose items, if any, are of no interest.
    async fn result(&self) -> Result<Reply, Error> {
        loop {
            if let Next::Done(result) = poll_fn(|cx| self.open.exchange.poll_next(cx)).await {
                return result.map_err(|failure| self.open.error(failure));
            }
        }
    }
}

/// Ends the call where making its items panicked: it would wait for them for ever.
struct Sending<'a>(Option<&'a Exchange>);

impl Sending<'_> {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(exchange) = self.0 {
            let message = "the stream of items panicked, or was dropped";
            let status = Status::new(crate::wire::StatusCode::Cancelled, message);
            exchange.abandon(status.into());
        }
    }
}

/// The value of a call that only sends items.
pub(crate) async fn collect<I, S, T, F>(open: OpenCall, items: S) -> Result<T, F>
where
    I: Protein + Send,
    S: futures_core::Stream<Item = I> + Send + 'static,
    T: Protein,
    F: Failure,
{
    match Call::sending(open, items).result().await? {
        Reply::Ok(answer) => Ok(decode(&answer).map_err(|error| bad_archive::<T>(&error))?),
        Reply::AppError(error) => Err(F::app(&error)),
    }
}

impl<T: Protein, F: Failure> Streaming<T, F> {
    pub(crate) fn new(open: OpenCall) -> Streaming<T, F> {
        Streaming::of(Call::new(open))
    }

    pub(crate) fn sending<I, S>(open: OpenCall, items: S) -> Streaming<T, F>
    where
        I: Protein + Send,
        S: futures_core::Stream<Item = I> + Send + 'static,
    {
        Streaming::of(Call::sending(open, items))
    }

    fn of(call: Call) -> Streaming<T, F> {
        Streaming {
            call: Some(call),
            batch: Batch::default(),
            failure: PhantomData,
        }
    }

    /// The next item; nothing after the last. After an error nothing comes.
    pub async fn next(&mut self) -> Option<Result<T, F>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// The next items, as many as have come together, where they lie in the frame: nothing is copied. Nothing after the
    /// last.
    pub async fn next_batch(&mut self) -> Option<Result<View<Vec<T>>, F>> {
        poll_fn(|cx| self.poll_items(cx)).await
    }

    fn poll_items(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<View<Vec<T>>, F>>> {
        if let Some(items) = self.batch.whole() {
            return Poll::Ready(Some(Ok(items)));
        }
        if let Some(rest) = self.batch.rest() {
            return Poll::Ready(Some(rest.map_err(F::from)));
        }
        self.poll_batch(cx)
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, F>>> {
        loop {
            if let Some(item) = self.batch.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(self.poll_batch(cx)) {
                Some(Ok(items)) => self.batch = Batch::new(items),
                Some(Err(failure)) => return Poll::Ready(Some(Err(failure))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<View<Vec<T>>, F>>> {
        let Some(call) = &self.call else {
            return Poll::Ready(None);
        };
        let failure = match ready!(call.open.exchange.poll_next(cx)) {
            Next::Items(items) => match open::<T>(items) {
                Ok(items) => return Poll::Ready(Some(Ok(items))),
                Err(reason) => Some(F::from(Error::Codec(reason))),
            },
            Next::Done(Ok(Reply::Ok(_))) => None,
            Next::Done(Ok(Reply::AppError(error))) => Some(F::app(&error)),
            Next::Done(Err(failure)) => Some(F::from(call.open.error(failure))),
        };
        self.call = None;
        Poll::Ready(failure.map(Err))
    }
}

impl<T: Protein, F: Failure> futures_core::Stream for Streaming<T, F> {
    type Item = Result<T, F>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, F>>> {
        self.get_mut().poll_item(cx)
    }
}

impl<T: Protein, F> fmt::Debug for Streaming<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Streaming<{}>", T::TY)
    }
}
