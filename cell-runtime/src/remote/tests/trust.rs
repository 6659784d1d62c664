#![expect(
    clippy::disallowed_methods,
    reason = "a rotation replaces files on disk"
)]

use super::mesh::{ECHO, Mesh, Running, call};
use crate::client::Client;

async fn refused(client: &Client) -> String {
    call(client, ECHO, b"").await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_and_logged() {
    let (mesh, foreign) = (Mesh::new(), Mesh::new());
    let mut server = Running::start(mesh.issue("echo", false), 0, "one");
    // It trusts the server, but the server does not know who issued its certificate.
    let keys = foreign.issue("caller", false);
    foreign.trust(&mesh);
    let error = refused(&server.client(&keys, "echo")).await;
    assert!(error.contains("another authority"), "{error}");
    assert!(server.refusal(1).await.contains("UnknownIssuer"));
    // And the other way round.
    let stranger = Mesh::new().issue("caller", false);
    let error = refused(&server.client(&stranger, "echo")).await;
    assert!(
        error.contains("No such file") || error.contains("UnknownIssuer"),
        "{error}"
    );
    assert_eq!(
        server
            .echo
            .started
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_refused_and_logged() {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let mesh = Mesh::new();
    let mut server = Running::start(mesh.issue("echo", false), 0, "one");
    let mut roots = rustls::RootCertStore::empty();
    let authority = mesh.path().join(super::super::AUTHORITY_FILE);
    roots
        .add(CertificateDer::from_pem_file(authority).unwrap())
        .unwrap();
    let provider = rustls::crypto::ring::default_provider().into();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![super::super::PROTOCOL.to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let config = quinn::ClientConfig::new(std::sync::Arc::new(tls));
    let connecting = endpoint
        .connect_with(config, server.address, "echo")
        .unwrap();
    // In TLS 1.3 a client is done before the server has looked at it.
    if let Ok(connection) = connecting.await {
        connection.closed().await;
    }
    let reason = server.refusal(1).await;
    assert!(reason.contains("certificate"), "{reason}");
    assert_eq!(server.echo.started(), 0);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_logged() {
    let mesh = Mesh::new();
    let mut server = Running::start(mesh.issue("echo", false), 0, "one");
    let error = refused(&server.client(&mesh.issue("caller", true), "echo")).await;
    assert!(
        error.contains("expired") && error.contains("cargo cell keys issue"),
        "{error}"
    );
    assert!(server.refusal(1).await.contains("expired"));

    let mut server = Running::start(mesh.issue("echo", true), 0, "one");
    let error = refused(&server.client(&mesh.issue("caller", false), "echo")).await;
    assert!(
        error.contains("expired") && error.contains("renewed with `cargo cell keys issue`"),
        "{error}"
    );
    assert!(server.refusal(1).await.contains("expired"));
}

#[tokio::test]
async fn a_server_that_bears_another_name_is_refused_and_logged() {
    let mesh = Mesh::new();
    let mut server = Running::start(mesh.issue_as("echo", "other", false), 0, "one");
    let error = refused(&server.client(&mesh.issue("caller", false), "echo")).await;
    assert!(error.contains("not valid for name \"echo\""), "{error}");
    server.refusal(1).await;
    // The cell itself checks its name, too.
    let error = refused(&server.client(&mesh.keys("caller"), "other")).await;
    assert!(error.contains("other"), "{error}");
}

#[tokio::test]
async fn a_certificate_from_before_a_rotation_is_refused_and_logged() {
    let (mesh, next) = (Mesh::new(), Mesh::new());
    let mut server = Running::start(mesh.issue("echo", false), 0, "one");
    let former = mesh.issue("caller", false);
    assert!(
        call(&server.client(&former, "echo"), ECHO, b"")
            .await
            .is_ok()
    );
    // The folder moves on to another authority while the server runs: no restart is needed.
    mesh.trust(&next);
    next.issue("echo", false);
    let file = super::super::identity_file("echo");
    std::fs::rename(next.path().join(&file), mesh.path().join(&file)).unwrap();
    let error = refused(&server.client(&former, "echo")).await;
    assert!(error.contains("another authority"), "{error}");
    assert!(server.refusal(1).await.contains("UnknownIssuer"));
    let renewed = next.issue("caller", false);
    assert!(
        call(&server.client(&renewed, "echo"), ECHO, b"")
            .await
            .is_ok()
    );
}
