//! A call on a stream of its own: the caller drives it, and nothing is shared.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::sleep_until;

use crate::spare::Scratch;
use crate::transport::{Stream, Writer};
use crate::wire::{
    CallFailure, ClientEvent, ClientSink, ClientState, Hello, Limits, Reply, Request,
};

/// After so many reads the clock is looked at: a server that always has more to say would keep the deadline from being seen.
const READS_IN_A_ROW_MAX: u32 = 32;

/// Makes a call on a stream that carries no other; this side's half ends behind the request. Dropping the future drops the
/// stream, which cancels the call at the other side.
pub(crate) async fn call_alone<S: Stream>(
    stream: S,
    hello: &Hello,
    limits: Limits,
    now: Instant,
    request: &Request,
) -> Result<Reply, CallFailure> {
    let mut state = ClientState::new(hello, limits);
    state.start(now, request)?;
    let read_bytes = stream.read_bytes();
    let (reader, writer) = stream.split();
    let mut talk = Talk {
        state,
        reader,
        writer,
        read_bytes,
        sent: false,
        answer: Answer(None),
    };
    let mut timer = pin!(sleep_until(request.deadline.into()));
    poll_fn(|cx| {
        let mut goes_on = true;
        for _ in 0..READS_IN_A_ROW_MAX {
            talk.write(cx);
            // What came is worth more than that the deadline has passed meanwhile.
            let progress = talk.read(cx);
            if let Some(outcome) = talk.answer.0.take() {
                return Poll::Ready(outcome);
            }
            goes_on = progress.is_ready();
            if !goes_on {
                break;
            }
        }
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(CallFailure::DeadlineExceeded));
        }
        if goes_on {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

struct Talk<R, W> {
    state: ClientState,
    reader: R,
    writer: W,
    read_bytes: usize,
    /// This side's half has ended.
    sent: bool,
    answer: Answer,
}

impl<R: AsyncRead + Unpin, W: Writer> Talk<R, W> {
    /// Writes the request, as far as there is room, and ends the half behind it.
    fn write(&mut self, cx: &mut Context<'_>) {
        while !self.sent {
            let writer = &self.writer;
            let out = self.state.out();
            match out.write_all(|parts| writer.try_write_parts(parts)) {
                Ok(()) => {
                    self.sent = true;
                    // It fails where the server has gone: the reader finds that out.
                    let _ = writer.close_write();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if writer.poll_write_ready(cx).is_pending() {
                        return;
                    }
                }
                // Not the end yet: the reader finds out what the server still said.
                Err(error) => {
                    self.sent = true;
                    let reason = format!("the connection failed: {error}");
                    self.state.write_failed(&reason, &mut self.answer);
                }
            }
        }
    }

    /// Takes in what has come; pending where nothing has.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reader = &mut self.reader;
        let mut read = |room: &mut ReadBuf<'_>| {
            let outcome = Pin::new(&mut *reader).poll_read(cx, room);
            outcome.map_ok(|()| room.filled().len())
        };
        let mut buf;
        // The rest of a large payload goes to where it stays.
        let (outcome, bytes): (Poll<io::Result<usize>>, &[u8]) = match self.state.fill(&mut read) {
            Some(outcome) => (outcome, &[]),
            None => {
                buf = Scratch::take(self.read_bytes);
                let outcome = read(&mut ReadBuf::new(&mut buf));
                let len = match &outcome {
                    Poll::Ready(Ok(len)) => *len,
                    _ => 0,
                };
                (outcome, &buf[..len])
            }
        };
        let Poll::Ready(outcome) = outcome else {
            return Poll::Pending;
        };
        let failed = match outcome {
            Ok(1..) => {
                let received = self.state.receive(bytes, &mut self.answer);
                received.err().map(|violation| violation.to_string())
            }
            Ok(0) => Some("the cell closed the connection".to_owned()),
            Err(error) => Some(format!("the connection failed: {error}")),
        };
        if let Some(reason) = failed {
            self.state.close(&reason, &mut self.answer);
        }
        Poll::Ready(())
    }
}

/// What came of the call.
struct Answer(Option<Result<Reply, CallFailure>>);

impl ClientSink for Answer {
    fn take(&mut self, event: ClientEvent) {
        if let ClientEvent::Done(_, outcome) = event {
            self.0 = Some(outcome);
        }
    }
}
