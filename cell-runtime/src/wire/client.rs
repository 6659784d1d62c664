use std::time::{Duration, Instant};

use tokio::io::ReadBuf;

use super::flow::Flow;
use super::{
    CallFailure, ClientEvent, ClientSink, Frame, FrameDecoder, Header, Hello, HelloAck, IdMap,
    Kind, Limits, Outbox, Refusal, Reply, Request, Status, StatusCode, Violation, deadline,
    features, flags,
};
use crate::beside::Beside;
use crate::vesicle::Vesicle;

/// A call in flight.
#[derive(Debug)]
struct InFlight {
    deadline: Instant,
    /// The bytes of its arguments, and of the server's items that nobody has taken yet.
    bytes: usize,
    flow: Option<Box<Flow>>,
}

/// The client's side of one connection: bytes and time in, bytes and events out.
#[derive(Debug)]
pub struct ClientState {
    limits: Limits,
    decoder: FrameDecoder,
    out: Outbox,
    calls: IdMap<InFlight>,
    request_bytes: usize,
    next_id: u64,
    /// Answers to pings that were queued since nothing was.
    pongs: u32,
    phase: Phase,
    writable: bool,
    /// Shared memory would be taken.
    takes_gap: bool,
}

/// The most answers to pings that may wait for the server to read.
const PONGS_MAX: u32 = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    AwaitingAck,
    Open,
    GoingAway,
    Closed,
}

impl ClientState {
    /// A new connection; the handshake is ready to be sent at once, and calls may follow it without waiting.
    pub fn new(hello: &Hello, limits: Limits) -> ClientState {
        let mut out = Outbox::default();
        out.put(Header::new(Kind::Hello, 0, 0), &[], &hello.encode());
        ClientState {
            limits,
            decoder: FrameDecoder::new(limits),
            out,
            calls: IdMap::default(),
            request_bytes: 0,
            next_id: 1,
            pongs: 0,
            phase: Phase::AwaitingAck,
            writable: true,
            takes_gap: hello.features & features::GAP != 0,
        }
    }

    /// Queues a call. `Err` where this connection takes no new ones.
    pub fn start(&mut self, now: Instant, request: &Request) -> Result<u64, CallFailure> {
        match self.phase {
            Phase::AwaitingAck | Phase::Open => {}
            Phase::GoingAway => {
                return Err(CallFailure::NotStarted("the server is draining".to_owned()));
            }
            Phase::Closed => {
                return Err(CallFailure::NotStarted(
                    "the connection is closed".to_owned(),
                ));
            }
        }
        if !self.writable {
            return Err(CallFailure::NotStarted(
                "the connection is closing".to_owned(),
            ));
        }
        if request.deadline <= now {
            return Err(CallFailure::DeadlineExceeded);
        }
        let whole = self.request_bytes + request.payload.len();
        let is_heavy = !self.calls.is_empty() && whole > self.limits.request_bytes_max;
        if is_heavy || self.calls.len() >= self.limits.calls_max {
            return Err(CallFailure::Full(self.calls.len()));
        }
        if request.payload.len() > self.limits.payload_bytes_max {
            let message = format!(
                "the request has {} bytes; at most {} are allowed",
                request.payload.len(),
                self.limits.payload_bytes_max
            );
            return Err(Status::new(StatusCode::BadRequest, message).into());
        }
        let id = self.next_id;
        self.next_id += 1;
        let call = InFlight {
            deadline: request.deadline,
            bytes: request.payload.len(),
            flow: request.streams.then(|| Box::new(Flow::client())),
        };
        self.calls.insert(id, call);
        self.request_bytes += request.payload.len();
        let mut header = Header::new(Kind::Request, id, 0);
        header.route = request.route;
        header.deadline_us = deadline::to_wire(now, request.deadline);
        if request.streams {
            header.flags |= flags::STREAM;
        }
        let trace = request.trace.map(|trace| trace.encode());
        if trace.is_some() {
            header.flags |= flags::TRACE;
        }
        let ext = trace.as_ref().map_or(&[][..], |bytes| bytes);
        self.out.put_message(header, ext, &request.payload);
        Ok(id)
    }

    /// Whether the call was in flight; it is no longer.
    fn forget(&mut self, id: u64) -> bool {
        let call = self.calls.remove(id);
        self.request_bytes -= call.as_ref().map_or(0, |call| call.bytes);
        call.is_some()
    }

    /// Forgets a call whose answer nobody wants, and tells the server.
    pub fn cancel(&mut self, id: u64) {
        if self.forget(id) && self.writable && self.phase != Phase::Closed {
            self.out.put(Header::new(Kind::Cancel, id, 0), &[], &[]);
        }
    }

    /// Whether [`FrameDecoder::fill`] would read.
    pub fn awaits_large(&self) -> bool {
        self.decoder.awaits_large()
    }

    /// As [`FrameDecoder::fill`]; what it read is received with the next bytes, which may be none.
    pub fn fill<T>(&mut self, read: impl FnOnce(&mut ReadBuf<'_>) -> T) -> Option<T> {
        self.decoder.fill(read)
    }

    /// Takes bytes from the server.
    #[inline]
    pub fn receive(
        &mut self,
        mut input: &[u8],
        events: &mut impl ClientSink,
    ) -> Result<(), Violation> {
        while self.phase != Phase::Closed
            && let Some(frame) = self.decoder.next(&mut input)?
        {
            let is_last = frame.header.kind == Kind::Gap;
            self.frame(frame, events)?;
            if is_last {
                // What follows on the socket are bells.
                break;
            }
        }
        Ok(())
    }

    #[inline]
    fn frame(&mut self, frame: Frame, events: &mut impl ClientSink) -> Result<(), Violation> {
        if frame.header.kind != Kind::Response || self.phase == Phase::AwaitingAck {
            return self.other(frame, events);
        }
        // An answer to a call that was cancelled here may cross the CANCEL: it is dropped.
        let id = frame.header.call_id;
        if self.forget(id) {
            let failed = frame.header.flags & flags::APP_ERROR != 0;
            let reply = if failed {
                Reply::AppError(frame.payload)
            } else {
                Reply::Ok(frame.payload)
            };
            events.take(ClientEvent::Done(id, Ok(reply)));
        }
        Ok(())
    }

    /// Frames that are no answer of a handler.
    #[inline(never)]
    fn other(&mut self, frame: Frame, events: &mut impl ClientSink) -> Result<(), Violation> {
        let id = frame.header.call_id;
        match (frame.header.kind, &self.phase) {
            (Kind::HelloAck, Phase::AwaitingAck) => {
                let ack = HelloAck::decode(&frame.payload, &self.limits)?;
                match ack.refusal {
                    None => self.phase = Phase::Open,
                    Some(status) => {
                        let refusal = Refusal {
                            status,
                            fingerprint: ack.fingerprint,
                            cell: ack.cell,
                        };
                        self.fail_all(CallFailure::Refused(Box::new(refusal)), events);
                    }
                }
            }
            (_, Phase::AwaitingAck)
            | (
                Kind::HelloAck
                | Kind::Hello
                | Kind::Request
                | Kind::Response
                | Kind::Cancel
                | Kind::End,
                _,
            ) => {
                return Err(Violation(format!(
                    "unexpected {:?} frame from the server",
                    frame.header.kind
                )));
            }
            (Kind::Status, _) => {
                let mut status = Status::decode(&frame.payload)
                    .ok_or_else(|| Violation("status cut short".to_owned()))?;
                let after = frame.header.deadline_us;
                status.retry_after = (after > 0).then(|| Duration::from_micros(after));
                if self.forget(id) {
                    events.take(ClientEvent::Done(id, Err(status.into())));
                }
            }
            (Kind::GoAway, _) => {
                self.phase = Phase::GoingAway;
                events.take(ClientEvent::GoAway);
                let mut unstarted: Vec<u64> = self
                    .calls
                    .iter()
                    .map(|(call, _)| call)
                    .filter(|call| *call > id)
                    .collect();
                unstarted.sort_unstable();
                for call in unstarted {
                    self.forget(call);
                    let reason = "the server is draining".to_owned();
                    events.take(ClientEvent::Done(
                        call,
                        Err(CallFailure::NotStarted(reason)),
                    ));
                }
            }
            (Kind::Items | Kind::Credit, _) => self.stream(frame, events)?,
            (Kind::Gap, _) => {
                if !std::mem::take(&mut self.takes_gap) {
                    return Err(Violation("shared memory that was not asked for".to_owned()));
                }
                if self.writable {
                    self.out.put(Header::new(Kind::Gap, 0, 0), &[], &[]);
                }
                events.take(ClientEvent::Gap);
            }
            (Kind::Ping, _) => self.pong(id)?,
            (Kind::Pong, _) => {}
        }
        Ok(())
    }

    /// Answers, as long as the answers are read: otherwise they pile up.
    fn pong(&mut self, id: u64) -> Result<(), Violation> {
        if !self.writable {
            return Ok(());
        }
        self.pongs = if self.out.is_empty() {
            0
        } else {
            self.pongs + 1
        };
        if self.pongs > PONGS_MAX {
            return Err(Violation("pings whose answers are not read".to_owned()));
        }
        self.out.put(Header::new(Kind::Pong, id, 0), &[], &[]);
        Ok(())
    }

    /// What belongs to a call's streams. It may cross a CANCEL: then nobody wants it.
    fn stream(&mut self, frame: Frame, events: &mut impl ClientSink) -> Result<(), Violation> {
        let id = frame.header.call_id;
        let Some(call) = self.calls.get_mut(id) else {
            return if id < self.next_id {
                Ok(())
            } else {
                Err(Violation(format!(
                    "{:?} frame of call {id}, which there is not",
                    frame.header.kind
                )))
            };
        };
        let flow = call.flow.as_mut().ok_or_else(|| {
            Violation(format!(
                "{:?} frame of call {id}, which has no streams",
                frame.header.kind
            ))
        })?;
        if frame.header.kind == Kind::Credit {
            flow.granted(frame.header.deadline_us);
            events.take(ClientEvent::Credit(id));
            return Ok(());
        }
        let bytes = frame.payload.len();
        flow.received(bytes)?;
        let whole = self.request_bytes + bytes;
        // A frame that is alone has room, as a lone call's arguments have.
        if whole > self.limits.request_bytes_max && whole > bytes {
            self.cancel(id);
            let message = format!(
                "{whole} bytes of arguments and items of this connection would wait here; the limit is {}",
                self.limits.request_bytes_max
            );
            let failure = Status::overloaded(message).into();
            events.take(ClientEvent::Done(id, Err(failure)));
            return Ok(());
        }
        call.bytes += bytes;
        self.request_bytes = whole;
        events.take(ClientEvent::Items(id, frame.payload));
        Ok(())
    }

    /// A batch of the server's items, with so many bytes of payload, has been taken.
    pub fn taken(&mut self, id: u64, bytes: usize) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        call.bytes -= bytes;
        self.request_bytes -= bytes;
        let grant = call.flow.as_mut().and_then(|flow| flow.taken(bytes));
        if let Some(grant) = grant
            && self.writable
        {
            let mut header = Header::new(Kind::Credit, id, 0);
            header.deadline_us = grant;
            self.out.put(header, &[], &[]);
        }
    }

    /// Whether items may be sent; nothing where the call is over.
    pub fn may_send(&self, id: u64) -> Option<bool> {
        let flow = self.calls.get(id)?.flow.as_ref()?;
        self.writable.then(|| flow.may_send())
    }

    /// Sends a batch of items; nothing where the call is over.
    pub fn send(&mut self, id: u64, payload: &Vesicle) -> Result<(), Status> {
        if payload.len() > self.limits.payload_bytes_max {
            let message = format!(
                "an item has {} bytes; at most {} are allowed",
                payload.len(),
                self.limits.payload_bytes_max
            );
            return Err(Status::new(StatusCode::BadRequest, message));
        }
        let flow = self.calls.get_mut(id).and_then(|call| call.flow.as_mut());
        if let Some(flow) = flow
            && self.writable
        {
            flow.sent(payload.len());
            self.out
                .put_message(Header::new(Kind::Items, id, 0), &[], payload);
        }
        Ok(())
    }

    /// Says that this side's items are complete.
    pub fn end(&mut self, id: u64) {
        if self.calls.contains(id) && self.writable {
            self.out.put(Header::new(Kind::End, id, 0), &[], &[]);
        }
    }

    /// Nothing can be written any more. Answers and a GOAWAY may still be on their way, so the calls that left wait for them;
    /// those that did not are free to go elsewhere.
    pub fn write_failed(&mut self, reason: &str, events: &mut impl ClientSink) {
        self.writable = false;
        for id in self.out.unsent_requests() {
            if self.forget(id) {
                let failure = CallFailure::NotStarted(reason.to_owned());
                events.take(ClientEvent::Done(id, Err(failure)));
            }
        }
        self.out.clear();
    }

    /// The stream has ended or failed. Before the server's handshake nothing can have been started; after it, a call that
    /// was sent may have been.
    pub fn close(&mut self, reason: &str, events: &mut impl ClientSink) {
        self.write_failed(reason, events);
        let failure = match self.phase {
            Phase::AwaitingAck => CallFailure::NotStarted(reason.to_owned()),
            _ => CallFailure::ConnectionLost(reason.to_owned()),
        };
        self.fail_all(failure, events);
    }

    fn fail_all(&mut self, failure: CallFailure, events: &mut impl ClientSink) {
        self.phase = Phase::Closed;
        self.out.clear();
        self.request_bytes = 0;
        let mut ids: Vec<u64> = self.calls.take_all().map(|(id, _)| id).collect();
        ids.sort_unstable();
        for id in ids {
            events.take(ClientEvent::Done(id, Err(failure.clone())));
        }
    }

    /// Ends the calls whose deadline has passed, and tells the server.
    pub fn expire(&mut self, now: Instant, events: &mut impl ClientSink) {
        let mut late: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, call)| call.deadline <= now)
            .map(|(id, _)| id)
            .collect();
        late.sort_unstable();
        for id in late {
            self.cancel(id);
            events.take(ClientEvent::Done(id, Err(CallFailure::DeadlineExceeded)));
        }
    }

    /// The earliest deadline of the calls in flight.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.calls.values().map(|call| call.deadline).min()
    }

    /// The calls in flight.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Whether the connection takes new calls.
    pub fn is_open(&self) -> bool {
        self.writable && matches!(self.phase, Phase::AwaitingAck | Phase::Open)
    }

    /// Whether the connection can be closed: it has ended, or the server drains and nothing is in flight.
    pub fn is_finished(&self) -> bool {
        let takes_no_calls = self.phase == Phase::GoingAway || !self.writable;
        self.phase == Phase::Closed || (takes_no_calls && self.calls.is_empty())
    }

    /// Shared memory is open: large payloads go and come beside the frames.
    pub(crate) fn set_beside(&mut self, out: Box<dyn Beside>, input: Box<dyn Beside>) {
        self.out.set_beside(out);
        self.decoder.set_beside(input);
    }

    /// The frames to send.
    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }
}
