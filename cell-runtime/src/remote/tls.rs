#![expect(
    clippy::disallowed_methods,
    reason = "certificates are read from disk here, at the edge"
)]

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig, TransportConfig, VarInt};
use ring::rand::SecureRandom;
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::{AUTHORITY_FILE, PROTOCOL, RemoteLimits};
use crate::{Error, discovery};

/// Names the folder of keys; `$CELL_HOME/keys` where it is not set.
pub const ENV_KEYS: &str = "CELL_KEYS";

/// Names the certificate that this process shows; its cell's where it is not set.
pub const ENV_IDENTITY: &str = "CELL_IDENTITY";

/// The file of a cell's certificate and private key, inside a folder of keys: one file, so that both change at once.
pub fn identity_file(name: &str) -> String {
    format!("{name}.pem")
}

/// Where a process finds what it is on the network: a folder of keys and a name in it (`cargo cell keys`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    dir: PathBuf,
    name: String,
}

/// Tells files that were replaced: number, size and time of each.
pub(super) type Stamp = [(u64, u64, i64, i64); 2];

impl Keys {
    /// The keys of `name` in a folder.
    pub fn at(dir: impl Into<PathBuf>, name: &str) -> Result<Keys, Error> {
        discovery::check_name(name)?;
        if identity_file(name) == AUTHORITY_FILE {
            return Err(Error::Io {
                what: format!("use `{name}` as a name"),
                reason: "its file is the authority's".to_owned(),
            });
        }
        Ok(Keys {
            dir: dir.into(),
            name: name.to_owned(),
        })
    }

    /// The keys that the environment names: `$CELL_IDENTITY`, or else `name`, in `$CELL_KEYS`, or else in `$CELL_HOME/keys`.
    pub fn from_env(name: &str) -> Result<Keys, Error> {
        let set = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty());
        let dir = match set(ENV_KEYS) {
            Some(dir) => PathBuf::from(dir),
            None => discovery::home(|name| std::env::var_os(name))?.join("keys"),
        };
        match set(ENV_IDENTITY) {
            Some(identity) => Keys::at(dir, &identity.to_string_lossy()),
            None => Keys::at(dir, name),
        }
    }

    /// The name that is shown to peers.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn paths(&self) -> [PathBuf; 2] {
        [
            self.dir.join(AUTHORITY_FILE),
            self.dir.join(identity_file(&self.name)),
        ]
    }

    /// What the files are now: another one after a rotation.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let mut stamp = Stamp::default();
        for (slot, path) in stamp.iter_mut().zip(self.paths()) {
            let file = std::fs::metadata(path).ok()?;
            *slot = (file.ino(), file.size(), file.mtime(), file.mtime_nsec());
        }
        Some(stamp)
    }

    /// Whether a cell can start with these files: they are there, and the private key is its owner's alone.
    pub fn check(&self) -> Result<(), Error> {
        self.load()?.server(&RemoteLimits::DEFAULT).map(drop)
    }

    /// Reads the certificates and the key.
    pub(super) fn load(&self) -> Result<Identity, Error> {
        let [authority, own] = self.paths();
        let mut roots = RootCertStore::empty();
        for root in certificates(&authority, "run `cargo cell keys init` first")? {
            roots.add(root).map_err(|error| {
                unreadable(
                    &authority,
                    &error,
                    "make it anew with `cargo cell keys init`",
                )
            })?;
        }
        let issue = format!("run `cargo cell keys issue {}`", self.name);
        let chain = certificates(&own, &issue)?;
        let failed = |error: &dyn std::fmt::Display| unreadable(&own, error, &issue);
        let mode = std::fs::metadata(&own)
            .map_err(|error| failed(&error))?
            .mode();
        if mode & 0o077 != 0 {
            return Err(unreadable(
                &own,
                &format!(
                    "it holds a private key, and others may read it (mode {:03o})",
                    mode & 0o777
                ),
                &format!("run `chmod 600 {}`", own.display()),
            ));
        }
        let key = PrivateKeyDer::from_pem_file(&own).map_err(|error| failed(&error))?;
        Ok(Identity {
            roots: Arc::new(roots),
            chain,
            key,
        })
    }
}

fn certificates(path: &Path, hint: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match read {
        Ok(list) if list.is_empty() => Err(unreadable(path, &"it holds no certificate", hint)),
        Ok(list) => Ok(list),
        Err(error) => Err(unreadable(path, &error, hint)),
    }
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display, hint: &str) -> Error {
    Error::Io {
        what: format!("read {}", path.display()),
        reason: format!("{reason}; {hint}"),
    }
}

/// What a process is on the network, and whom it trusts.
pub(super) struct Identity {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// How connections are accepted: only with a certificate of the authority, looked at anew each time.
    pub(super) fn server(&self, limits: &RemoteLimits) -> Result<quinn::ServerConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&provider),
        )
        .build()
        .map_err(|error| unusable(&error))?;
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| unusable(&error))?;
        tls.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A resumed session would pass without its certificate being looked at, and early data can be replayed.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        tls.max_early_data_size = 0;
        let tls = QuicServerConfig::try_from(tls).map_err(|error| unusable(&error))?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let mut transport = transport(limits);
        transport.max_concurrent_bidi_streams(VarInt::from_u32(limits.streams_max));
        config
            .transport_config(Arc::new(transport))
            .max_incoming(limits.connections_max)
            .incoming_buffer_size(64 << 10)
            .incoming_buffer_size_total(8 << 20);
        Ok(config)
    }

    /// How connections are opened: only to a server whose certificate bears the name that is asked for.
    pub(super) fn client(&self, limits: &RemoteLimits) -> Result<quinn::ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable(&error))?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| unusable(&error))?;
        tls.alpn_protocols = vec![PROTOCOL.to_vec()];
        tls.resumption = Resumption::disabled();
        let tls = QuicClientConfig::try_from(tls).map_err(|error| unusable(&error))?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        let mut transport = transport(limits);
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .keep_alive_interval(Some(limits.keep_alive));
        config.transport_config(Arc::new(transport));
        Ok(config)
    }

    /// The endpoint of a server. Its key for stateless resets outlives a restart: peers of the process that died learn at
    /// once that their connections are gone.
    pub(super) fn endpoint(&self) -> Result<EndpointConfig, Error> {
        let key = blake3::derive_key("cell remote stateless reset", self.key.secret_der());
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let mut seed = [0; 32];
        ring::rand::SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| unusable(&"the system gives no random bytes"))?;
        let mut config = EndpointConfig::new(Arc::new(key));
        config.cid_generator(move || Box::new(FreshIds { seed, count: 0 }));
        Ok(config)
    }
}

/// Connection ids that nobody can guess. Quinn's own ones take those of the process before a restart for noise, and
/// answer them with silence instead of a reset.
struct FreshIds {
    seed: [u8; 32],
    count: u64,
}

const ID_BYTES: usize = 8;

impl ConnectionIdGenerator for FreshIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.count += 1;
        let hash = blake3::keyed_hash(&self.seed, &self.count.to_le_bytes());
        ConnectionId::new(&hash.as_bytes()[..ID_BYTES])
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn transport(limits: &RemoteLimits) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = u32::try_from(limits.idle.as_millis()).unwrap_or(u32::MAX);
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(VarInt::from_u32(idle).into()))
        .stream_receive_window(VarInt::from_u32(limits.stream_window))
        .receive_window(VarInt::from_u32(limits.window))
        .send_window(limits.window.into());
    transport
}

fn unusable(error: &dyn std::fmt::Display) -> Error {
    Error::Io {
        what: "use the keys".to_owned(),
        reason: format!("{error}; `cargo cell keys list` shows them"),
    }
}
