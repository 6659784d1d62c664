//! One suite for every transport: a new one is a line in [`conformance`]'s callers.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::*;

async fn write_all(writer: &impl Writer, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match writer.try_write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll_fn(|cx| writer.poll_write_ready(cx)).await.unwrap()
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What every transport must do.
pub(crate) async fn conformance<L, S, F>(listener: L, connect: impl Fn() -> F)
where
    L: Listener,
    S: Stream,
    F: Future<Output = io::Result<S>>,
{
    // A connection made before anybody accepts is not lost, and bytes written before that arrive.
    let (mut client_reader, client_writer) = connect().await.unwrap().split();
    write_all(&client_writer, b"early").await;
    let (mut server_reader, server_writer) = listener.accept().await.unwrap().split();
    let mut five = [0; 5];
    server_reader.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"early");

    // Nothing to read is pending, not an end.
    let mut buf = [0; 8];
    let idle = poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut buf);
        std::task::Poll::Ready(
            Pin::new(&mut client_reader)
                .poll_read(cx, &mut buf)
                .is_pending(),
        )
    });
    assert!(idle.await);

    // A megabyte passes whole and in order while the writer meets a full buffer.
    let sent: Vec<u8> = (0..1u32 << 20).map(|i| (i % 251) as u8).collect();
    let mut received = vec![0; sent.len()];
    let (_, read) = tokio::join!(
        write_all(&server_writer, &sent),
        client_reader.read_exact(&mut received)
    );
    read.unwrap();
    assert_eq!(received, sent);

    // A writer that nobody reads is told so instead of growing a buffer.
    let refused = (0..1024).find_map(|_| client_writer.try_write(&[0; 65536]).err());
    assert_eq!(
        refused.map(|error| error.kind()),
        Some(io::ErrorKind::WouldBlock)
    );

    // A half close: what was written arrives, then the end; the other direction still works.
    server_writer.try_write(b"bye").unwrap();
    server_writer.close_write().unwrap();
    let mut rest = Vec::new();
    client_reader.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"bye");

    // When a whole side is gone, writing fails.
    drop((server_reader, server_writer));
    let dead = loop {
        match client_writer.try_write(&[0; 65536]) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Err(error) = poll_fn(|cx| client_writer.poll_write_ready(cx)).await {
                    break error.kind();
                }
            }
            Err(error) => break error.kind(),
        }
    };
    assert!(
        [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset].contains(&dead),
        "{dead}"
    );
}

#[tokio::test]
async fn memory_conforms() {
    let (listener, connect) = memory();
    conformance(listener, || std::future::ready(connect())).await;
}

#[tokio::test]
async fn unix_sockets_conform() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let listener = UdsListener::bind(&path).unwrap();
    conformance(listener, || UdsStream::connect(&path)).await;
}
