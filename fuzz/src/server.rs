//! The server's side of a connection, with a client that may send anything.
#![expect(
    clippy::disallowed_methods,
    reason = "the state wants a time; which one has no meaning"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use cell_sdk::Vesicle;
use cell_sdk::wire::{
    Header, Hello, Kind, Limits, Reply, ServerEvent, ServerState, Serving, Status, StatusCode,
    encode_frame, features,
};

use crate::feed::Feed;
use crate::sent::Sent;

/// Small, so that short inputs reach them.
const LIMITS: Limits = Limits {
    payload_bytes_max: 4096,
    name_bytes_max: 32,
    message_bytes_max: 64,
    calls_max: 8,
    request_bytes_max: 8192,
};

/// Frames of any kind in any order, mixed with what a server does. However bad they are: what is in flight stays within the
/// limits, each call ends once, and what the server writes keeps to the protocol.
pub fn server(data: &[u8]) {
    let mut feed = Feed(data);
    let mut run = Run::new();
    let first = feed.byte();
    if !first.is_multiple_of(8) {
        let mut hello = Hello::new("cell", 7, "fuzzer");
        // An older client has never heard of shared memory.
        hello.features = if first < 128 { features::GAP } else { 0 };
        run.receive(&frame(Kind::Hello, 0, 0, 0, &hello.encode()));
    }
    while !feed.is_empty() && !run.broken {
        run.step(&mut feed);
        assert_eq!(run.state.in_flight(), run.open.len());
        let held: usize = run.open.values().map(Call::bytes).sum();
        assert!(held <= LIMITS.request_bytes_max, "{held} bytes");
        assert!(run.open.len() <= LIMITS.calls_max);
    }
    run.sent.drain(run.state.out(), usize::MAX);
}

#[derive(Default)]
struct Call {
    streams: bool,
    ended: bool,
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
    state: ServerState,
    open: BTreeMap<u64, Call>,
    newest: u64,
    sent: Sent,
    broken: bool,
    /// Shared memory that the client has not taken yet.
    offered: bool,
}

impl Run {
    fn new() -> Run {
        let serving = Serving {
            cell: "cell".into(),
            fingerprint: 7,
            refusal: None,
        };
        Run {
            now: Instant::now(),
            state: ServerState::new(serving, LIMITS),
            open: BTreeMap::new(),
            newest: 0,
            sent: Sent::new(256 << 10),
            broken: false,
            offered: false,
        }
    }

    fn step(&mut self, feed: &mut Feed) {
        match feed.byte() % 18 {
            0 | 1 => {
                let id = match feed.byte() {
                    0 => feed.id(),
                    further => self.newest.saturating_add(u64::from(further % 4)),
                };
                let (flags, deadline) = (feed.byte(), feed.number());
                let payload = vec![1; feed.len()];
                self.receive(&frame(Kind::Request, flags, id, deadline, &payload));
            }
            2 => self.receive(&frame(Kind::Cancel, 0, feed.id(), 0, &[])),
            3 | 4 => {
                let (id, payload) = (feed.id(), vec![2; feed.len()]);
                self.receive(&frame(Kind::Items, 0, id, 0, &payload));
            }
            5 => {
                let (id, bytes) = (feed.id(), feed.number());
                // Counted first: whether it is taken is the state's affair, and more than granted is never sent.
                self.sent.granted(id, bytes);
                self.receive(&frame(Kind::Credit, 0, id, bytes, &[]));
            }
            6 => self.receive(&frame(Kind::End, 0, feed.id(), 0, &[])),
            7 => self.receive(&frame(Kind::Ping, 0, feed.id(), 0, &[])),
            8 => {
                let len = usize::from(feed.byte());
                let bytes = feed.take(len);
                self.receive(bytes);
            }
            9 => {
                let (id, flags) = (feed.id(), feed.byte());
                let kind = feed.byte();
                let mut bytes = frame(Kind::Pong, flags, id, feed.number(), feed.take(16));
                bytes[4] = kind;
                self.receive(&bytes);
            }
            10 => self.state.started(feed.id()),
            11 | 12 => self.take(feed.id()),
            13 => self.respond(feed),
            14 => {
                let (id, items) = (feed.id(), Vesicle::wrap(vec![3; feed.len()]));
                if self.state.may_send(id) == Some(true) {
                    let fits = items.len() <= LIMITS.payload_bytes_max;
                    assert_eq!(self.state.send(id, &items).is_ok(), fits);
                }
            }
            15 => self.sent.drain(self.state.out(), usize::from(feed.word())),
            16 if feed.byte() < 32 => self.state.go_away(),
            17 if feed.byte() < 32 => {
                let status = Status::new(StatusCode::Draining, "the end");
                let ids = self.state.abort_all(&status);
                assert!(ids.iter().eq(self.open.keys()));
                self.open.clear();
            }
            _ => {}
        }
    }

    fn take(&mut self, id: u64) {
        if let Some(call) = self.open.get_mut(&id)
            && let Some(bytes) = call.items.pop_front()
        {
            self.state.taken(id, bytes);
        }
    }

    fn respond(&mut self, feed: &mut Feed) {
        let id = feed.id();
        let payload = Vesicle::wrap(vec![4; feed.len()]);
        let answer = match feed.byte() % 4 {
            0 => Err(Status::overloaded("x".repeat(feed.len()))),
            1 => Ok(Reply::AppError(payload)),
            _ => Ok(Reply::Ok(payload)),
        };
        self.state.respond(id, answer);
        self.open.remove(&id);
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.broken |= self.state.receive(self.now, bytes, &mut events).is_err();
        for event in events {
            self.event(event);
        }
        if self.state.wants_gap() {
            // Memory may be short at any time.
            self.offered = self.newest.is_multiple_of(2);
            if self.offered {
                self.state.offer_gap();
            } else {
                self.state.refuse_gap();
            }
        }
    }

    fn event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Accepted(hello) => assert!(hello.cell == "cell" && self.newest == 0),
            ServerEvent::Call(call) => {
                assert!(call.id > self.newest && call.deadline >= self.now);
                self.newest = call.id;
                let started = Call {
                    streams: call.streams,
                    arguments: call.payload.len(),
                    ..Call::default()
                };
                self.open.insert(call.id, started);
            }
            ServerEvent::Cancelled(id) => {
                assert!(self.open.remove(&id).is_some(), "call {id} is not open");
            }
            ServerEvent::Items(id, items) => {
                let call = self.open.get_mut(&id).expect("items of an open call");
                assert!(call.streams && !call.ended);
                call.items.push_back(items.len());
            }
            ServerEvent::Ended(id) => {
                let call = self.open.get_mut(&id).expect("the end of an open call");
                assert!(call.streams && !std::mem::replace(&mut call.ended, true));
            }
            ServerEvent::Credit(id) => assert!(self.open[&id].streams),
            ServerEvent::Gap => assert!(std::mem::take(&mut self.offered)),
        }
    }
}

/// A whole frame.
pub(crate) fn frame(kind: Kind, flags: u8, id: u64, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut header = Header::new(kind, id, 0);
    header.flags = flags;
    header.deadline_us = number;
    let mut bytes = Vec::new();
    encode_frame(header, &[], payload, &mut bytes);
    bytes
}
