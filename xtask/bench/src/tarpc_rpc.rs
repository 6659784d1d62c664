//! tarpc over a Unix socket, with its bincode transport.

use std::path::Path;

use anyhow::Result;
use futures::StreamExt;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};

use crate::{Caller, Payload};

#[tarpc::service]
pub trait Echo {
    async fn echo(payload: Payload) -> Payload;
}

#[derive(Clone)]
struct Server;

impl Echo for Server {
    async fn echo(self, _: context::Context, payload: Payload) -> Payload {
        payload
    }
}

pub async fn serve(socket: &Path) -> Result<()> {
    let mut incoming = serde_transport::unix::listen(socket, Bincode::default).await?;
    crate::say_ready();
    while let Some(transport) = incoming.next().await {
        let requests = BaseChannel::with_defaults(transport?).execute(Server.serve());
        tokio::spawn(requests.for_each(|response| async {
            tokio::spawn(response);
        }));
    }
    Ok(())
}

pub async fn connect(socket: &Path) -> Result<EchoClient> {
    let transport = serde_transport::unix::connect(socket, Bincode::default).await?;
    Ok(EchoClient::new(client::Config::default(), transport).spawn())
}

impl Caller for EchoClient {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        Ok(self.echo(context::current(), payload).await?)
    }
}
