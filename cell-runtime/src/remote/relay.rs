use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Closing, QuicListener, QuicStream};
use crate::transport::{Listener, Stream, UdsStream, Writer};
use crate::wire::{HEADER_LEN, Kind, flags};

/// The most calls that are carried at once; further ones wait for their turn.
const CALLS_MAX: usize = 512;

/// What one direction of a call may have on its way.
const BUFFER_BYTES: usize = 16 << 10;

/// How often a socket with a full backlog is tried again, and how long after.
const TRIES: u32 = 500;
const TRY_AGAIN: Duration = Duration::from_millis(2);

/// Carries the calls of a network door to the Unix socket of a cell on this machine until `shutdown`, and lets those in
/// flight finish for `drain`. The frames pass as they are: what the cell says to a call, it says to the caller. Generations
/// of the cell may come and go behind the socket.
pub async fn relay(
    listener: QuicListener,
    closing: Closing,
    socket: &Path,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let socket: Arc<Path> = socket.into();
    let room = Arc::new(Semaphore::new(CALLS_MAX));
    let mut calls = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await.ok()?;
            Some((listener.accept().await.ok()?, place))
        };
        tokio::select! {
            biased;
            () = shutdown.as_mut() => break,
            Some(_) = calls.join_next() => {}
            next = next => {
                let Some((stream, place)) = next else { break };
                let socket = Arc::clone(&socket);
                calls.spawn(async move {
                    // Without the cell the stream ends before any handshake: the call was not started, and is tried again.
                    if let Ok(cell) = connect(&socket).await {
                        carry(stream, cell).await;
                    }
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    let finish = async { while calls.join_next().await.is_some() {} };
    // Those that take longer are cut off, as the cell itself would.
    let _ = timeout(drain, finish).await;
    calls.shutdown().await;
    closing.finish(drain.min(Duration::from_secs(1))).await;
}

async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let mut tries = 0;
    loop {
        match UdsStream::connect_plain(socket).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < TRIES => {
                tries += 1;
                sleep(TRY_AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// Carries one call until the cell has answered it, or the caller has gone.
async fn carry(stream: QuicStream, cell: UnixStream) {
    let (mut from_caller, to_caller) = stream.split();
    let (mut from_cell, mut to_cell) = cell.into_split();
    let up = async {
        // Whether the cell has all of a call that has one answer, and nothing else.
        let mut is_asked = false;
        let see = |kind, frame_flags: u8| {
            is_asked = match kind {
                kind if kind == Kind::Request as u8 => frame_flags & flags::STREAM == 0,
                kind if kind == Kind::Cancel as u8 => false,
                _ => is_asked,
            };
            false
        };
        let is_whole = copy(&mut from_caller, &mut to_cell, see).await?;
        // Who asked so waits for the answer, which the cell would not give to a connection that has ended. Others have gone: of a
        // call with streams they would have had more to say.
        io::Result::Ok(is_asked && is_whole)
    };
    let down = async {
        let see = |kind, _| kind == Kind::Response as u8 || kind == Kind::Status as u8;
        copy(&mut from_cell, &mut &to_caller, see).await
    };
    let (mut up, mut down) = (pin!(up), pin!(down));
    tokio::select! {
        _ = &mut down => {}
        outcome = &mut up => {
            if let Ok(true) = outcome {
                tokio::select! {
                    _ = &mut down => {}
                    () = poll_fn(|cx| to_caller.poll_gone(cx)) => {}
                }
            }
        }
    }
}

/// Copies frames until there are no more, or `see`, which is told the kind and the flags of each that has passed, says that it
/// was the last. Whether the last one was whole.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut see: impl FnMut(u8, u8) -> bool,
) -> io::Result<bool> {
    let mut buf = vec![0; BUFFER_BYTES];
    let mut frames = Frames::default();
    loop {
        let len = from.read(&mut buf).await?;
        if len == 0 {
            return Ok(frames.have == 0);
        }
        let is_last = frames.pass(&buf[..len], &mut see);
        to.write_all(&buf[..len]).await?;
        if is_last {
            return Ok(true);
        }
    }
}

/// Follows the frames in a stream of bytes that come in any pieces.
struct Frames {
    head: [u8; HEADER_LEN],
    /// What has come of the header.
    have: usize,
    /// What is left behind the header.
    left: u64,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames {
            head: [0; HEADER_LEN],
            have: 0,
            left: 0,
        }
    }
}

impl Frames {
    /// More bytes have come; `see` is told the kind and the flags of each frame that they complete. Whether it said of one that
    /// it is enough.
    fn pass(&mut self, mut bytes: &[u8], see: &mut impl FnMut(u8, u8) -> bool) -> bool {
        let mut is_enough = false;
        while !bytes.is_empty() {
            if self.have < HEADER_LEN {
                let len = bytes.len().min(HEADER_LEN - self.have);
                self.head[self.have..][..len].copy_from_slice(&bytes[..len]);
                self.have += len;
                bytes = &bytes[len..];
                if self.have < HEADER_LEN {
                    break;
                }
                let [a, b, c, d, ..] = self.head;
                self.left = u32::from_le_bytes([a, b, c, d]).into();
            }
            // Their sizes are the cell's and the caller's business.
            let len = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.left -= len as u64;
            bytes = &bytes[len..];
            if self.left == 0 {
                self.have = 0;
                is_enough |= see(self.head[4], self.head[5]);
            }
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_followed_through_pieces_of_any_size() {
        let frame = |kind: Kind, flags: u8, len: u32| {
            let mut frame = len.to_le_bytes().to_vec();
            frame.extend([kind as u8, flags]);
            frame.resize(HEADER_LEN + len as usize, 0xff);
            frame
        };
        let all = [
            frame(Kind::HelloAck, 0, 40),
            frame(Kind::Items, 0, 0),
            frame(Kind::Response, 1, 100),
            frame(Kind::Status, 0, 0),
        ]
        .concat();
        for piece in 1..=all.len() {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            let mut last = Vec::new();
            for part in all.chunks(piece) {
                last.push(frames.pass(part, &mut |kind, flags| {
                    seen.push((kind, flags));
                    kind == Kind::Response as u8
                }));
            }
            assert_eq!(seen, [(2, 0), (10, 0), (4, 1), (5, 0)], "{piece}");
            assert_eq!(last.iter().filter(|last| **last).count(), 1, "{piece}");
        }
    }
}
