//! What a pool takes to a connection: a call with one answer, or one with streams.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

use super::carrier::Carrier;
use super::{Client, Exchange};
use crate::error::Error;
use crate::wire::{CallFailure, Reply, Request};

/// A way to make a call on a connection.
pub(super) trait Attempt: Send + Sync {
    /// What a started call gives.
    type Output: Send;
    /// Makes it; until `start`, the cell may take to start one that has no deadline.
    fn make(
        &self,
        carrier: &Carrier,
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
        request: &Request,
        _: Instant,
    ) -> Result<Reply, CallFailure> {
        carrier.call(request).await
    }
}

/// Items, one way or both.
pub(super) struct Streams;

impl Attempt for Streams {
    type Output = Exchange;

    async fn make(
        &self,
        carrier: &Carrier,
        request: &Request,
        start: Instant,
    ) -> Result<Exchange, CallFailure> {
        timeout_at(start.into(), carrier.open_streams(request))
            .await
            .unwrap_or(Err(CallFailure::DeadlineExceeded))
    }
}

/// A call with streams, and the client that made it.
#[derive(Clone)]
pub(crate) struct OpenCall {
    pub(crate) exchange: Arc<Exchange>,
    pub(super) client: Client,
}

impl OpenCall {
    /// What a failure means to the user.
    pub(crate) fn error(&self, failure: CallFailure) -> Error {
        self.client.error(failure)
    }
}
