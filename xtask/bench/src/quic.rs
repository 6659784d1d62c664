//! A 64-byte call over QUIC on the loopback device: Cell beside a bare quinn stream with the same mutual TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::measure::{self, Samples, Settings};
use crate::server::Server;
use crate::{Caller, Payload, cell_rpc, payload, pin, runtime};

pub const RAW: &str = "raw quinn stream";
const CELL: &str = "cell, quic";
const PROTOCOL: &[u8] = b"bench";
const KEYS: &str = "CELL_KEYS";
const IDENTITY: &str = "CELL_IDENTITY";

/// Both pinnings.
pub fn run(settings: &Settings, folder: &Path) -> Result<()> {
    println!("the same call over QUIC, a stream each, mutual TLS, on the loopback device");
    let keys = folder.join("keys");
    issue(&keys, &["echo", "bench"])?;
    // SAFETY: no other thread runs yet.
    unsafe {
        std::env::set_var(KEYS, &keys);
        std::env::set_var(IDENTITY, "bench");
    }
    for (title, client, server) in settings.pairs()? {
        pin::to_core(client)?;
        let raw = Server::start(RAW, folder, server)?;
        let cell = Server::remote_cell("echo", server, &[(IDENTITY, "echo")])?;
        let samples = runtime()?.block_on(async {
            let raw = connect(&std::fs::read_to_string(&raw.place)?).await?;
            let cell = cell_rpc::connect(&format!("echo@{}", cell.place.display())).await?;
            let mut samples = [Samples::default(), Samples::default()];
            for round in 0..=settings.rounds {
                let mut spare = [Samples::default(), Samples::default()];
                let [of_raw, of_cell] = if round == 0 { &mut spare } else { &mut samples };
                measure::both(&raw, settings, of_raw).await?;
                measure::both(&cell, settings, of_cell).await?;
            }
            let [of_raw, of_cell] = samples;
            anyhow::Ok([(RAW, of_raw), (CELL, of_cell)])
        })?;
        measure::print(title, &samples);
    }
    Ok(())
}

/// Makes an authority and certificates, in the files that Cell expects.
fn issue(folder: &Path, names: &[&str]) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params
        .distinguished_name
        .push(DnType::CommonName, "the bench's mesh");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    std::fs::write(folder.join("authority.pem"), authority.pem())?;
    for name in names {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![(*name).to_owned()])?;
        let certificate = certificate.signed_by(&key, &authority)?;
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(format!("{name}.pem")))?;
        let text = certificate.pem() + &key.serialize_pem();
        std::io::Write::write_all(&mut &file, text.as_bytes())?;
    }
    Ok(())
}

struct Identity {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn identity(name: &str) -> Result<Identity> {
    let folder = std::env::var(KEYS).context("CELL_KEYS is not set")?;
    let folder = Path::new(&folder);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("authority.pem"))?)?;
    let own = folder.join(format!("{name}.pem"));
    Ok(Identity {
        roots: Arc::new(roots),
        chain: vec![CertificateDer::from_pem_file(&own)?],
        key: PrivateKeyDer::from_pem_file(&own)?,
    })
}

/// Serves a port that it writes to a file.
pub async fn serve(place: &Path) -> Result<()> {
    let Identity { roots, chain, key } = identity("echo")?;
    let verifier = rustls::server::WebPkiClientVerifier::builder(roots).build()?;
    let mut tls = rustls::ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    std::fs::write(place, endpoint.local_addr()?.to_string())?;
    crate::say_ready();
    while let Some(incoming) = endpoint.accept().await {
        let connection = incoming.await?;
        tokio::spawn(async move {
            while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                tokio::spawn(async move {
                    let message = receive.read_to_end(payload::BYTES).await?;
                    send.write_all(&message).await?;
                    send.finish()?;
                    anyhow::Ok(())
                });
            }
        });
    }
    Ok(())
}

#[derive(Clone)]
struct Raw {
    connection: Connection,
    _endpoint: Endpoint,
}

async fn connect(address: &str) -> Result<Raw> {
    let Identity { roots, chain, key } = identity("bench")?;
    let mut tls = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let connection = endpoint
        .connect_with(config, address.parse()?, "echo")?
        .await?;
    Ok(Raw {
        connection,
        _endpoint: endpoint,
    })
}

impl Caller for Raw {
    async fn call(&self, message: Payload) -> Result<Payload> {
        let (mut send, mut receive) = self.connection.open_bi().await?;
        send.write_all(&payload::to_bytes(message)).await?;
        send.finish()?;
        payload::from_bytes(&receive.read_to_end(payload::BYTES).await?)
    }
}
