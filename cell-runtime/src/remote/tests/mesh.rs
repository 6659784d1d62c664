//! Certificates as `cargo cell keys` writes them, and services to call.
#![expect(
    clippy::disallowed_methods,
    reason = "a test writes its keys to a folder of its own"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

use super::super::*;
use crate::Vesicle;
use crate::client::{CallOptions, Client, Target};
use crate::server::{
    self, CallContext, CallFuture, Reply, RouteId, ServerOptions, Service, Status,
};
use crate::wire::{ClientState, Hello, Limits, Request};

pub(super) const ECHO: RouteId = 1;
pub(super) const HANG: RouteId = 2;
pub(super) const GATE: RouteId = 3;

/// An authority and a folder that trusts it.
pub(super) struct Mesh {
    pub(super) dir: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A connection without a client around it, from an endpoint that lives as long.
pub(super) async fn connect_plainly(
    mesh: &Mesh,
    address: std::net::SocketAddr,
) -> (quinn::Connection, quinn::Endpoint) {
    let identity = mesh.issue("caller", false).load().unwrap();
    let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(identity.client(&RemoteLimits::DEFAULT).unwrap());
    let connection = endpoint.connect(address, "echo").unwrap().await.unwrap();
    (connection, endpoint)
}

/// The greeting alone.
pub(super) fn greeting() -> Vec<u8> {
    let mut state = ClientState::new(&Hello::new("echo", 7, "caller"), Limits::DEFAULT);
    state.out().pending().to_vec()
}

/// What a client of the echo cell says first: the state behind its greeting and one call.
pub(super) fn asks(route: RouteId) -> (ClientState, Vec<u8>) {
    let mut state = ClientState::new(&Hello::new("echo", 7, "caller"), Limits::DEFAULT);
    let now = Instant::now();
    let request = Request {
        route,
        payload: Vesicle::wrap(b"please"),
        deadline: now + Duration::from_secs(10),
        trace: None,
        streams: false,
    };
    state.start(now, &request).unwrap();
    let bytes = state.out().pending().to_vec();
    state.out().advance(bytes.len());
    (state, bytes)
}

impl Mesh {
    pub(super) fn new() -> Mesh {
        let mesh = Mesh {
            dir: tempfile::tempdir().unwrap(),
            authority: authority(),
        };
        mesh.trust(&mesh);
        mesh
    }

    /// Makes this folder trust the other's authority, and nobody else.
    pub(super) fn trust(&self, other: &Mesh) {
        std::fs::write(self.dir.path().join(AUTHORITY_FILE), other.authority.pem()).unwrap();
    }

    /// Issues a certificate that is good until 4095, or was until the year 2000.
    pub(super) fn issue(&self, name: &str, expired: bool) -> Keys {
        self.issue_as(name, name, expired)
    }

    /// Puts a certificate for `bears` where that of `name` is looked for.
    pub(super) fn issue_as(&self, name: &str, bears: &str, expired: bool) -> Keys {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![bears.to_owned()]).unwrap();
        if expired {
            params.not_after = date_time_ymd(2000, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let file = self.dir.path().join(identity_file(name));
        std::fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.keys(name)
    }

    pub(super) fn keys(&self, name: &str) -> Keys {
        Keys::at(self.dir.path(), name).unwrap()
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    // A name of its own: an authority of the same name would only be known by its signatures.
    let name = format!("mesh {}", blake3::hash(&key.serialize_der()).to_hex());
    params
        .distinguished_name
        .push(DnType::CommonName, &name[..32]);
    CertifiedIssuer::self_signed(params, key).unwrap()
}

/// Answers, or not, and counts.
pub(super) struct Echo {
    pub(super) started: AtomicUsize,
    pub(super) dropped: Arc<Notify>,
    pub(super) gate: Arc<Notify>,
    name: &'static str,
}

impl Echo {
    pub(super) fn new(name: &'static str) -> Echo {
        Echo {
            started: AtomicUsize::new(0),
            dropped: Arc::default(),
            gate: Arc::default(),
            name,
        }
    }

    pub(super) fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    /// Waits until a call was started.
    pub(super) async fn until_started(&self, calls: usize) {
        while self.started() < calls {
            tokio::task::yield_now().await;
        }
    }
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Service for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn fingerprint(&self) -> u64 {
        7
    }

    fn routes(&self) -> &[RouteId] {
        &[ECHO, HANG, GATE]
    }

    fn call(&self, route: RouteId, _context: CallContext, payload: Vesicle) -> CallFuture {
        self.started.fetch_add(1, Ordering::SeqCst);
        let (dropped, gate, name) = (
            OnDrop(Arc::clone(&self.dropped)),
            Arc::clone(&self.gate),
            self.name,
        );
        CallFuture::new(async move {
            match route {
                ECHO => Ok(Reply::Ok(payload)),
                GATE => {
                    gate.notified().await;
                    Ok(Reply::Ok(Vesicle::wrap(name)))
                }
                _ => {
                    let _dropped = dropped;
                    std::future::pending::<Result<Reply, Status>>().await
                }
            }
        })
    }
}

/// A cell on the network.
pub(super) struct Running {
    pub(super) address: std::net::SocketAddr,
    pub(super) echo: Arc<Echo>,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) server: JoinHandle<()>,
    refused: Arc<Mutex<Vec<Refused>>>,
    news: watch::Receiver<usize>,
}

impl Running {
    /// Serves `name`'s answers on a port.
    pub(super) fn start(keys: Keys, port: u16, name: &'static str) -> Running {
        Running::with(keys, port, name, RemoteLimits::DEFAULT)
    }

    pub(super) fn with(keys: Keys, port: u16, name: &'static str, limits: RemoteLimits) -> Running {
        let refused: Arc<Mutex<Vec<Refused>>> = Arc::default();
        let (tell, news) = watch::channel(0);
        let log = Arc::clone(&refused);
        let report = move |refusal| {
            let mut log = log.lock().unwrap();
            log.push(refusal);
            tell.send_replace(log.len());
        };
        let (listener, closing) =
            QuicListener::bind(([127, 0, 0, 1], port).into(), keys, limits, report).unwrap();
        let echo = Arc::new(Echo::new(name));
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, service) = (listener.address(), Arc::clone(&echo) as Arc<dyn Service>);
        let server = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            server::run(listener, service, ServerOptions::default(), shutdown)
                .await
                .unwrap();
            closing.finish(Duration::from_secs(5)).await;
        });
        Running {
            address,
            echo,
            stop: Some(stop),
            server,
            refused,
            news,
        }
    }

    /// A client that calls this one with `keys`, by the name `cell`.
    pub(super) fn client(&self, keys: &Keys, cell: &str) -> Client {
        let address = RemoteAddress::parse(&self.address.to_string()).unwrap();
        Client::new(Target::remote(address, keys.clone(), cell, 7))
    }

    /// Waits until a call was started.
    pub(super) async fn until_started(&self, calls: usize) {
        self.echo.until_started(calls).await;
    }

    /// Waits until this many peers were refused, and gives the last reason.
    pub(super) async fn refusal(&mut self, count: usize) -> String {
        self.news.wait_for(|seen| *seen >= count).await.unwrap();
        self.refused.lock().unwrap().last().unwrap().reason.clone()
    }

    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
    }
}

pub(super) async fn call(
    client: &Client,
    route: RouteId,
    payload: &[u8],
) -> Result<Reply, crate::Error> {
    client
        .call(route, Vesicle::wrap(payload), CallOptions::default())
        .await
}
