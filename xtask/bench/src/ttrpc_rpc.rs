//! ttrpc over a Unix socket: its frames and its async server, with the message as the payload's bytes.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use tokio::net::UnixListener;
use ttrpc::asynchronous::{Client as Connection, MethodHandler, Server, Service, TtrpcContext};
use ttrpc::proto::{Code, Request, Response};

use crate::{Caller, Payload, payload};

const SERVICE: &str = "bench.Echo";
const METHOD: &str = "Echo";

struct Echo;

impl MethodHandler for Echo {
    // What `async_trait` makes of an async function.
    fn handler<'s, 'f>(
        &'s self,
        _: TtrpcContext,
        request: Request,
    ) -> futures::future::BoxFuture<'f, ttrpc::Result<Response>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let mut response = Response::new();
            response.set_status(ttrpc::get_status(Code::OK, String::new()));
            response.payload = request.payload;
            Ok(response)
        })
    }
}

pub async fn serve(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    let methods: HashMap<String, Box<dyn MethodHandler + Send + Sync>> =
        HashMap::from([(METHOD.to_owned(), Box::new(Echo) as _)]);
    let service = Service {
        methods,
        streams: HashMap::new(),
    };
    let mut server = Server::new()
        .add_listener(listener.into())
        .register_service(HashMap::from([(SERVICE.to_owned(), service)]));
    server.start().await?;
    crate::say_ready();
    std::future::pending().await
}

#[derive(Clone)]
pub struct Client(Connection);

pub async fn connect(socket: &Path) -> Result<Client> {
    let address = format!("unix://{}", socket.display());
    Ok(Client(Connection::connect(&address).await?))
}

impl Caller for Client {
    async fn call(&self, message: Payload) -> Result<Payload> {
        let mut request = Request::new();
        request.service = SERVICE.to_owned();
        request.method = METHOD.to_owned();
        request.timeout_nano = 10_000_000_000;
        request.payload = payload::to_bytes(message).to_vec();
        payload::from_bytes(&self.0.request(request).await?.payload)
    }
}
