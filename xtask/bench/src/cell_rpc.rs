//! Cell over a Unix socket: the same server and pooled client that the macros build on.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use cell_sdk::Vesicle;
use cell_sdk::client::{CallOptions, Client, Target};
use cell_sdk::server::{self, CallContext, CallFuture, Reply, RouteId, ServerOptions, Service};
use cell_sdk::transport::UdsListener;

use crate::{Caller, Payload};

const ROUTE: RouteId = 7;

struct Echo;

impl Service for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn fingerprint(&self) -> u64 {
        1
    }

    fn routes(&self) -> &[RouteId] {
        &[ROUTE]
    }

    fn call(&self, _: RouteId, _: CallContext, payload: Vesicle) -> CallFuture {
        Box::pin(async move { Ok(Reply::Ok(payload)) })
    }
}

pub async fn serve(socket: &Path) -> Result<()> {
    let listener = UdsListener::bind(socket)?;
    crate::say_ready();
    Ok(server::run(
        listener,
        Arc::new(Echo),
        ServerOptions::default(),
        std::future::pending(),
    )
    .await?)
}

pub async fn connect(socket: &Path) -> Result<Client> {
    Ok(Client::new(Target::at(
        &socket.to_string_lossy(),
        "echo",
        1,
    )?))
}

impl Caller for Client {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        let mut message = [0; 64];
        for (bytes, word) in message.chunks_exact_mut(8).zip(payload) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let Reply::Ok(answer) =
            Client::call(self, ROUTE, Vesicle::wrap(message), CallOptions::default()).await?
        else {
            bail!("the echo failed");
        };
        let answer = answer.as_slice();
        if answer.len() != 64 {
            bail!("the echo has {} bytes", answer.len());
        }
        Ok(std::array::from_fn(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&answer[word * 8..][..8]);
            u64::from_le_bytes(bytes)
        }))
    }
}
