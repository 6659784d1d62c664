//! remoc over a Unix socket, as its guide says: a remote trait whose calls run side by side.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use remoc::prelude::*;
use remoc::rtc::CallError;
use tokio::net::{UnixListener, UnixStream};

use crate::{Caller, Payload};

#[rtc::remote]
pub trait Echo {
    async fn echo(&self, payload: Payload) -> Result<Payload, CallError>;
}

struct Server;

impl Echo for Server {
    async fn echo(&self, payload: Payload) -> Result<Payload, CallError> {
        Ok(payload)
    }
}

pub async fn serve(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    crate::say_ready();
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let (reader, writer) = stream.into_split();
            let (server, client) =
                EchoServerShared::<_, remoc::codec::Default>::new(Arc::new(Server));
            remoc::Connect::io(remoc::Cfg::default(), reader, writer)
                .provide(client)
                .await?;
            // Its end is the client's.
            let _ = server.serve().await;
            anyhow::Ok(())
        });
    }
}

#[derive(Clone)]
pub struct Client(EchoClient);

pub async fn connect(socket: &Path) -> Result<Client> {
    let (reader, writer) = UnixStream::connect(socket).await?.into_split();
    let client = remoc::Connect::io(remoc::Cfg::default(), reader, writer)
        .consume()
        .await?;
    Ok(Client(client))
}

impl Caller for Client {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        Ok(self.0.echo(payload).await?)
    }
}
