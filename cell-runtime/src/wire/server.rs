use std::time::{Duration, Instant};

use super::{
    Frame, FrameDecoder, Header, Hello, HelloAck, IdMap, Kind, Limits, Outbox, Reply, RouteId,
    Status, StatusCode, TraceParent, Violation, flags,
};
use crate::vesicle::Vesicle;

/// The deadline of a call that names none.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// The longest deadline that a peer can ask for; a longer one is shortened to it.
const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a server tells its peers it is.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The name of the cell.
    pub cell: String,
    /// The fingerprint of its service; zero accepts any client.
    pub fingerprint: u64,
    /// Why it takes no further client, if it does not.
    pub refusal: Option<Status>,
}

/// A call to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingCall {
    /// The call's number on this connection.
    pub id: u64,
    /// The route's fingerprint.
    pub route: RouteId,
    /// When the caller gives up, by this side's clock.
    pub deadline: Instant,
    /// The caller's trace context.
    pub trace: Option<TraceParent>,
    /// The archive of the arguments, not validated yet.
    pub payload: Vesicle,
}

/// What the I/O around a [`ServerState`] has to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// The handshake succeeded.
    Accepted(Hello),
    /// Start this call.
    Call(IncomingCall),
    /// Stop this call: its caller has gone.
    Cancelled(u64),
}

/// The server's side of one connection: bytes and time in, bytes and events out.
#[derive(Debug)]
pub struct ServerState {
    serving: Serving,
    limits: Limits,
    decoder: FrameDecoder,
    out: Outbox,
    /// The calls in flight, with the bytes of their arguments.
    calls: IdMap<usize>,
    request_bytes: usize,
    last_started: u64,
    phase: Phase,
}

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
        }
    }

    /// Takes bytes from the client.
    pub fn receive(
        &mut self,
        now: Instant,
        mut input: &[u8],
        events: &mut Vec<ServerEvent>,
    ) -> Result<(), Violation> {
        while self.phase != Phase::Refused
            && let Some(frame) = self.decoder.next(&mut input)?
        {
            self.frame(now, frame, events)?;
        }
        Ok(())
    }

    fn frame(
        &mut self,
        now: Instant,
        frame: Frame,
        events: &mut Vec<ServerEvent>,
    ) -> Result<(), Violation> {
        match (frame.header.kind, self.phase) {
            (Kind::Hello, Phase::AwaitingHello) => self.hello(&frame, events),
            (_, Phase::AwaitingHello) => Err(Violation(format!(
                "{:?} frame before the handshake",
                frame.header.kind
            ))),
            (Kind::Request, _) => self.request(now, frame, events),
            (Kind::Cancel, _) => {
                // A CANCEL may cross the answer: then there is nothing left to cancel.
                if self.forget(frame.header.call_id) {
                    events.push(ServerEvent::Cancelled(frame.header.call_id));
                }
                Ok(())
            }
            (Kind::Ping, _) => {
                self.out
                    .put(Header::new(Kind::Pong, frame.header.call_id, 0), &[], &[]);
                Ok(())
            }
            (Kind::Pong, _) => Ok(()),
            (Kind::Hello | Kind::HelloAck | Kind::Response | Kind::Status | Kind::GoAway, _) => {
                Err(Violation(format!(
                    "unexpected {:?} frame from the client",
                    frame.header.kind
                )))
            }
        }
    }

    fn hello(&mut self, frame: &Frame, events: &mut Vec<ServerEvent>) -> Result<(), Violation> {
        let hello = Hello::decode(&frame.payload, &self.limits)?;
        let mut ack = HelloAck::answer(&hello, &self.serving.cell, self.serving.fingerprint);
        ack.refusal = ack.refusal.or_else(|| self.serving.refusal.take());
        self.out
            .put(Header::new(Kind::HelloAck, 0, 0), &[], &ack.encode());
        if ack.refusal.is_some() {
            self.phase = Phase::Refused;
        } else {
            self.phase = Phase::Open;
            events.push(ServerEvent::Accepted(hello));
        }
        Ok(())
    }

    fn request(
        &mut self,
        now: Instant,
        frame: Frame,
        events: &mut Vec<ServerEvent>,
    ) -> Result<(), Violation> {
        let id = frame.header.call_id;
        if self.phase == Phase::GoingAway {
            // The GOAWAY has told the client, or is about to, that this call was not started.
            return Ok(());
        }
        if id <= self.last_started {
            return Err(Violation(format!(
                "call {id} after call {}; numbers must rise",
                self.last_started
            )));
        }
        self.last_started = id;
        if let Some(message) = self.too_much(frame.payload.len()) {
            self.put_status(id, &Status::overloaded(message));
            return Ok(());
        }
        let trace = (frame.header.flags & flags::TRACE != 0)
            .then(|| TraceParent::decode(&frame.ext))
            .flatten();
        let remaining = match frame.header.deadline_us {
            0 => DEFAULT_DEADLINE,
            us => Duration::from_micros(us).min(DEADLINE_MAX),
        };
        self.calls.insert(id, frame.payload.len());
        self.request_bytes += frame.payload.len();
        events.push(ServerEvent::Call(IncomingCall {
            id,
            route: frame.header.route,
            deadline: now + remaining,
            trace,
            payload: frame.payload,
        }));
        Ok(())
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
        let bytes = self.calls.remove(&id);
        self.request_bytes -= bytes.unwrap_or(0);
        bytes.is_some()
    }

    /// Answers a call; nothing is sent where the caller has gone meanwhile.
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
        self.out.put(header, &[], payload);
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
        let mut ids: Vec<u64> = self.calls.drain().map(|(id, _)| id).collect();
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

    /// The frames to send.
    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }
}
