//! The client's side of a connection, with a server that may send anything.
#![expect(
    clippy::disallowed_methods,
    reason = "the state wants a time; which one has no meaning"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use cell_sdk::Vesicle;
use cell_sdk::wire::{
    CallFailure, ClientEvent, ClientState, Hello, HelloAck, Kind, Limits, PROTOCOL_VERSION,
    Request, Status, StatusCode, features,
};

use crate::feed::Feed;
use crate::sent::Sent;
use crate::server::frame;

const LIMITS: Limits = Limits {
    payload_bytes_max: 4096,
    name_bytes_max: 32,
    message_bytes_max: 64,
    calls_max: 8,
    request_bytes_max: 8192,
};

/// Frames of any kind in any order, mixed with what a client does. However bad they are: each call ends once, what waits
/// stays within the limits, and what the client writes keeps to the protocol.
pub fn client(data: &[u8]) {
    let mut feed = Feed(data);
    let mut run = Run::new();
    if !feed.byte().is_multiple_of(8) {
        run.receive(&frame(Kind::HelloAck, 0, 0, 0, &ack(None)));
    }
    while !feed.is_empty() && !run.broken {
        run.step(&mut feed);
        assert_eq!(run.state.in_flight(), run.open.len());
        let held: usize = run.open.values().map(Call::bytes).sum();
        assert!(held <= LIMITS.request_bytes_max, "{held} bytes");
    }
    run.sent.drain(run.state.out(), usize::MAX);
    run.local(|state, events| state.close("the end", events));
    assert!(run.open.is_empty(), "calls without an end");
    assert!(run.state.out().is_empty() && run.state.is_finished());
}

fn ack(refusal: Option<Status>) -> Vec<u8> {
    let ack = HelloAck {
        version: PROTOCOL_VERSION,
        features: 0,
        fingerprint: 7,
        cell: "cell".to_owned(),
        refusal,
    };
    ack.encode()
}

struct Call {
    streams: bool,
    ended: bool,
    deadline: Instant,
    arguments: usize,
    items: VecDeque<usize>,
}

impl Call {
    fn bytes(&self) -> usize {
        self.arguments + self.items.iter().sum::<usize>()
    }
}

struct Run {
    now: Instant,
    state: ClientState,
    open: BTreeMap<u64, Call>,
    sent: Sent,
    broken: bool,
    gone: bool,
    /// The server has moved into shared memory.
    shares: bool,
}

impl Run {
    fn new() -> Run {
        let mut hello = Hello::new("cell", 7, "fuzzer");
        hello.features = features::GAP;
        Run {
            now: Instant::now(),
            state: ClientState::new(&hello, LIMITS),
            open: BTreeMap::new(),
            sent: Sent::new(0),
            broken: false,
            gone: false,
            shares: false,
        }
    }

    fn step(&mut self, feed: &mut Feed) {
        match feed.byte() % 20 {
            0..=2 => self.start(feed),
            3 => {
                let id = feed.id();
                self.state.cancel(id);
                self.open.remove(&id);
            }
            4 => {
                let (id, items) = (feed.id(), Vesicle::wrap(vec![3; feed.len()]));
                let ended = self.open.get(&id).is_some_and(|call| call.ended);
                if self.state.may_send(id) == Some(true) && !ended {
                    let fits = items.len() <= LIMITS.payload_bytes_max;
                    assert_eq!(self.state.send(id, &items).is_ok(), fits);
                }
            }
            5 => {
                let id = feed.id();
                if let Some(call) = self.open.get_mut(&id)
                    && call.streams
                    && !std::mem::replace(&mut call.ended, true)
                {
                    self.state.end(id);
                }
            }
            6 | 7 => {
                let id = feed.id();
                if let Some(call) = self.open.get_mut(&id)
                    && let Some(bytes) = call.items.pop_front()
                {
                    self.state.taken(id, bytes);
                }
            }
            8 => {
                self.now += Duration::from_millis(u64::from(feed.byte()));
                let now = self.now;
                self.local(|state, events| state.expire(now, events));
                assert!(self.state.next_deadline().is_none_or(|next| next > now));
                assert!(self.open.values().all(|call| call.deadline > now));
            }
            9 if feed.byte() < 16 => self.local(|state, events| state.write_failed("cut", events)),
            10 => self.sent.drain(self.state.out(), usize::from(feed.word())),
            11 | 12 => {
                let (id, payload) = (feed.id(), vec![2; feed.len()]);
                self.receive(&frame(Kind::Items, 0, id, 0, &payload));
            }
            13 => {
                let (id, bytes) = (feed.id(), feed.number());
                self.sent.granted(id, bytes);
                self.receive(&frame(Kind::Credit, 0, id, bytes, &[]));
            }
            14 => {
                let (id, flags) = (feed.id(), feed.byte());
                let payload = vec![4; feed.len()];
                self.receive(&frame(Kind::Response, flags, id, 0, &payload));
            }
            15 => {
                let (id, after) = (feed.id(), feed.number());
                let payload = feed.take(6);
                self.receive(&frame(Kind::Status, 0, id, after, payload));
            }
            16 if feed.byte() < 32 => self.receive(&frame(Kind::GoAway, 0, feed.id(), 0, &[])),
            17 => {
                let refusal = (feed.byte() < 64).then(|| Status::new(StatusCode::Refused, "no"));
                self.receive(&frame(Kind::HelloAck, 0, 0, 0, &ack(refusal)));
            }
            18 => {
                let (id, kind) = (feed.id(), feed.byte());
                let mut bytes = frame(Kind::Ping, feed.byte(), id, feed.number(), feed.take(16));
                bytes[4] = kind;
                self.receive(&bytes);
            }
            19 => {
                let len = usize::from(feed.byte());
                let bytes = feed.take(len);
                self.receive(bytes);
            }
            _ => {}
        }
    }

    fn start(&mut self, feed: &mut Feed) {
        let request = Request {
            route: 1,
            payload: Vesicle::wrap(vec![1; feed.len()]),
            deadline: self.now + Duration::from_millis(u64::from(feed.byte())),
            trace: None,
            streams: feed.byte() % 2 == 1,
        };
        if let Ok(id) = self.state.start(self.now, &request) {
            assert!(!self.gone, "no call is started after GOAWAY");
            let call = Call {
                streams: request.streams,
                ended: false,
                deadline: request.deadline,
                arguments: request.payload.len(),
                items: VecDeque::new(),
            };
            assert!(self.open.insert(id, call).is_none());
            assert!(self.open.len() <= LIMITS.calls_max);
        }
    }

    fn local(&mut self, act: impl FnOnce(&mut ClientState, &mut Vec<ClientEvent>)) {
        let mut events = Vec::new();
        act(&mut self.state, &mut events);
        events.into_iter().for_each(|event| self.event(event));
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.broken |= self.state.receive(bytes, &mut events).is_err();
        events.into_iter().for_each(|event| self.event(event));
    }

    fn event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Done(id, result) => {
                assert!(self.open.remove(&id).is_some(), "call {id} ended twice");
                let full = matches!(result, Err(CallFailure::Full(_)));
                assert!(!full, "a call that was started is not refused for its size");
            }
            ClientEvent::GoAway => self.gone = true,
            ClientEvent::Items(id, items) => {
                let call = self.open.get_mut(&id).expect("items of an open call");
                assert!(call.streams);
                call.items.push_back(items.len());
            }
            ClientEvent::Credit(id) => assert!(self.open[&id].streams),
            ClientEvent::Gap => assert!(!std::mem::replace(&mut self.shares, true)),
        }
    }
}
