use std::time::Instant;

use tokio::io::ReadBuf;

use super::flow::Flow;
use super::frame::Whole;
use super::{
    Clock, Frame, FrameDecoder, Header, Hello, HelloAck, IdMap, IncomingCall, Kind, Limits, Outbox,
    Reply, ServerEvent, Serving, Status, StatusCode, TraceParent, Violation, deadline, features,
    flags,
};
use crate::beside::Beside;
use crate::vesicle::Vesicle;

/// A call in flight.
#[derive(Debug, Default)]
struct InFlight {
    /// The bytes of its arguments, and of its caller's items that nobody has taken yet.
    bytes: usize,
    flow: Option<Box<Flow>>,
}

/// The server's side of one connection: bytes and time in, bytes and events out.
#[derive(Debug)]
pub struct ServerState {
    serving: Serving,
    limits: Limits,
    decoder: FrameDecoder,
    out: Outbox,
    calls: IdMap<InFlight>,
    request_bytes: usize,
    last_started: u64,
    phase: Phase,
    gap: Gap,
}

/// Whether the connection moves into shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Unable,
    Able,
    Offered,
    Open,
}

/// A connection with fewer calls is not worth shared memory, unless it has streams.
const GAP_CALLS_MIN: u64 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitingHello,
    Open,
    GoingAway,
    Refused,
}

impl ServerState {
    /// A new connection.
    pub fn new(serving: Serving, limits: Limits) -> ServerState {
        ServerState {
            serving,
            limits,
            decoder: FrameDecoder::new(limits),
            out: Outbox::default(),
            calls: IdMap::default(),
            request_bytes: 0,
            last_started: 0,
            phase: Phase::AwaitingHello,
            gap: Gap::Unable,
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

    /// Takes bytes from the front of `input` up to the next thing to act on; nothing where they are used up. Bytes that are left
    /// are given again, with the time at which they came.
    #[inline]
    pub fn next(
        &mut self,
        now: impl Clock,
        input: &mut &[u8],
    ) -> Result<Option<ServerEvent>, Violation> {
        while self.phase != Phase::Refused {
            // Nearly always a call that lies there as a whole: it is taken without a frame in between.
            let event = match self.decoder.whole(input)? {
                Some(Whole { header, payload })
                    if header.kind == Kind::Request && self.phase != Phase::AwaitingHello =>
                {
                    self.request(now, &header, &[], Vesicle::wrap(payload))?
                }
                Some(whole) => self.frame(now, whole.to_frame())?,
                None => match self.decoder.next(input)? {
                    Some(frame) => self.frame(now, frame)?,
                    None => break,
                },
            };
            if matches!(event, Some(ServerEvent::Gap)) {
                // What follows on the socket are bells.
                *input = &[];
            }
            if event.is_some() {
                return Ok(event);
            }
        }
        *input = &[];
        Ok(None)
    }

    /// As [`ServerState::next`], all at once.
    pub fn receive(
        &mut self,
        now: Instant,
        mut input: &[u8],
        events: &mut Vec<ServerEvent>,
    ) -> Result<(), Violation> {
        while let Some(event) = self.next(now, &mut input)? {
            events.push(event);
        }
        Ok(())
    }

    /// Whether to offer the client shared memory now: [`ServerState::offer_gap`] or [`ServerState::refuse_gap`] is next.
    pub fn wants_gap(&self) -> bool {
        self.gap == Gap::Able
            && self.phase == Phase::Open
            && (self.last_started >= GAP_CALLS_MIN
                || self.calls.values().any(|call| call.flow.is_some()))
    }

    /// Queues the offer: what is queued after it belongs into the shared memory.
    pub fn offer_gap(&mut self) {
        self.gap = Gap::Offered;
        self.out.put(Header::new(Kind::Gap, 0, 0), &[], &[]);
    }

    /// Stays where it is.
    pub fn refuse_gap(&mut self) {
        self.gap = Gap::Unable;
    }

    fn frame(&mut self, now: impl Clock, frame: Frame) -> Result<Option<ServerEvent>, Violation> {
        match frame.header.kind {
            Kind::Request if self.phase != Phase::AwaitingHello => {
                self.request(now, &frame.header, &frame.ext, frame.payload)
            }
            _ => self.other(&frame),
        }
    }

    /// Frames that start no call.
    #[inline(never)]
    fn other(&mut self, frame: &Frame) -> Result<Option<ServerEvent>, Violation> {
        match (frame.header.kind, self.phase) {
            (Kind::Hello, Phase::AwaitingHello) => self.hello(frame),
            (_, Phase::AwaitingHello) => Err(Violation(format!(
                "{:?} frame before the handshake",
                frame.header.kind
            ))),
            (Kind::Cancel, _) => {
                // A CANCEL may cross the answer: then there is nothing left to cancel.
                let id = frame.header.call_id;
                Ok(self.forget(id).then_some(ServerEvent::Cancelled(id)))
            }
            (Kind::Items | Kind::End | Kind::Credit, _) => self.stream(frame),
            (Kind::Ping, _) => {
                self.out
                    .put(Header::new(Kind::Pong, frame.header.call_id, 0), &[], &[]);
                Ok(None)
            }
            (Kind::Pong, _) => Ok(None),
            (Kind::Gap, _) if self.gap == Gap::Offered => {
                self.gap = Gap::Open;
                Ok(Some(ServerEvent::Gap))
            }
            (Kind::Gap, _) => Err(Violation("shared memory that was not offered".to_owned())),
            _ => Err(Violation(format!(
                "unexpected {:?} frame from the client",
                frame.header.kind
            ))),
        }
    }

    fn hello(&mut self, frame: &Frame) -> Result<Option<ServerEvent>, Violation> {
        let hello = Hello::decode(&frame.payload, &self.limits)?;
        let mut ack = HelloAck::answer(&hello, &self.serving.cell, self.serving.fingerprint);
        ack.refusal = ack.refusal.or_else(|| self.serving.refusal.take());
        self.out
            .put(Header::new(Kind::HelloAck, 0, 0), &[], &ack.encode());
        if ack.refusal.is_some() {
            self.phase = Phase::Refused;
            return Ok(None);
        }
        self.phase = Phase::Open;
        if hello.features & features::GAP != 0 {
            self.gap = Gap::Able;
        }
        Ok(Some(ServerEvent::Accepted(hello)))
    }

    #[inline]
    fn request(
        &mut self,
        now: impl Clock,
        header: &Header,
        ext: &[u8],
        payload: Vesicle,
    ) -> Result<Option<ServerEvent>, Violation> {
        let id = header.call_id;
        if self.phase == Phase::GoingAway {
            // The GOAWAY has told the client, or is about to, that this call was not started.
            return Ok(None);
        }
        if id <= self.last_started {
            return Err(Violation(format!(
                "call {id} after call {}; numbers must rise",
                self.last_started
            )));
        }
        self.last_started = id;
        if let Some(message) = self.too_much(payload.len()) {
            self.put_status(id, &Status::overloaded(message));
            return Ok(None);
        }
        let trace = (header.flags & flags::TRACE != 0)
            .then(|| TraceParent::decode(ext))
            .flatten();
        let streams = header.flags & flags::STREAM != 0;
        let call = InFlight {
            bytes: payload.len(),
            flow: streams.then(|| Box::new(Flow::server())),
        };
        self.calls.insert(id, call);
        self.request_bytes += payload.len();
        Ok(Some(ServerEvent::Call(IncomingCall {
            id,
            route: header.route,
            deadline: deadline::from_wire(now, header.deadline_us),
            trace,
            payload,
            streams,
        })))
    }

    /// What belongs to a call's streams. It may cross the call's end: then nobody wants it.
    fn stream(&mut self, frame: &Frame) -> Result<Option<ServerEvent>, Violation> {
        let id = frame.header.call_id;
        let Some(call) = self.calls.get_mut(id) else {
            // Nor was a call started that a GOAWAY is about to refuse.
            return if id <= self.last_started || self.phase == Phase::GoingAway {
                Ok(None)
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
        match frame.header.kind {
            Kind::Items => {
                let bytes = frame.payload.len();
                flow.received(bytes)?;
                let whole = self.request_bytes + bytes;
                if whole > self.limits.request_bytes_max {
                    let message = format!(
                        "{whole} bytes of arguments and items of this connection would wait here; the limit is {}",
                        self.limits.request_bytes_max
                    );
                    self.respond(id, Err(Status::overloaded(message)));
                    return Ok(Some(ServerEvent::Cancelled(id)));
                }
                call.bytes += bytes;
                self.request_bytes = whole;
                Ok(Some(ServerEvent::Items(id, frame.payload.clone())))
            }
            Kind::End => {
                flow.end()?;
                Ok(Some(ServerEvent::Ended(id)))
            }
            _ => {
                flow.granted(frame.header.deadline_us);
                Ok(Some(ServerEvent::Credit(id)))
            }
        }
    }

    /// A call with streams was started: its caller may send its items.
    pub fn started(&mut self, id: u64) {
        if let Some(flow) = self.flow(id) {
            let grant = flow.open();
            self.put_credit(id, grant);
        }
    }

    /// A batch of the caller's items, with so many bytes of payload, has been taken.
    pub fn taken(&mut self, id: u64, bytes: usize) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        call.bytes -= bytes;
        self.request_bytes -= bytes;
        let grant = call.flow.as_mut().and_then(|flow| flow.taken(bytes));
        if let Some(grant) = grant {
            self.put_credit(id, grant);
        }
    }

    /// Whether items may be sent to the caller; nothing where the call is over.
    pub fn may_send(&mut self, id: u64) -> Option<bool> {
        self.flow(id).map(|flow| flow.may_send())
    }

    /// Sends a batch of items; nothing where the caller has gone meanwhile.
    pub fn send(&mut self, id: u64, payload: &Vesicle) -> Result<(), Status> {
        let Some(flow) = self.calls.get_mut(id).and_then(|call| call.flow.as_mut()) else {
            return Ok(());
        };
        if payload.len() > self.limits.payload_bytes_max {
            let message = format!(
                "an item has {} bytes; at most {} are allowed",
                payload.len(),
                self.limits.payload_bytes_max
            );
            return Err(Status::new(StatusCode::Internal, message));
        }
        flow.sent(payload.len());
        self.out
            .put_message(Header::new(Kind::Items, id, 0), &[], payload);
        Ok(())
    }

    fn flow(&mut self, id: u64) -> Option<&mut Flow> {
        self.calls.get_mut(id)?.flow.as_deref_mut()
    }

    fn put_credit(&mut self, id: u64, bytes: u64) {
        let mut header = Header::new(Kind::Credit, id, 0);
        header.deadline_us = bytes;
        self.out.put(header, &[], &[]);
    }

    /// Why a call with so many bytes of arguments is not started.
    fn too_much(&self, bytes: usize) -> Option<String> {
        let calls = self.calls.len();
        if calls >= self.limits.calls_max {
            return Some(format!(
                "{calls} calls are in flight on this connection, the limit"
            ));
        }
        let whole = self.request_bytes + bytes;
        (calls > 0 && whole > self.limits.request_bytes_max).then(|| {
            format!(
                "the calls in flight on this connection would have {whole} bytes of arguments; the limit is {}",
                self.limits.request_bytes_max
            )
        })
    }

    /// Whether the call was in flight; it is no longer.
    fn forget(&mut self, id: u64) -> bool {
        let call = self.calls.remove(id);
        self.request_bytes -= call.as_ref().map_or(0, |call| call.bytes);
        call.is_some()
    }

    /// Answers a call; nothing is sent where the caller has gone meanwhile.
    #[inline]
    pub fn respond(&mut self, id: u64, result: Result<Reply, Status>) {
        if !self.forget(id) {
            return;
        }
        let (payload, flag) = match &result {
            Ok(Reply::Ok(payload)) => (payload, 0),
            Ok(Reply::AppError(payload)) => (payload, flags::APP_ERROR),
            Err(status) => return self.put_status(id, status),
        };
        if payload.len() > self.limits.payload_bytes_max {
            let message = format!(
                "the answer has {} bytes; at most {} are allowed",
                payload.len(),
                self.limits.payload_bytes_max
            );
            return self.put_status(id, &Status::new(StatusCode::Internal, message));
        }
        let mut header = Header::new(Kind::Response, id, 0);
        header.flags = flag;
        self.out.put_message(header, &[], payload);
    }

    fn put_status(&mut self, id: u64, status: &Status) {
        let payload = status.encode(self.limits.message_bytes_max);
        let mut header = Header::new(Kind::Status, id, 0);
        header.deadline_us = status
            .retry_after
            .map_or(0, |after| u64::try_from(after.as_micros()).unwrap_or(0));
        self.out.put(header, &[], &payload);
    }

    /// From now on no call is started; the client is told which one was the last.
    pub fn go_away(&mut self) {
        match self.phase {
            Phase::Open => {
                self.out
                    .put(Header::new(Kind::GoAway, self.last_started, 0), &[], &[]);
                self.phase = Phase::GoingAway;
            }
            // A client that has not been answered knows that nothing was started.
            Phase::AwaitingHello => self.phase = Phase::Refused,
            Phase::GoingAway | Phase::Refused => {}
        }
    }

    /// Answers every call in flight with `status`.
    pub fn abort_all(&mut self, status: &Status) -> Vec<u64> {
        let mut ids: Vec<u64> = self.calls.take_all().map(|(id, _)| id).collect();
        ids.sort_unstable();
        self.request_bytes = 0;
        for id in &ids {
            self.put_status(*id, status);
        }
        ids
    }

    /// The calls in flight.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Whether the connection can be closed once [`ServerState::out`] is sent.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Refused || (self.phase == Phase::GoingAway && self.calls.is_empty())
    }

    /// Whether calls were started and all of them have ended.
    pub fn is_idle(&self) -> bool {
        self.last_started > 0 && self.calls.is_empty()
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
