//! What a pool takes to a connection: a call with one answer, or one with streams.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

use super::carrier::Carrier;
use super::{Client, Exchange, Next};
use crate::error::Error;
use crate::vesicle::Vesicle;
use crate::wire::{CallFailure, Outlet, Reply, Request};

/// A way to make a call on a connection.
pub(super) trait Attempt: Send + Sync {
    /// What a started call gives.
    type Output: Send;
    /// Makes it now; until `start`, the cell may take to start one that has no deadline.
    fn make(
        &self,
        carrier: &Carrier,
        now: Instant,
        request: &Request,
        start: Instant,
    ) -> impl Future<Output = Result<Self::Output, CallFailure>> + Send;
}

/// One answer.
pub(super) struct Lone;

impl Attempt for Lone {
    type Output = Reply;

    async fn make(
        &self,
        carrier: &Carrier,
        now: Instant,
        request: &Request,
        _: Instant,
    ) -> Result<Reply, CallFailure> {
        carrier.call(now, request).await
    }
}

/// Items, one way or both.
pub(super) struct Streams;

impl Attempt for Streams {
    type Output = Exchange;

    async fn make(
        &self,
        carrier: &Carrier,
        _: Instant,
        request: &Request,
        start: Instant,
    ) -> Result<Exchange, CallFailure> {
        timeout_at(start.into(), carrier.open_streams(request))
            .await
            .unwrap_or(Err(CallFailure::DeadlineExceeded))
    }
}

/// A call with streams that the cell has started, for those who have its bytes; what bindings use is built on it. Dropping the
/// last clone cancels the call.
#[derive(Clone)]
pub struct OpenCall {
    pub(crate) exchange: Arc<Exchange>,
    pub(super) client: Client,
}

/// What comes of an [`OpenCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A batch of items: the archive of a `Vec`, not validated yet.
    Items(Vesicle),
    /// The end.
    Done(Result<Reply, Error>),
}

impl OpenCall {
    /// The next batch of items, or the end; after the end, again the end.
    pub async fn next(&self) -> Received {
        match poll_fn(|cx| self.exchange.poll_next(cx)).await {
            Next::Items(items) => Received::Items(items),
            Next::Done(result) => Received::Done(result.map_err(|failure| self.error(failure))),
        }
    }

    /// Sends a batch of items, the archive of a `Vec`, once the cell takes one. `false` where the call is over.
    pub async fn send(&self, items: &Vesicle) -> Result<bool, Error> {
        if !poll_fn(|cx| self.exchange.poll_room(cx)).await {
            return Ok(false);
        }
        self.exchange.put(items).map_err(Error::Status)?;
        Ok(true)
    }

    /// Says that this side's items are complete.
    pub fn end(&self) {
        self.exchange.end();
    }

    /// What a failure means to the user.
    pub(crate) fn error(&self, failure: CallFailure) -> Error {
        self.client.error(failure)
    }
}
