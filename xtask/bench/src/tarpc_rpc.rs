//! tarpc over a Unix socket, with its bincode transport.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use futures::StreamExt;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};

use crate::flow::words;
use crate::{Caller, Payload};

#[tarpc::service]
pub trait Echo {
    async fn echo(payload: Payload) -> Payload;
    /// Adds a message up.
    async fn pour(payload: Payload);
    /// How many were added up, and their sum; begins anew.
    async fn total() -> (u64, u64);
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<(u64, u64)>>);

impl Server {
    fn tally(&self) -> MutexGuard<'_, (u64, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Echo for Server {
    async fn echo(self, _: context::Context, payload: Payload) -> Payload {
        payload
    }

    async fn pour(self, _: context::Context, payload: Payload) {
        let mut tally = self.tally();
        tally.0 += 1;
        tally.1 = payload
            .iter()
            .fold(tally.1, |sum, word| sum.wrapping_add(*word));
    }

    async fn total(self, _: context::Context) -> (u64, u64) {
        std::mem::take(&mut *self.tally())
    }
}

pub async fn serve(socket: &Path) -> Result<()> {
    let mut incoming = serde_transport::unix::listen(socket, Bincode::default).await?;
    crate::say_ready();
    while let Some(transport) = incoming.next().await {
        let requests = BaseChannel::with_defaults(transport?).execute(Server::default().serve());
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

/// Sends items as calls, so many at a time, and checks that all arrived.
pub async fn pour(client: &EchoClient, items: u64, in_flight: u64) -> Result<()> {
    let share = items / in_flight;
    let tasks: Vec<_> = (0..in_flight)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut sum = 0u64;
                for number in task * share..(task + 1) * share {
                    let words = words(number);
                    client.pour(context::current(), words).await?;
                    sum = words.iter().fold(sum, |sum, word| sum.wrapping_add(*word));
                }
                anyhow::Ok(sum)
            })
        })
        .collect();
    let mut sum = 0u64;
    for task in tasks {
        sum = sum.wrapping_add(task.await??);
    }
    let arrived = client.total(context::current()).await?;
    ensure!(arrived == (share * in_flight, sum), "items were lost");
    Ok(())
}
