//! Two honest sides, whose bytes arrive in pieces of any size and at any time.
#![expect(
    clippy::disallowed_methods,
    reason = "the states want a time; which one has no meaning"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use cell_sdk::Vesicle;
use cell_sdk::wire::{
    CallFailure, ClientEvent, ClientState, Hello, Limits, Outbox, Reply, Request, ServerEvent,
    ServerState, Serving, Status, StatusCode,
};

use crate::feed::Feed;

const LIMITS: Limits = Limits {
    payload_bytes_max: 100_000,
    name_bytes_max: 128,
    message_bytes_max: 4096,
    calls_max: 6,
    request_bytes_max: 1 << 20,
};

/// Whatever they do and however it crosses: neither finds the other in violation, items arrive in order and once, each call
/// ends once at its caller, and one that was started never ends as "not started".
pub fn pair(data: &[u8]) {
    let mut feed = Feed(data);
    let mut run = Run::new(feed.byte().is_multiple_of(4));
    while !feed.is_empty() {
        run.step(&mut feed);
    }
    run.finish();
}

/// One side of a call: its items are numbered in either direction.
#[derive(Default)]
struct Side {
    sent: u8,
    received: u8,
    /// The sizes of those that were not taken yet.
    waiting: VecDeque<usize>,
    /// The caller's items are complete.
    ended: bool,
}

impl Side {
    fn receive(&mut self, items: &Vesicle) {
        assert_eq!(items[0], self.received, "items in order");
        self.received = self.received.wrapping_add(1);
        self.waiting.push_back(items.len());
    }

    fn next(&mut self, len: usize) -> Vesicle {
        let items = vec![self.sent; len.clamp(1, LIMITS.payload_bytes_max)];
        self.sent = self.sent.wrapping_add(1);
        Vesicle::wrap(items)
    }
}

struct Run {
    now: Instant,
    client: ClientState,
    server: ServerState,
    /// Calls without an end: those of the client, and those that the server works on.
    asked: BTreeMap<u64, Side>,
    serving: BTreeMap<u64, Side>,
    started: BTreeSet<u64>,
    accepted: bool,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
}

impl Run {
    fn new(stale: bool) -> Run {
        let serving = Serving {
            cell: "cell".into(),
            fingerprint: if stale { 8 } else { 7 },
            refusal: None,
        };
        Run {
            now: Instant::now(),
            client: ClientState::new(&Hello::new("cell", 7, "fuzzer"), LIMITS),
            server: ServerState::new(serving, LIMITS),
            asked: BTreeMap::new(),
            serving: BTreeMap::new(),
            started: BTreeSet::new(),
            accepted: false,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
        }
    }

    fn step(&mut self, feed: &mut Feed) {
        match feed.byte() % 20 {
            0 | 1 => {
                let request = Request {
                    route: 1,
                    payload: Vesicle::wrap(vec![1; feed.len()]),
                    deadline: self.now + Duration::from_secs(1 + u64::from(feed.byte())),
                    trace: None,
                    streams: !feed.byte().is_multiple_of(4),
                };
                if let Ok(id) = self.client.start(self.now, &request) {
                    self.asked.insert(id, Side::default());
                }
            }
            2 => {
                let id = feed.id();
                self.client.cancel(id);
                self.asked.remove(&id);
            }
            3 | 4 => self.client_sends(feed),
            5 => {
                let id = feed.id();
                if let Some(call) = self.asked.get_mut(&id)
                    && self.client.may_send(id).is_some()
                    && !std::mem::replace(&mut call.ended, true)
                {
                    self.client.end(id);
                }
            }
            6 => {
                let id = feed.id();
                let waiting = self.asked.get_mut(&id).map(|call| &mut call.waiting);
                if let Some(bytes) = waiting.and_then(VecDeque::pop_front) {
                    self.client.taken(id, bytes);
                }
            }
            7 if feed.byte() < 32 => {
                self.now += Duration::from_secs(u64::from(feed.byte()));
                let mut events = Vec::new();
                self.client.expire(self.now, &mut events);
                self.at_client(events);
            }
            8 | 9 => {
                let most = usize::from(feed.word());
                self.to_server.extend(leave(self.client.out(), most));
            }
            10 | 11 => {
                let most = usize::from(feed.word());
                self.to_client.extend(leave(self.server.out(), most));
            }
            12 | 13 => self.arrive_at_server(usize::from(feed.word())),
            14 | 15 => self.arrive_at_client(usize::from(feed.word())),
            16 | 17 => self.server_sends(feed),
            18 => {
                let id = feed.id();
                let waiting = self.serving.get_mut(&id).map(|call| &mut call.waiting);
                if let Some(bytes) = waiting.and_then(VecDeque::pop_front) {
                    self.server.taken(id, bytes);
                }
            }
            _ => self.server_ends(feed),
        }
    }

    fn client_sends(&mut self, feed: &mut Feed) {
        let (id, len) = (feed.id(), feed.len());
        if let Some(call) = self.asked.get_mut(&id)
            && !call.ended
            && self.client.may_send(id) == Some(true)
        {
            let items = call.next(len);
            self.client.send(id, &items).expect("it is small enough");
        }
    }

    fn server_sends(&mut self, feed: &mut Feed) {
        let (id, len) = (feed.id(), feed.len());
        if let Some(call) = self.serving.get_mut(&id)
            && self.server.may_send(id) == Some(true)
        {
            let items = call.next(len);
            self.server.send(id, &items).expect("it is small enough");
        }
    }

    fn server_ends(&mut self, feed: &mut Feed) {
        let id = feed.id();
        match feed.byte() {
            0 => self.server.go_away(),
            1 => {
                let status = Status::new(StatusCode::Draining, "the end");
                self.server.abort_all(&status);
                self.serving.clear();
            }
            even if even.is_multiple_of(2) => {
                let answer = Reply::Ok(Vesicle::wrap(vec![4; feed.len()]));
                self.server.respond(id, Ok(answer));
                self.serving.remove(&id);
            }
            _ => {
                let status = Status::new(StatusCode::Internal, "x".repeat(feed.len()));
                self.server.respond(id, Err(status));
                self.serving.remove(&id);
            }
        }
    }

    fn arrive_at_server(&mut self, most: usize) {
        let len = most.min(self.to_server.len());
        let bytes: Vec<u8> = self.to_server.drain(..len).collect();
        let mut events = Vec::new();
        let outcome = self.server.receive(self.now, &bytes, &mut events);
        outcome.expect("the client is honest");
        for event in events {
            match event {
                ServerEvent::Accepted(_) => self.accepted = true,
                ServerEvent::Call(call) => {
                    self.started.insert(call.id);
                    self.serving.insert(call.id, Side::default());
                    self.server.started(call.id);
                }
                ServerEvent::Cancelled(id) => drop(self.serving.remove(&id)),
                ServerEvent::Items(id, items) => {
                    let call = self.serving.get_mut(&id).expect("an open call");
                    assert!(!call.ended, "items after the end");
                    call.receive(&items);
                }
                ServerEvent::Ended(id) => {
                    self.serving.get_mut(&id).expect("an open call").ended = true;
                }
                ServerEvent::Credit(_) => {}
                ServerEvent::Gap => unreachable!("nobody asked for shared memory"),
            }
        }
    }

    fn arrive_at_client(&mut self, most: usize) {
        let len = most.min(self.to_client.len());
        let bytes: Vec<u8> = self.to_client.drain(..len).collect();
        let mut events = Vec::new();
        let outcome = self.client.receive(&bytes, &mut events);
        outcome.expect("the server is honest");
        self.at_client(events);
    }

    fn at_client(&mut self, events: Vec<ClientEvent>) {
        for event in events {
            match event {
                ClientEvent::Done(id, result) => {
                    let asked = self.asked.remove(&id);
                    assert!(asked.is_some(), "call {id} ended twice");
                    let unstarted = matches!(result, Err(CallFailure::NotStarted(_)));
                    assert!(
                        !unstarted || !self.started.contains(&id),
                        "call {id} was started"
                    );
                }
                ClientEvent::Items(id, items) => {
                    let call = self.asked.get_mut(&id).expect("an open call");
                    call.receive(&items);
                }
                ClientEvent::GoAway | ClientEvent::Credit(_) => {}
                ClientEvent::Gap => unreachable!("nobody asked for shared memory"),
            }
        }
    }

    /// Everything arrives, every call is answered, and then nothing is left.
    fn finish(&mut self) {
        self.settle();
        let open: Vec<u64> = self.serving.keys().copied().collect();
        for id in open {
            self.server
                .respond(id, Ok(Reply::Ok(Vesicle::wrap(b"at last"))));
        }
        self.settle();
        if !self.accepted && self.server.is_finished() {
            // It hangs up, which says that nothing was started.
            let mut events = Vec::new();
            self.client.close("hung up", &mut events);
            self.at_client(events);
        }
        assert!(
            self.asked.is_empty(),
            "calls without an end: {:?}",
            self.asked.keys()
        );
        assert_eq!((self.client.in_flight(), self.server.in_flight()), (0, 0));
    }

    fn settle(&mut self) {
        loop {
            self.to_server.extend(leave(self.client.out(), usize::MAX));
            self.to_client.extend(leave(self.server.out(), usize::MAX));
            if self.to_server.is_empty() && self.to_client.is_empty() {
                return;
            }
            self.arrive_at_server(usize::MAX);
            self.arrive_at_client(usize::MAX);
        }
    }
}

/// Some bytes leave, and sometimes room is given back.
fn leave(out: &mut Outbox, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    out.write(|parts| {
        for part in parts {
            let left = most - bytes.len();
            bytes.extend_from_slice(&part[..left.min(part.len())]);
        }
        Ok(bytes.len())
    })
    .expect("nothing fails here");
    if most % 2 == 1 {
        out.compact();
    }
    bytes
}
