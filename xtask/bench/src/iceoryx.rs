//! iceoryx2's request-response, both sides asking again and again: the fastest that it has.

use anyhow::{Result, anyhow};
use iceoryx2::prelude::*;

use crate::{LocalCaller, Payload};

type Factory = iceoryx2::service::port_factory::request_response::PortFactory<
    ipc::Service,
    Payload,
    (),
    Payload,
    (),
>;

/// Ends the server, so that it takes its files along.
const LAST: Payload = [u64::MAX; 8];

fn service(name: &str) -> Result<(Node<ipc::Service>, Factory)> {
    set_log_level(LogLevel::Error);
    let node = NodeBuilder::new()
        .create::<ipc::Service>()
        .map_err(|error| anyhow!("no iceoryx2 node: {error:?}"))?;
    let name = name
        .try_into()
        .map_err(|error| anyhow!("no name of a service: {error:?}"))?;
    let service = node
        .service_builder(&name)
        .request_response::<Payload, Payload>()
        .open_or_create()
        .map_err(|error| anyhow!("no iceoryx2 service: {error:?}"))?;
    Ok((node, service))
}

pub fn serve(name: &str) -> Result<()> {
    let (_node, service) = service(name)?;
    let server = service
        .server_builder()
        .create()
        .map_err(|error| anyhow!("no iceoryx2 server: {error:?}"))?;
    crate::say_ready();
    loop {
        while let Some(request) = server
            .receive()
            .map_err(|error| anyhow!("iceoryx2 receives nothing: {error:?}"))?
        {
            request
                .loan_uninit()
                .map_err(|error| anyhow!("iceoryx2 lends nothing: {error:?}"))?
                .write_payload(*request.payload())
                .send()
                .map_err(|error| anyhow!("iceoryx2 sends nothing: {error:?}"))?;
            if *request.payload() == LAST {
                return Ok(());
            }
        }
        std::hint::spin_loop();
    }
}

pub struct Client {
    port: iceoryx2::port::client::Client<ipc::Service, Payload, (), Payload, ()>,
    _service: Factory,
    _node: Node<ipc::Service>,
}

pub fn connect(name: &str) -> Result<Client> {
    let (node, service) = service(name)?;
    let port = service
        .client_builder()
        .create()
        .map_err(|error| anyhow!("no iceoryx2 client: {error:?}"))?;
    Ok(Client {
        port,
        _service: service,
        _node: node,
    })
}

impl Client {
    /// Ends the server.
    pub fn stop(&self) -> Result<()> {
        self.ask(LAST).map(drop)
    }

    fn ask(&self, payload: Payload) -> Result<Payload> {
        let pending = self
            .port
            .loan_uninit()
            .map_err(|error| anyhow!("iceoryx2 lends nothing: {error:?}"))?
            .write_payload(payload)
            .send()
            .map_err(|error| anyhow!("iceoryx2 sends nothing: {error:?}"))?;
        loop {
            let answer = pending
                .receive()
                .map_err(|error| anyhow!("iceoryx2 receives nothing: {error:?}"))?;
            if let Some(answer) = answer {
                return Ok(*answer.payload());
            }
            std::hint::spin_loop();
        }
    }
}

impl LocalCaller for Client {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        self.ask(payload)
    }
}
