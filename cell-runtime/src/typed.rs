//! What generated bindings call: a client that archives requests and reads answers.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::client::{Client, OpenCall, Target};
use crate::lock::lock;
use crate::protein::{self, Protein, decode};
use crate::server::Reply;
use crate::stream::{Failure, Streaming, collect};
use crate::synapse::options;
use crate::vesicle::Vesicle;
use crate::{CallError, Error};

/// A client of one cell. Clones share their connections.
#[derive(Clone)]
pub struct TypedClient {
    client: Client,
    limit: Option<Duration>,
}

/// The process's own client of a cell, shared by everybody who asks for the same schema.
pub fn pooled(cell: &'static str, fingerprint: u64) -> TypedClient {
    type Pool = Mutex<Option<HashMap<(&'static str, u64), Client>>>;
    static POOL: Pool = Mutex::new(None);
    let mut pool = lock(&POOL);
    let client = pool
        .get_or_insert_default()
        .entry((cell, fingerprint))
        .or_insert_with(|| Client::new(Target::named(cell, fingerprint)));
    TypedClient {
        client: client.clone(),
        limit: None,
    }
}

impl TypedClient {
    /// A client of the cell behind an address: `/path/to.sock`, or `cell@/path/to.sock`.
    pub fn at(address: &str, cell: &str, fingerprint: u64) -> Result<TypedClient, Error> {
        Ok(TypedClient::to(Target::at(address, cell, fingerprint)?))
    }

    /// A client of a target.
    pub fn to(target: Target) -> TypedClient {
        TypedClient {
            client: Client::new(target),
            limit: None,
        }
    }

    /// Gives up calls after `limit` instead of ten seconds. A call made inside of a handler never outlives the call that the
    /// handler works on.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> TypedClient {
        self.limit = Some(limit);
        self
    }

    /// Calls a route whose handler returns a `T`. `Req` is the tuple of the arguments.
    pub async fn call<Req: Protein, T: Protein>(
        &self,
        route: u64,
        request: &Req,
    ) -> Result<T, Error> {
        match self.send(route, request).await? {
            Reply::Ok(answer) => read(&answer),
            Reply::AppError(_) => Err(Error::Codec(
                "the handler answered with an error, but its schema has none".into(),
            )),
        }
    }

    /// Calls a route whose handler returns a `Result<T, E>`.
    pub async fn call_fallible<Req: Protein, T: Protein, E: Protein>(
        &self,
        route: u64,
        request: &Req,
    ) -> Result<T, CallError<E>> {
        match self.send(route, request).await? {
            Reply::Ok(answer) => Ok(read(&answer)?),
            Reply::AppError(error) => Err(CallError::App(read(&error)?)),
        }
    }

    /// Calls a route that streams items back. `F` is [`Error`], or [`CallError`] where the route has an error.
    pub async fn receive<Req: Protein, T: Protein, F: Failure>(
        &self,
        route: u64,
        request: &Req,
    ) -> Result<Streaming<T, F>, F> {
        Ok(Streaming::new(self.open(route, request).await?))
    }

    /// Calls a route that takes a stream of items.
    pub async fn collect<Req, I, T, F>(
        &self,
        route: u64,
        request: &Req,
        items: impl futures_core::Stream<Item = I> + Send + 'static,
    ) -> Result<T, F>
    where
        Req: Protein,
        I: Protein + Send,
        T: Protein,
        F: Failure,
    {
        collect(self.open(route, request).await?, items).await
    }

    /// Calls a route that takes a stream of items, and streams others back.
    pub async fn exchange<Req, I, T, F>(
        &self,
        route: u64,
        request: &Req,
        items: impl futures_core::Stream<Item = I> + Send + 'static,
    ) -> Result<Streaming<T, F>, F>
    where
        Req: Protein,
        I: Protein + Send,
        T: Protein,
        F: Failure,
    {
        Ok(Streaming::sending(self.open(route, request).await?, items))
    }

    async fn open<Req: Protein>(&self, route: u64, request: &Req) -> Result<OpenCall, Error> {
        let request = archive(request)?;
        self.client.open(route, request, options(self.limit)).await
    }

    async fn send<Req: Protein>(&self, route: u64, request: &Req) -> Result<Reply, Error> {
        let request = archive(request)?;
        self.client.call(route, request, options(self.limit)).await
    }
}

fn archive<T: Protein>(request: &T) -> Result<Vesicle, Error> {
    protein::archive(request).map_err(|error| {
        Error::Codec(format!(
            "the request cannot be archived as `{}`: {error}",
            T::TY
        ))
    })
}

fn read<T: Protein>(answer: &Vesicle) -> Result<T, Error> {
    decode(answer)
        .map_err(|error| Error::Codec(format!("the answer is no archive of `{}`: {error}", T::TY)))
}
