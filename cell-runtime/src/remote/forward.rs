//! A cell of another machine as a service of this one: what anybody here calls is called there.

use std::future::{pending, poll_fn};
use std::path::Path;
use std::sync::Arc;

use crate::client::{CallOptions, Client, OpenCall, Received};
use crate::error::Error;
use crate::server::{CallContext, CallFuture, Port, Service};
use crate::service::serve_in;
use crate::vesicle::Vesicle;
use crate::wire::{Reply, RouteId, Status, StatusCode};

/// Passes calls on, with their deadlines, traces, streams and cancellation. What the cell answers is answered here.
pub struct Forward {
    client: Client,
    fingerprint: u64,
    routes: Vec<RouteId>,
}

impl Forward {
    /// The cell that `client` talks to. It serves clients of this fingerprint, and answers these routes.
    pub fn new(client: Client, fingerprint: u64, routes: Vec<RouteId>) -> Forward {
        Forward {
            client,
            fingerprint,
            routes,
        }
    }

    /// Serves this machine on a socket in `dir`, where clients look for the cell, until Ctrl-C or SIGTERM.
    pub async fn serve_local(self, dir: &Path) -> anyhow::Result<()> {
        serve_in(dir, Arc::new(self)).await
    }
}

impl Service for Forward {
    fn name(&self) -> &str {
        self.client.target().cell()
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn routes(&self) -> &[RouteId] {
        &self.routes
    }

    fn call(&self, route: RouteId, context: CallContext, payload: Vesicle) -> CallFuture {
        let client = self.client.clone();
        CallFuture::new(async move {
            let options = CallOptions {
                deadline: Some(context.deadline),
                trace: context.trace,
            };
            match context.streams.port() {
                None => client.call(route, payload, options).await,
                Some(port) => match client.open(route, payload, options).await {
                    Ok(call) => return carry(&call, port).await,
                    Err(error) => Err(error),
                },
            }
            .map_err(status)
        })
    }
}

/// Carries the items of a call both ways, a batch at a time, until the cell has said all.
async fn carry(call: &OpenCall, port: &Arc<dyn Port>) -> Result<Reply, Status> {
    let there = async {
        while let Some(items) = poll_fn(|cx| port.poll_take(cx)).await {
            match call.send(&items).await {
                Ok(true) => {}
                Ok(false) => return pending().await,
                Err(error) => return Err(status(error)),
            }
        }
        call.end();
        // The answer ends the call.
        pending().await
    };
    let back = async {
        loop {
            match call.next().await {
                Received::Items(items) => {
                    if !poll_fn(|cx| port.poll_room(cx)).await {
                        return Err(Status::new(StatusCode::Cancelled, "the caller has gone"));
                    }
                    port.put(&items)?;
                }
                Received::Done(end) => return end.map_err(status),
            }
        }
    };
    tokio::select! {
        // First: when the cell has ended a call, what its caller still sends is of no interest.
        biased;
        end = back => end,
        failure = there => failure,
    }
}

/// What the caller here is told: the cell's own words where it has spoken.
fn status(error: Error) -> Status {
    match error {
        Error::Status(status) => status,
        Error::SchemaMismatch(refusal) | Error::Refused(refusal) => refusal.status,
        error => Status::new(error.code(), error.to_string()),
    }
}
