//! The low level of calling: a connection to a cell by name, for bytes and for messages without a schema.

use std::time::{Duration, Instant};

use crate::Error;
use crate::client::{CallOptions, Client, Target};
use crate::handlers::{RAW_ROUTE, message_route};
use crate::protein::{Protein, archive, decode};
use crate::server::Reply;
use crate::service::inherited;
use crate::vesicle::Vesicle;
use crate::wire::is_none;

/// A connection to a cell, grown on demand and shared: clone it freely.
///
/// ```no_run
/// # extern crate cell_runtime as cell_sdk;
/// use cell_sdk::{Synapse, Vesicle};
///
/// # async fn example() -> Result<(), cell_sdk::Error> {
/// let synapse = Synapse::grow("echo").await?;
/// let answer = synapse.fire(Vesicle::wrap("hello")).await?;
/// assert_eq!(answer.as_slice(), b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Synapse {
    client: Client,
    limit: Option<Duration>,
}

impl Synapse {
    /// Finds the cell `name` of this machine. Nothing checks that both sides agree on a schema; a cell with a
    /// `#[cell::service]` is called through `cell::client!` instead.
    pub async fn grow(name: &str) -> Result<Synapse, Error> {
        crate::discovery::find(name, 0)?;
        Ok(Synapse::to(Target::named(name, 0)))
    }

    /// A connection to a target that is known already.
    pub fn to(target: Target) -> Synapse {
        Synapse {
            client: Client::new(target),
            limit: None,
        }
    }

    /// Gives up calls after `limit` instead of ten seconds.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Synapse {
        self.limit = Some(limit);
        self
    }

    /// Sends bytes, and gives the bytes that `Membrane::bind`'s function answers.
    pub async fn fire(&self, message: impl Into<Vesicle>) -> Result<Vesicle, Error> {
        self.send(RAW_ROUTE, message.into()).await
    }

    /// Sends a message to the handler that `Handlers::on::<Req, _>` added, and gives its answer.
    pub async fn ask<Req: Protein, Res: Protein>(&self, request: &Req) -> Result<Res, Error> {
        let request = archive(request).map_err(|error| Error::Codec(error.to_string()))?;
        let answer = self.send(message_route::<Req>(), request).await?;
        decode(&answer).map_err(|error| {
            Error::Codec(format!(
                "the answer is no archive of `{}`: {error}",
                Res::TY
            ))
        })
    }

    async fn send(&self, route: u64, payload: Vesicle) -> Result<Vesicle, Error> {
        match self
            .client
            .call(route, payload, options(self.limit))
            .await?
        {
            Reply::Ok(answer) => Ok(answer),
            Reply::AppError(_) => Err(Error::Codec(
                "the handler answered with an error that this call has no type for".into(),
            )),
        }
    }
}

/// A call's options: its own limit, or else the default; never later than the call that it is made for.
#[expect(
    clippy::disallowed_methods,
    reason = "a relative limit becomes a deadline when the call is made"
)]
pub(crate) fn options(limit: Option<Duration>) -> CallOptions {
    let own = limit.map(|limit| Instant::now() + limit);
    let outer = inherited();
    let outermost = outer
        .map(|call| call.deadline)
        .filter(|deadline| !is_none(Instant::now(), *deadline));
    CallOptions {
        deadline: own.into_iter().chain(outermost).min(),
        trace: outer.and_then(|call| call.trace),
    }
}
