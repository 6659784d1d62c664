//! What streams over QUIC have to do as streams do, and what only they can.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::mesh::Mesh;
use crate::remote::stream::QuicStream;
use crate::remote::{QuicListener, RemoteLimits};
use crate::transport::tests::conformance;
use crate::transport::{Listener, Stream, Writer};

#[tokio::test]
async fn quic_conforms() {
    let mesh = Mesh::new();
    let limits = RemoteLimits::DEFAULT;
    let keys = mesh.issue("echo", false);
    let (listener, _closing) =
        QuicListener::bind(([127, 0, 0, 1], 0).into(), keys, limits, |_| {}).unwrap();
    let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let identity = mesh.issue("caller", false).load().unwrap();
    endpoint.set_default_client_config(identity.client(&limits).unwrap());
    let address = listener.address();
    conformance(listener, || async {
        let connection = endpoint.connect(address, "echo").unwrap().await?;
        let (send, recv) = connection.open_bi().await?;
        Ok(QuicStream::opened(send, recv, Arc::default()))
    })
    .await;
}

/// Connection migration (RFC 9000, section 9): a laptop that changes its network goes on where it was.
#[tokio::test]
async fn a_client_whose_address_changes_keeps_its_connection_and_its_streams() {
    let mesh = Mesh::new();
    let limits = RemoteLimits::DEFAULT;
    let keys = mesh.issue("echo", false);
    let (listener, _closing) =
        QuicListener::bind(([127, 0, 0, 1], 0).into(), keys, limits, |_| {}).unwrap();
    let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let identity = mesh.issue("caller", false).load().unwrap();
    endpoint.set_default_client_config(identity.client(&limits).unwrap());
    let connecting = endpoint.connect(listener.address(), "echo").unwrap();
    let connection = connecting.await.unwrap();
    let (send, recv) = connection.open_bi().await.unwrap();
    let (mut reader, writer) = QuicStream::opened(send, recv, Arc::default()).split();
    writer.try_write(b"before").unwrap();
    let (mut there, answers) = listener.accept().await.unwrap().split();
    let mut six = [0; 6];
    there.read_exact(&mut six).await.unwrap();
    let before = endpoint.local_addr().unwrap();

    endpoint
        .rebind(std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap())
        .unwrap();
    assert_ne!(endpoint.local_addr().unwrap(), before);
    writer.try_write(b"behind").unwrap();
    there.read_exact(&mut six).await.unwrap();
    assert_eq!(&six, b"behind");
    answers.try_write(b"answer").unwrap();
    reader.read_exact(&mut six).await.unwrap();
    assert_eq!(&six, b"answer");
    assert_eq!(connection.close_reason(), None);
}
