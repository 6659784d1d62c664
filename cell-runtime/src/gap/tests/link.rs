//! Connections that have moved into shared memory, inside one process.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::io::AsyncReadExt;

use crate::gap::link::{Link, LocalReader, LocalWriter};
use crate::gap::segment::{Layout, Segment};
use crate::transport::tests::conformance;
use crate::transport::{Listener, Stream};
use crate::wire::HEADER_LEN;

/// A stream that is in shared memory from the first byte.
pub(super) struct Moved(pub(super) LocalReader, pub(super) LocalWriter);

impl Stream for Moved {
    type Reader = LocalReader;
    type Writer = LocalWriter;

    fn split(self) -> (LocalReader, LocalWriter) {
        (self.0, self.1)
    }

    fn peer_uid(&self) -> Option<u32> {
        None
    }
}

fn sockets() -> (Arc<Link>, Arc<Link>) {
    let (client, server) = std::os::unix::net::UnixStream::pair().unwrap();
    let link = |stream: std::os::unix::net::UnixStream| {
        stream.set_nonblocking(true).unwrap();
        Arc::new(Link::new(stream).unwrap())
    };
    (link(client), link(server))
}

async fn write_all(writer: &LocalWriter, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match writer.try_write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::future::poll_fn(|cx| writer.poll_write_ready(cx))
                    .await
                    .unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Moves a pair, as the frames of both sides would.
pub(super) async fn moved() -> (Moved, Moved) {
    let (client, server) = sockets();
    let ends =
        |link: &Arc<Link>| Moved(LocalReader(Arc::clone(link)), LocalWriter(Arc::clone(link)));
    let (mut client_end, mut server_end) = (ends(&client), ends(&server));
    client.expect();
    server.offer(|| (0, HEADER_LEN)).unwrap();
    write_all(&server_end.1, &[1; HEADER_LEN]).await;
    let mut frame = [0; HEADER_LEN];
    client_end.0.read_exact(&mut frame).await.unwrap();
    client.accept(HEADER_LEN).unwrap();
    write_all(&client_end.1, &[2; HEADER_LEN]).await;
    server_end.0.read_exact(&mut frame).await.unwrap();
    server.accepted();
    (client_end, server_end)
}

#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<VecDeque<Moved>>>);

impl Listener for Waiting {
    type Stream = Moved;

    async fn accept(&self) -> io::Result<Moved> {
        let next = self.0.lock().unwrap().pop_front();
        match next {
            Some(stream) => Ok(stream),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn shared_memory_conforms() {
    let waiting = Waiting::default();
    let accepting = waiting.clone();
    conformance(accepting, || {
        let waiting = waiting.clone();
        async move {
            let (client, server) = moved().await;
            waiting.0.lock().unwrap().push_back(server);
            Ok(client)
        }
    })
    .await;
}

/// Between the offer and the client's answer a server may fill the ring: the answer is for its reading half, also when the writing
/// half waits for the bell behind it.
#[tokio::test]
async fn a_server_that_waits_for_room_leaves_the_clients_last_frames_alone() {
    for closes in [false, true] {
        let (client, server) = sockets();
        let mut client_reader = LocalReader(Arc::clone(&client));
        let client_writer = LocalWriter(Arc::clone(&client));
        let mut server_reader = LocalReader(Arc::clone(&server));
        let server_writer = LocalWriter(Arc::clone(&server));
        client.expect();
        server.offer(|| (0, HEADER_LEN)).unwrap();
        write_all(&server_writer, &[1; HEADER_LEN]).await;
        let ring = vec![3; 128 << 10];
        assert_eq!(server_writer.try_write(&ring).unwrap(), ring.len());
        let mut room = pin!(poll_fn(|cx| server_writer.poll_write_ready(cx)));
        let is_early = poll_fn(|cx| Poll::Ready(room.as_mut().poll(cx).is_ready())).await;
        assert!(!is_early);
        let mut frame = [0; HEADER_LEN];
        client_reader.read_exact(&mut frame).await.unwrap();
        client.accept(HEADER_LEN).unwrap();
        write_all(&client_writer, &[2; HEADER_LEN]).await;
        let client = if closes {
            drop((client, client_reader, client_writer));
            None
        } else {
            let mut some = vec![0; 100 << 10];
            client_reader.read_exact(&mut some).await.unwrap();
            Some(client_writer)
        };
        room.await.unwrap();
        assert_eq!(server_writer.try_write(b"more").is_ok(), !closes);
        server_reader.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [2; HEADER_LEN]);
        server.accepted();
        if let Some(client_writer) = client {
            write_all(&client_writer, b"and on").await;
            server_reader.read_exact(&mut frame[..6]).await.unwrap();
            assert_eq!(&frame[..6], b"and on");
        }
    }
}

/// Its reading half may be busy with something else for long: bells that nobody takes are not what its writing half waits for.
#[tokio::test]
async fn a_server_whose_reading_half_is_busy_goes_on_writing() {
    let (client, server) = sockets();
    let (mut reader, server_writer) = (
        LocalReader(Arc::clone(&client)),
        LocalWriter(Arc::clone(&server)),
    );
    let client_writer = LocalWriter(Arc::clone(&client));
    client.expect();
    server.offer(|| (0, HEADER_LEN)).unwrap();
    write_all(&server_writer, &[1; HEADER_LEN]).await;
    let mut frame = [0; HEADER_LEN];
    reader.read_exact(&mut frame).await.unwrap();
    client.accept(HEADER_LEN).unwrap();
    write_all(&client_writer, &[2; HEADER_LEN]).await;
    // More rings full than bells fit into the socket.
    let whole = vec![7; 30 * (128 << 10)];
    let mut read = vec![0; whole.len()];
    let (_, read_all) = tokio::join!(
        write_all(&server_writer, &whole),
        reader.read_exact(&mut read)
    );
    assert_eq!(read_all.unwrap(), whole.len());
    assert_eq!(read, whole);
}

/// What a client must not take from a cell.
/// As a client does that expects nothing more: it has taken the last answer, and asked for no bell with what follows.
#[tokio::test]
async fn an_end_is_noticed_also_by_who_asked_for_no_bell() {
    let (Moved(mut reader, _writer), Moved(_reader, server_writer)) = moved().await;
    let link = Arc::clone(&reader.0);
    let task = tokio::spawn(async move {
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.map(|_| rest)
    });
    // The task sleeps in the ring, and has asked for a bell.
    tokio::task::yield_now().await;
    link.awake();
    server_writer.try_write(b"answer").unwrap();
    let mut answer = [0; 9];
    assert_eq!(link.try_take(&mut answer).unwrap(), Some(6));
    assert_eq!(link.try_take(&mut answer).unwrap(), None);
    server_writer.close_write().unwrap();
    assert_eq!(task.await.unwrap().unwrap(), b"");
}

#[test]
fn memory_that_can_do_harm_is_refused() {
    let (_, good) = Segment::make(Layout::FRAMES).unwrap();
    assert!(Segment::take(&good, Layout::FRAMES).is_ok());
    let size = nix::sys::stat::fstat(&good).unwrap().st_size;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    let memfd = |size: i64, seals: SealFlag| {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(c"test", flags).unwrap();
        nix::unistd::ftruncate(&fd, size).unwrap();
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
        fd
    };
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    let cases: [(OwnedFd, &str); 6] = [
        (memfd(size, SealFlag::F_SEAL_SHRINK), "can still be shrunk"),
        (
            memfd(size, SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL),
            "can still be shrunk",
        ),
        (memfd(4096, seals), "another size"),
        (memfd(size, seals), "another layout"),
        (
            tempfile::tempfile().unwrap().into(),
            "no memfd of plain pages",
        ),
        (reader, "no memfd of plain pages"),
    ];
    for (fd, why) in cases {
        let error = Segment::take(&fd, Layout::FRAMES)
            .err()
            .map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains(why)),
            "{why}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_offer_without_memory_is_refused() {
    let (client, _server) = sockets();
    client.expect();
    let error = client.accept(HEADER_LEN).unwrap_err().to_string();
    assert!(error.contains("sent none"), "{error}");
}

/// Bells that nobody asked for do no harm, nor do thousands that nobody reads.
#[tokio::test]
async fn bells_may_be_lies() {
    let (client, mut server) = moved().await;
    let (mut client_reader, client_writer) = client.split();
    for _ in 0..100_000 {
        server.1.0.ring_for_tests();
    }
    server.1.try_write(b"hello").unwrap();
    let mut five = [0; 5];
    client_reader.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"hello");
    write_all(&client_writer, b"world").await;
    server.0.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"world");
}
