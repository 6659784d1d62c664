//! What streams over QUIC have to do as streams do, and what only they can.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::AsyncReadExt;

use super::mesh::Mesh;
use crate::remote::stream::{Alive, Budget, QuicStream};
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

/// Both ends of a connection.
async fn pair(mesh: &Mesh) -> (quinn::Connection, quinn::Connection, [quinn::Endpoint; 2]) {
    let limits = RemoteLimits::DEFAULT;
    let config = mesh.issue("echo", false).load().unwrap();
    let config = config.server(&limits).unwrap();
    let server = quinn::Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap();
    let mut client = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let identity = mesh.issue("caller", false).load().unwrap();
    client.set_default_client_config(identity.client(&limits).unwrap());
    let connecting = client
        .connect(server.local_addr().unwrap(), "echo")
        .unwrap();
    let accepting = async { server.accept().await.unwrap().await.unwrap() };
    let (here, there) = tokio::join!(connecting, accepting);
    (here.unwrap(), there, [client, server])
}

/// Over more streams than a connection may have at once, one after another.
#[tokio::test]
async fn what_the_peer_has_is_not_kept_until_the_end() {
    let mesh = Mesh::new();
    let (here, there, _endpoints) = pair(&mesh).await;
    let (alive, ended) = Alive::new();
    let budget = Arc::new(Budget::new(1000));
    let mut most = 0;
    for _ in 0..1000 {
        let (mut send, mut recv) = here.open_bi().await.unwrap();
        send.write_all(b"?").await.unwrap();
        let (back, from) = there.accept_bi().await.unwrap();
        let accepted = QuicStream::accepted(back, from, Arc::clone(&budget), alive.clone());
        let (_reader, writer) = accepted.split();
        writer.try_write(b"answer").unwrap();
        writer.close_write().unwrap();
        assert_eq!(recv.read_to_end(9).await.unwrap(), b"answer");
        most = most.max(ended.kept());
    }
    assert!((1..200).contains(&most), "{most}");
    drop(alive);
    ended.wait().await;
}

#[tokio::test]
async fn who_wants_no_answer_is_noticed_by_who_writes_it() {
    let mesh = Mesh::new();
    let (here, there, _endpoints) = pair(&mesh).await;
    let (alive, _ended) = Alive::new();
    let budget = Arc::new(Budget::new(1000));
    for lost in [false, true] {
        let (mut send, mut recv) = here.open_bi().await.unwrap();
        send.write_all(b"?").await.unwrap();
        send.finish().unwrap();
        let (back, from) = there.accept_bi().await.unwrap();
        let accepted = QuicStream::accepted(back, from, Arc::clone(&budget), alive.clone());
        let (mut reader, writer) = accepted.split();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"?");
        let waits = poll_fn(|cx| Poll::Ready(writer.poll_gone(cx).is_pending())).await;
        assert!(waits, "it has said all, and waits");
        if lost {
            here.close(0u32.into(), b"");
        } else {
            recv.stop(0u32.into()).unwrap();
        }
        poll_fn(|cx| writer.poll_gone(cx)).await;
    }
}
