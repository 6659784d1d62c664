use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_service::Service;

use crate::client::{CallOptions, Client};
use crate::error::Error;
use crate::server::{Reply, RouteId};
use crate::vesicle::Vesicle;

/// A call as layers around a [`Client`] see it.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// The route's id.
    pub route: RouteId,
    /// The archive of the arguments.
    pub payload: Vesicle,
    /// Deadline and trace.
    pub options: CallOptions,
}

/// Always ready: what limits a client's calls are the limits of its connection, which answer at once.
impl Service<ClientRequest> for Client {
    type Response = Reply;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ClientRequest) -> Self::Future {
        let client = self.clone();
        Box::pin(async move {
            client
                .call(request.route, request.payload, request.options)
                .await
        })
    }
}
