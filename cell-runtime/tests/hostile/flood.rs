//! A server that always has more to say: a socket runs empty now and then, this one never does.

use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cell_sdk::Vesicle;
use cell_sdk::client::Connection;
use cell_sdk::transport::{Stream, UdsStream, Writer};
use cell_sdk::wire::{CallFailure, HEADER_LEN, Hello, Kind, Limits, Request};
use tokio::io::{AsyncRead, ReadBuf};

use crate::attack::{ack, frame, send, until};
use crate::gap::{MARK, RING_BYTES, Shared, TO_CLIENT, TO_CLIENT_DATA};
use crate::victim::fingerprint;

/// Says HELLO_ACK, then PONG for ever; takes whatever is written.
struct Talk {
    greeted: bool,
}

struct Deaf;

impl Stream for Talk {
    type Reader = Talk;
    type Writer = Deaf;

    fn split(self) -> (Talk, Deaf) {
        (self, Deaf)
    }

    fn peer_uid(&self) -> Option<u32> {
        None
    }
}

impl AsyncRead for Talk {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // As every source of tokio's does: others get their turn.
        let budget = std::task::ready!(tokio::task::coop::poll_proceed(cx));
        budget.made_progress();
        let greeted = std::mem::replace(&mut self.greeted, true);
        let bytes = if greeted {
            frame(Kind::Pong, 1, 0, &[])
        } else {
            ack()
        };
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl Writer for Deaf {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn close_write(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A call that is given up soon.
fn urgent() -> Request {
    Request {
        route: 1,
        payload: Vesicle::wrap(b""),
        deadline: Instant::now() + Duration::from_millis(20),
        trace: None,
        streams: false,
    }
}

#[tokio::test]
async fn a_deadline_is_kept_although_there_is_always_more_to_read() {
    let hello = Hello::new("prey", fingerprint(), "friend");
    let connection = Connection::open(Talk { greeted: false }, &hello, Limits::DEFAULT);
    let answer = connection.call(&urgent()).await;
    assert_eq!(answer, Err(CallFailure::DeadlineExceeded));
}

/// Offers shared memory, and once the client is there says PONG in it for ever: whatever is read, the ring is full again.
fn flood_the_ring(mut socket: UnixStream) {
    send(&mut socket, &ack());
    let shared = Shared::make(&socket);
    until(&mut socket, |frame| frame.header.kind == Kind::Gap).unwrap();
    let pongs = frame(Kind::Pong, 1, 0, &[]).repeat(RING_BYTES / HEADER_LEN);
    shared.put(TO_CLIENT_DATA, &pongs);
    // Until the client hangs up.
    socket.set_nonblocking(true).unwrap();
    let mut turns = 0u32;
    loop {
        let head = shared.word(TO_CLIENT, 1).load(Ordering::SeqCst) & !MARK;
        let tail = shared.word(TO_CLIENT, 0);
        tail.store(head + RING_BYTES as u64, Ordering::SeqCst);
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(1 << 16) && matches!(socket.read(&mut [0; 64]), Ok(0)) {
            return;
        }
    }
}

#[test]
fn a_deadline_is_kept_although_the_ring_never_runs_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prey.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let enemy = std::thread::spawn(move || flood_the_ring(listener.accept().unwrap().0));
    let (done, wait) = std::sync::mpsc::channel();
    // On a thread of its own: where the deadline is not kept nothing else ends it.
    std::thread::spawn(move || {
        // One core for each side, also where there are no more than two.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let hello = Hello::new("prey", fingerprint(), "friend");
            let stream = UdsStream::connect(&path).await.unwrap();
            let connection = Connection::open(stream, &hello, Limits::DEFAULT);
            for _ in 0..20 {
                let answer = connection.call(&urgent()).await;
                done.send(answer).unwrap();
            }
        });
    });
    for _ in 0..20 {
        let answer = wait.recv_timeout(Duration::from_secs(30));
        assert_eq!(answer, Ok(Err(CallFailure::DeadlineExceeded)));
    }
    enemy.join().unwrap();
}
