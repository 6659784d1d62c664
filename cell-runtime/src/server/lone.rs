//! A stream of one call. Nearly always the whole request is there when the stream is, and the handler does not wait: then the
//! answer takes one poll, without anything that lasts.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use super::begin::{Begun, Unattended, begin};
use super::connection::{self, Talk};
use super::{CallStreams, Host};
use crate::transport::{Stream, Writer};
use crate::wire::ServerEvent;

/// What is left of a stream whose call did not end at once.
pub(super) type Rest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The stream's first poll; what is left goes to `later`, which is held as long as the stream lives.
/// Counts a stream as long as it lives.
pub(super) struct Counted(Arc<Host>);

impl Counted {
    /// Nothing where there are `most` already.
    pub(super) fn new(host: &Arc<Host>, most: usize) -> Option<Counted> {
        let add = |open: usize| (open < most).then_some(open + 1);
        host.lone
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .ok()?;
        Some(Counted(Arc::clone(host)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lone.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream's first poll; what is left goes to `later`, which is held as long as the stream lives.
pub(super) async fn begin_in<S: Stream>(
    stream: S,
    counted: Counted,
    later: mpsc::UnboundedSender<Rest>,
) {
    let mut first = Some((stream, counted));
    poll_fn(|cx| {
        if let Some((stream, counted)) = first.take() {
            let host = &counted.0;
            // What a call that ends at once needs is not kept between polls: it would have to be moved around.
            let mut talk = Talk::new(stream, None, host);
            let drains = host.drain.borrow().is_some();
            if drains || matches!(at_once(&mut talk, host, cx), End::Later) {
                let (host, held) = (Arc::clone(host), later.clone());
                // Where the server has gone, so does the call.
                let _ = later.send(Box::pin(async move {
                    connection::serve(talk, host).await;
                    drop((held, counted));
                }));
            }
        }
        Poll::Ready(())
    })
    .await;
}

enum End {
    /// Everything was said.
    Over,
    /// The rest takes time.
    Later,
}

/// Goes as far as it gets without waiting.
fn at_once<R: AsyncRead + Unpin, W: Writer>(
    talk: &mut Talk<R, W>,
    host: &Host,
    cx: &mut Context<'_>,
) -> End {
    match read(talk, cx) {
        Poll::Ready(Ok(0) | Err(_)) => return End::Over,
        Poll::Ready(Ok(len)) => talk.inbox.take(len),
        Poll::Pending => return End::Later,
    }
    loop {
        match talk.inbox.event(&mut talk.state, &talk.buf) {
            // The handshake leaves with the answer, or before anything is waited for.
            Ok(Some(ServerEvent::Accepted(hello))) => {
                talk.greeted = true;
                talk.caller.name = hello.client.into();
            }
            Ok(Some(ServerEvent::Call(call))) if call.streams => {
                talk.call = Some(call);
                break;
            }
            Ok(Some(ServerEvent::Call(call))) => {
                let id = call.id;
                match begin(host, &talk.caller, call, CallStreams::default) {
                    Begun::Ended(result) => talk.state.respond(id, result),
                    Begun::Waits(waiting) => {
                        talk.waiting = Some(Unattended::new(waiting, &host.options.metrics));
                    }
                }
                break;
            }
            // Nothing else happens before a call.
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => return End::Over,
        }
    }
    // Of a call with streams the peer has more to say.
    if talk.call.is_none() && talk.inbox.is_used_up() {
        match read(talk, cx) {
            Poll::Ready(Ok(0)) => talk.ended = true,
            Poll::Ready(Ok(len)) => talk.inbox.take(len),
            // The caller has gone, or may send no more.
            Poll::Ready(Err(_)) => return End::Over,
            Poll::Pending => {}
        }
    }
    let out = talk.state.out();
    match out.write_all(|parts| talk.writer.try_write_parts(parts)) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return End::Later,
        Err(_) => return End::Over,
    }
    // Where there was no call nothing is owed.
    if talk.ended && talk.state.in_flight() == 0 {
        // It fails where the client has gone.
        let _ = talk.writer.close_write();
        return End::Over;
    }
    End::Later
}

/// Reads into the buffer what has come.
fn read<R: AsyncRead + Unpin, W>(
    talk: &mut Talk<R, W>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut room = ReadBuf::new(&mut talk.buf);
    let outcome = Pin::new(&mut talk.reader).poll_read(cx, &mut room);
    outcome.map_ok(|()| room.filled().len())
}
