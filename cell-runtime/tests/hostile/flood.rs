//! A server that always has more to say: a socket runs empty now and then, this one never does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cell_sdk::Vesicle;
use cell_sdk::client::Connection;
use cell_sdk::transport::{Stream, Writer};
use cell_sdk::wire::{CallFailure, Hello, Kind, Limits, Request};
use tokio::io::{AsyncRead, ReadBuf};

use crate::attack::{ack, frame};
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

#[tokio::test]
async fn a_deadline_is_kept_although_there_is_always_more_to_read() {
    let hello = Hello::new("prey", fingerprint(), "friend");
    let connection = Connection::open(Talk { greeted: false }, &hello, Limits::DEFAULT);
    let request = Request {
        route: 1,
        payload: Vesicle::wrap(b""),
        deadline: Instant::now() + Duration::from_millis(20),
        trace: None,
        streams: false,
    };
    let answer = connection.call(&request).await;
    assert_eq!(answer, Err(CallFailure::DeadlineExceeded));
}
