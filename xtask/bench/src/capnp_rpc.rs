//! capnp-rpc over a Unix socket. Its futures stay on their thread, so both sides run in a `LocalSet`.

use std::path::Path;
use std::rc::Rc;

use anyhow::Result;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::LocalSet;
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use crate::echo_capnp::echo;
use crate::{LocalCaller, Payload, payload};

struct Server;

impl echo::Server for Server {
    async fn echo(
        self: Rc<Self>,
        params: echo::EchoParams,
        mut results: echo::EchoResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_payload(params.get()?.get_payload()?);
        Ok(())
    }
}

pub async fn serve(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    crate::say_ready();
    let accept = async {
        let client: echo::Client = capnp_rpc::new_client(Server);
        loop {
            let (stream, _) = listener.accept().await?;
            let network = network(stream, Side::Server);
            let system = RpcSystem::new(Box::new(network), Some(client.clone().client));
            tokio::task::spawn_local(system);
        }
    };
    LocalSet::new().run_until(accept).await
}

fn network(
    stream: UnixStream,
    side: Side,
) -> twoparty::VatNetwork<impl futures::AsyncRead + Unpin> {
    let (reader, writer) = stream.into_split();
    twoparty::VatNetwork::new(
        reader.compat(),
        writer.compat_write(),
        side,
        capnp::message::ReaderOptions::new(),
    )
}

#[derive(Clone)]
pub struct Client(echo::Client);

/// Only inside of a `LocalSet`.
pub async fn connect(socket: &Path) -> Result<Client> {
    let network = network(UnixStream::connect(socket).await?, Side::Client);
    let mut system = RpcSystem::new(Box::new(network), None);
    let client = system.bootstrap(Side::Server);
    tokio::task::spawn_local(system);
    Ok(Client(client))
}

impl LocalCaller for Client {
    async fn call(&self, message: Payload) -> Result<Payload> {
        let mut request = self.0.echo_request();
        request.get().set_payload(&payload::to_bytes(message));
        let answer = request.send().promise.await?;
        payload::from_bytes(answer.get()?.get_payload()?)
    }
}
