use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader, copy_buf};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Closing, QuicListener, QuicStream};
use crate::transport::{Listener, Stream, UdsStream};

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
    let mut shutdown = std::pin::pin!(shutdown);
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

/// Carries one call until the cell has said all, or the caller has gone.
async fn carry(stream: QuicStream, cell: UnixStream) {
    let (from_caller, mut to_caller) = stream.split();
    let (from_cell, mut to_cell) = cell.into_split();
    let up = async {
        copy_buf(
            &mut BufReader::with_capacity(BUFFER_BYTES, from_caller),
            &mut to_cell,
        )
        .await?;
        to_cell.shutdown().await
    };
    let down = async {
        copy_buf(
            &mut BufReader::with_capacity(BUFFER_BYTES, from_cell),
            &mut to_caller,
        )
        .await?;
        to_caller.shutdown().await
    };
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    tokio::select! {
        outcome = &mut up => {
            if outcome.is_ok() {
                // A caller that has said all waits for the answer. One that has gone ends both ways.
                let _ = down.await;
            }
        }
        _ = &mut down => {}
    }
}
