use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use quinn::{Connection, Endpoint, Incoming, VarInt};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::refusal::refused_words;
use super::stream::{Alive, Budget, QuicStream};
use super::tls::Stamp;
use super::{CUT, DRAINING, Keys, RemoteLimits};
use crate::Error;
use crate::lock::lock;
use crate::transport::{Listener, Start};

/// Streams that wait to be accepted; then their connections wait.
const BACKLOG: usize = 64;

/// A peer that was turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it called from.
    pub peer: SocketAddr,
    /// Why.
    pub reason: String,
}

type Report = Arc<dyn Fn(Refused) + Send + Sync>;

/// A UDP port on which peers with a certificate of the authority may call. Dropping it starts the drain.
pub struct QuicListener {
    streams: AsyncMutex<mpsc::Receiver<QuicStream>>,
    door: Arc<Door>,
    stop: watch::Sender<bool>,
    address: SocketAddr,
}

/// The end of a [`QuicListener`] that was dropped.
pub struct Closing {
    task: JoinHandle<()>,
    endpoint: Endpoint,
}

impl QuicListener {
    /// Opens `address` as whom `keys` say. Peers that are turned away are told to `report`.
    pub fn bind(
        address: SocketAddr,
        keys: Keys,
        limits: RemoteLimits,
        report: impl Fn(Refused) + Send + Sync + 'static,
    ) -> Result<(QuicListener, Closing), Error> {
        let failed = |error: io::Error| Error::io(format!("open UDP {address}"), &error);
        let identity = keys.load()?;
        let config = identity.server(&limits)?;
        let socket = std::net::UdpSocket::bind(address).map_err(failed)?;
        let runtime = quinn::default_runtime().ok_or_else(|| Error::Io {
            what: format!("open UDP {address}"),
            reason: "no tokio runtime runs here".to_owned(),
        })?;
        let endpoint = Endpoint::new(identity.endpoint()?, Some(config.clone()), socket, runtime)
            .map_err(failed)?;
        let address = endpoint.local_addr().map_err(failed)?;
        let (sender, streams) = mpsc::channel(BACKLOG);
        let (stop, stopped) = watch::channel(false);
        let door = Arc::new(Door {
            current: Mutex::new((keys.stamp(), config)),
            keys,
            limits,
            report: Arc::new(report),
            budget: Arc::new(Budget::new(limits.held_bytes_max)),
            handshakes: AtomicUsize::new(0),
            start: Mutex::default(),
            sender,
        });
        let task = tokio::spawn(accept(endpoint.clone(), Arc::clone(&door), stopped));
        let listener = QuicListener {
            door,
            streams: AsyncMutex::new(streams),
            stop,
            address,
        };
        Ok((listener, Closing { task, endpoint }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener for QuicListener {
    type Stream = QuicStream;

    async fn accept(&self) -> io::Result<QuicStream> {
        match self.streams.lock().await.recv().await {
            Some(stream) => Ok(stream),
            // The accepting task holds a sender as long as the listener lives.
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn hand_over(&self, start: Start<QuicStream>) {
        *self.door.start() = Some(start);
    }
}

impl Drop for QuicListener {
    fn drop(&mut self) {
        drop(self.door.start().take());
        self.stop.send_replace(true);
    }
}

impl Closing {
    /// Waits until every peer has what was written to it, at most for `limit`, and gives the port back; where a peer does not
    /// answer that takes a moment more, unless the process ends.
    pub async fn finish(mut self, limit: Duration) {
        let code = if timeout(limit, &mut self.task).await.is_ok() {
            DRAINING
        } else {
            self.task.abort();
            CUT
        };
        self.endpoint.close(VarInt::from_u32(code), b"");
        // Peers that do not acknowledge the close are not waited for.
        let _ = timeout(limit, self.endpoint.wait_idle()).await;
    }
}

/// What the connections of an endpoint share.
struct Door {
    keys: Keys,
    /// The configuration of the files as they were read last.
    current: Mutex<(Option<Stamp>, quinn::ServerConfig)>,
    limits: RemoteLimits,
    report: Report,
    budget: Arc<Budget>,
    handshakes: AtomicUsize,
    /// Where streams go at once.
    start: Mutex<Option<Start<QuicStream>>>,
    sender: mpsc::Sender<QuicStream>,
}

impl Door {
    fn start(&self) -> MutexGuard<'_, Option<Start<QuicStream>>> {
        lock(&self.start)
    }

    /// Passes a stream on. `false` where nobody takes it any more.
    async fn pass_on(&self, stream: QuicStream) -> bool {
        let start = self.start().clone();
        let left = match start {
            Some(start) => start(stream),
            None => Some(stream),
        };
        match left {
            Some(stream) => self.sender.send(stream).await.is_ok(),
            None => true,
        }
    }

    /// The keys as they are on disk now; where they cannot be read, as they were.
    fn config(&self, peer: SocketAddr) -> Arc<quinn::ServerConfig> {
        let mut current = lock(&self.current);
        let stamp = self.keys.stamp();
        if stamp != current.0 {
            match self
                .keys
                .load()
                .and_then(|identity| identity.server(&self.limits))
            {
                Ok(config) => *current = (stamp, config),
                Err(error) => self.refused(peer, format!("the former keys are used: {error}")),
            }
        }
        Arc::new(current.1.clone())
    }

    fn refused(&self, peer: SocketAddr, reason: String) {
        (self.report)(Refused { peer, reason });
    }
}

/// Counts a handshake until it is over.
struct Handshake<'a>(&'a AtomicUsize);

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Ready once the listener was dropped.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // Its sender lives in the listener: that one is gone, too, where this fails.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn accept(endpoint: Endpoint, door: Arc<Door>, stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut listening = stopped.clone();
    let mut told = pin!(told(&mut listening));
    loop {
        tokio::select! {
            biased;
            () = told.as_mut() => break,
            Some(_) = connections.join_next() => {}
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { break };
                let peer = incoming.remote_address();
                if connections.len() >= door.limits.connections_max {
                    door.refused(peer, format!("{} connections are open, the limit", connections.len()));
                    incoming.refuse();
                } else if door.handshakes.load(Ordering::Acquire) >= door.limits.unproven_max && incoming.may_retry() {
                    // Nothing is kept for a peer that may have made its address up. It fails where a retry was sent before.
                    let _ = incoming.retry();
                } else {
                    connections.spawn(connection(incoming, peer, Arc::clone(&door), stopped.clone()));
                }
            }
        }
    }
    endpoint.set_server_config(None);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    incoming: Incoming,
    peer: SocketAddr,
    door: Arc<Door>,
    mut stopped: watch::Receiver<bool>,
) {
    let Some(connection) = handshake(incoming, peer, &door).await else {
        return;
    };
    let (alive, ended) = Alive::new();
    let mut told = pin!(told(&mut stopped));
    let mut age = pin!(sleep(door.limits.age_max));
    loop {
        tokio::select! {
            biased;
            () = told.as_mut() => break,
            () = age.as_mut() => break,
            stream = connection.accept_bi() => {
                let Ok((send, recv)) = stream else { return };
                let stream = QuicStream::accepted(send, recv, Arc::clone(&door.budget), alive.clone());
                if !door.pass_on(stream).await {
                    break;
                }
            }
        }
    }
    // What comes now was not started, and its client is told so; what runs is finished first.
    drop(alive);
    let mut ended = pin!(ended.wait());
    loop {
        tokio::select! {
            () = ended.as_mut() => break,
            stream = connection.accept_bi() => {
                let Ok((mut send, mut recv)) = stream else { return };
                // Either fails only where the client has gone.
                let _ = send.reset(VarInt::from_u32(DRAINING));
                let _ = recv.stop(VarInt::from_u32(DRAINING));
            }
        }
    }
    connection.close(VarInt::from_u32(DRAINING), b"");
}

async fn handshake(incoming: Incoming, peer: SocketAddr, door: &Door) -> Option<Connection> {
    door.handshakes.fetch_add(1, Ordering::AcqRel);
    let _counted = Handshake(&door.handshakes);
    let outcome = match incoming.accept_with(door.config(peer)) {
        Ok(connecting) => timeout(door.limits.handshake, connecting).await,
        Err(error) => Ok(Err(error)),
    };
    match outcome {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            door.refused(peer, refused_words(&error));
            None
        }
        Err(_) => {
            door.refused(peer, "its handshake took too long".to_owned());
            None
        }
    }
}
