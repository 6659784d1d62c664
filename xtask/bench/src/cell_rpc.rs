//! Cell as a user writes it: the service in `echo/`, and the generated binding in `cells/`.

use anyhow::Result;

use crate::{Caller, Payload};
pub use echo::Client;
use echo::Message;

cell_sdk::cell::client!("echo");

/// Connects to an address: a socket's path, or `echo@host:port`.
pub async fn connect(address: &str) -> Result<Client> {
    Ok(echo::connect(address).await?)
}

impl Caller for Client {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        Ok(self.echo(Message { words: payload }).await?.words)
    }
}
