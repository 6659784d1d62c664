//! `cell::TestCell`: a cell in memory, for tests without sockets.

use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::oneshot;

use crate::client::Target;
use crate::handlers::{Complete, Handlers};
use crate::protein::Protein;
use crate::schema::Snapshot;
use crate::server::{self, ServerOptions, Service};
use crate::stream::{Failure, Streaming};
use crate::synapse::Synapse;
use crate::transport;
use crate::typed::TypedClient;
use crate::{CallError, Error};

/// A cell that is served in memory: the whole protocol, without a socket. It ends when it is dropped.
///
/// ```
/// extern crate cell_runtime as cell_sdk;
/// use cell_sdk::cell;
///
/// #[cell::service]
/// mod adder {
///     use cell_sdk::cell;
///
///     #[cell::handler]
///     async fn add(left: u32, right: u32) -> u32 {
///         left + right
///     }
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), cell::Error> {
///     let cell = cell::TestCell::serve(adder::handlers())?;
///     let sum: u32 = cell.call("add", &(1u32, 2u32)).await?;
///     assert_eq!(sum, 3);
///     Ok(())
/// }
/// ```
pub struct TestCell {
    target: Target,
    schema: Option<Arc<Snapshot>>,
    client: TypedClient,
    /// Dropping it ends the server.
    _shutdown: oneshot::Sender<()>,
}

impl TestCell {
    /// Serves handlers on the current runtime.
    pub fn serve<S: Complete>(handlers: Handlers<S>) -> Result<TestCell, Error> {
        let schema = handlers.schema()?;
        let service = handlers.into_service(Some("test_cell"))?;
        let (listener, connect) = transport::memory();
        let target = Target::memory(service.name(), service.fingerprint(), connect);
        let (shutdown, ended) = oneshot::channel::<()>();
        tokio::spawn(server::run(
            listener,
            Arc::new(service),
            ServerOptions::default(),
            async move {
                let _ = ended.await;
            },
        ));
        Ok(TestCell {
            client: TypedClient::to(target.clone()),
            target,
            schema,
            _shutdown: shutdown,
        })
    }

    /// Calls a route by its name, with the tuple of its arguments.
    pub async fn call<Req: Protein, T: Protein>(
        &self,
        route: &str,
        arguments: &Req,
    ) -> Result<T, Error> {
        self.client.call(self.route(route)?, arguments).await
    }

    /// Calls a route whose handler returns a `Result`.
    pub async fn call_fallible<Req: Protein, T: Protein, E: Protein>(
        &self,
        route: &str,
        arguments: &Req,
    ) -> Result<T, CallError<E>> {
        self.client
            .call_fallible(self.route(route)?, arguments)
            .await
    }

    /// Calls a route that streams items back. `F` is [`Error`], or [`CallError`] where the route has an error.
    pub async fn receive<Req: Protein, T: Protein, F: Failure>(
        &self,
        route: &str,
        arguments: &Req,
    ) -> Result<Streaming<T, F>, F> {
        self.client.receive(self.route(route)?, arguments).await
    }

    /// Calls a route that takes a stream of items.
    pub async fn collect<Req, I, T, F>(
        &self,
        route: &str,
        arguments: &Req,
        items: impl Stream<Item = I> + Send + 'static,
    ) -> Result<T, F>
    where
        Req: Protein,
        I: Protein + Send,
        T: Protein,
        F: Failure,
    {
        let route = self.route(route)?;
        self.client.collect(route, arguments, items).await
    }

    /// Calls a route that takes a stream of items, and streams others back.
    pub async fn exchange<Req, I, T, F>(
        &self,
        route: &str,
        arguments: &Req,
        items: impl Stream<Item = I> + Send + 'static,
    ) -> Result<Streaming<T, F>, F>
    where
        Req: Protein,
        I: Protein + Send,
        T: Protein,
        F: Failure,
    {
        let route = self.route(route)?;
        self.client.exchange(route, arguments, items).await
    }

    /// The same cell, whose calls are given up after `limit`.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> TestCell {
        self.client = self.client.deadline(limit);
        self
    }

    /// A synapse to it.
    pub fn synapse(&self) -> Synapse {
        Synapse::to(self.target.clone())
    }

    /// What a client connects to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    fn route(&self, name: &str) -> Result<u64, Error> {
        let routes = self.schema.iter().flat_map(|schema| &schema.routes);
        let found = routes.clone().find(|route| route.name == name);
        found.map(|route| route.fingerprint.0).ok_or_else(|| {
            let names: Vec<&str> = routes.map(|route| route.name.as_str()).collect();
            Error::Codec(format!(
                "no route `{name}`; there are: {}",
                names.join(", ")
            ))
        })
    }
}
