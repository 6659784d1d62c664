//! A 64-byte call: Cell's transports beside what else there is, each server a process of its own.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::task::LocalSet;

use crate::measure::{self, Samples, Settings};
use crate::server::Server;
use crate::{
    capnp_rpc, cell_rpc, iceoryx, pin, raw, remoc_rpc, runtime, spin, tarpc_rpc, tonic_rpc,
    ttrpc_rpc,
};

/// The rows, in their order.
pub const KINDS: [&str; 10] = [
    RAW,
    CELL,
    "tarpc 0.38",
    "tonic 0.14",
    "capnp-rpc 0.27",
    "remoc 0.20",
    "ttrpc 0.10",
    GAP,
    SPIN,
    ICEORYX,
];

pub const RAW: &str = "raw tokio";
pub const CELL: &str = "cell, socket";
/// A local connection that moved into shared memory.
pub const GAP: &str = "cell, shared memory";
pub const SPIN: &str = "a shared word, spin";
pub const ICEORYX: &str = "iceoryx2 0.10, spin";

/// A connection of a row, and its server.
pub struct Row {
    pub kind: &'static str,
    pub server: Server,
    client: Client,
}

enum Client {
    Raw(raw::Raw),
    Cell(cell_rpc::Client),
    Tarpc(tarpc_rpc::EchoClient),
    Tonic(tonic_rpc::Client),
    Capnp(capnp_rpc::Client),
    Remoc(remoc_rpc::Client),
    Ttrpc(ttrpc_rpc::Client),
    Spin(spin::Client),
    Iceoryx(iceoryx::Client),
}

impl Row {
    /// Nothing where the row makes no sense: whoever spins needs a core of his own.
    pub async fn open(
        kind: &'static str,
        folder: &Path,
        cpu: usize,
        alone: bool,
    ) -> Result<Option<Row>> {
        if !alone && [SPIN, ICEORYX].contains(&kind) {
            return Ok(None);
        }
        let server = match kind {
            CELL => Server::cell("echo", folder, cpu, &[("CELL_GAP", "off")])?,
            GAP => Server::cell("echo", folder, cpu, &[])?,
            _ => Server::start(kind, folder, cpu)?,
        };
        let place = &server.place;
        let address = place.to_string_lossy();
        let client = match kind {
            RAW => Client::Raw(raw::connect(place).await?),
            CELL | GAP => Client::Cell(cell_rpc::connect(&address).await?),
            SPIN => Client::Spin(spin::connect(place)?),
            ICEORYX => Client::Iceoryx(iceoryx::connect(&address)?),
            _ if kind.starts_with("tarpc") => Client::Tarpc(tarpc_rpc::connect(place).await?),
            _ if kind.starts_with("tonic") => Client::Tonic(tonic_rpc::connect(place).await?),
            _ if kind.starts_with("capnp") => Client::Capnp(capnp_rpc::connect(place).await?),
            _ if kind.starts_with("remoc") => Client::Remoc(remoc_rpc::connect(place).await?),
            _ => Client::Ttrpc(ttrpc_rpc::connect(place).await?),
        };
        let row = Row {
            kind,
            server,
            client,
        };
        if kind == GAP && !row.shares_memory().await? {
            return Ok(None);
        }
        if row.spins() {
            row.server.run(false)?;
        }
        Ok(Some(row))
    }

    fn spins(&self) -> bool {
        matches!(self.client, Client::Spin(_) | Client::Iceoryx(_))
    }

    /// Lets a server that spins run, or not.
    pub fn wake(&self, runs: bool) -> Result<()> {
        if self.spins() {
            self.server.run(runs)?;
        }
        Ok(())
    }

    /// Lets a server that leaves files behind end by itself.
    pub fn stop(&mut self) -> Result<()> {
        if let Client::Iceoryx(client) = &self.client {
            self.server.run(true)?;
            client.stop()?;
            self.server.wait()?;
        }
        Ok(())
    }

    /// Whether the connection did move, after some calls.
    async fn shares_memory(&self) -> Result<bool> {
        let few = Settings::few(100);
        self.round(&few, &mut Samples::default()).await?;
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.server.pid()))?;
        Ok(maps.contains("/memfd:"))
    }

    pub async fn round(&self, settings: &Settings, into: &mut Samples) -> Result<()> {
        match &self.client {
            // One message at a time: nothing tells answers apart.
            Client::Raw(client) => measure::lone(client, settings, into).await,
            Client::Spin(client) => measure::lone(client, settings, into).await,
            Client::Iceoryx(client) => measure::lone(client, settings, into).await,
            Client::Capnp(client) => measure::both_here(client, settings, into).await,
            Client::Cell(client) => measure::both(client, settings, into).await,
            Client::Tarpc(client) => measure::both(client, settings, into).await,
            Client::Tonic(client) => measure::both(client, settings, into).await,
            Client::Remoc(client) => measure::both(client, settings, into).await,
            Client::Ttrpc(client) => measure::both(client, settings, into).await,
        }
    }
}

/// Both pinnings.
pub fn run(settings: &Settings, folder: &Path) -> Result<()> {
    println!(
        "{} rounds, interleaved; each: {} lone calls, then {} calls at 64 in flight on one connection; 64-byte messages\n",
        settings.rounds, settings.lone, settings.crowd
    );
    for (title, client, server) in settings.pairs()? {
        pin::to_core(client)?;
        let samples = rounds(settings, folder, server, client != server)?;
        measure::print(title, &samples);
        measure::print_goals(&samples);
    }
    Ok(())
}

/// First calls after a rest, on both pinnings.
pub fn idle(settings: &Settings, folder: &Path) -> Result<()> {
    let kinds = [RAW, CELL, GAP];
    let settings = Settings {
        rounds: settings.rounds,
        rest: Duration::from_millis(10),
        cores: settings.cores.clone(),
        rows: match settings.rows.as_slice() {
            [] => kinds.map(str::to_owned).to_vec(),
            rows => rows.to_vec(),
        },
        ..Settings::few(50)
    };
    println!("a call after 10 ms in which nothing happened");
    for (title, client, server) in settings.pairs()? {
        pin::to_core(client)?;
        let samples = rounds(&settings, folder, server, client != server)?;
        measure::print(title, &samples);
    }
    Ok(())
}

fn rounds(
    settings: &Settings,
    folder: &Path,
    cpu: usize,
    alone: bool,
) -> Result<Vec<(&'static str, Samples)>> {
    let local = LocalSet::new();
    runtime()?.block_on(async {
        let mut rows = Vec::new();
        for kind in KINDS.into_iter().filter(|kind| settings.wants(kind)) {
            rows.extend(local.run_until(Row::open(kind, folder, cpu, alone)).await?);
        }
        let mut samples: Vec<Samples> = rows.iter().map(|_| Samples::default()).collect();
        for round in 0..=settings.rounds {
            for (row, samples) in rows.iter().zip(&mut samples) {
                // The first round warms up and does not count.
                let mut spare = Samples::default();
                let into = if round == 0 { &mut spare } else { samples };
                if row.spins() {
                    row.wake(true)?;
                    row.round(settings, into).await?;
                    row.wake(false)?;
                } else if matches!(row.client, Client::Capnp(_)) {
                    local.run_until(row.round(settings, into)).await?;
                } else {
                    row.round(settings, into).await?;
                }
            }
        }
        let kinds: Vec<&str> = rows.iter().map(|row| row.kind).collect();
        for row in &mut rows {
            row.stop()?;
        }
        Ok(kinds.into_iter().zip(samples).collect())
    })
}
