//! The connection logic without sockets: tables, random input, and the vectors that `docs/protocol.md` prints.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read the clock once; the vectors are on disk"
)]

mod direct;
mod outbox;
mod properties;
mod streams;
mod vectors;

use std::time::{Duration, Instant};

use super::*;

fn serving() -> Serving {
    Serving {
        cell: "button".into(),
        fingerprint: 7,
        refusal: None,
    }
}

fn request(now: Instant) -> Request {
    Request {
        route: 42,
        payload: Vesicle::wrap(b"args"),
        deadline: now + Duration::from_secs(1),
        trace: None,
        streams: false,
    }
}

/// A client and a server that exchange bytes only when told to.
struct Pair {
    now: Instant,
    client: ClientState,
    server: ServerState,
}

impl Pair {
    fn new() -> Pair {
        Pair::with(Hello::new("button", 7, "test"), Limits::DEFAULT)
    }

    fn with(hello: Hello, limits: Limits) -> Pair {
        Pair {
            now: Instant::now(),
            client: ClientState::new(&hello, limits),
            server: ServerState::new(serving(), limits),
        }
    }

    fn feed_server(&mut self) -> Vec<ServerEvent> {
        let mut events = Vec::new();
        let bytes = take(self.client.out());
        self.server.receive(self.now, &bytes, &mut events).unwrap();
        events
    }

    fn feed_client(&mut self) -> Vec<ClientEvent> {
        let mut events = Vec::new();
        let bytes = take(self.server.out());
        self.client.receive(&bytes, &mut events).unwrap();
        events
    }

    fn call(&mut self) -> u64 {
        let request = request(self.now);
        self.client.start(self.now, &request).unwrap()
    }
}

fn take(out: &mut Outbox) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !out.is_empty() {
        let len = out.pending().len();
        bytes.extend_from_slice(out.pending());
        out.advance(len);
    }
    bytes
}

fn ok(bytes: &[u8]) -> Result<Reply, Status> {
    Ok(Reply::Ok(Vesicle::wrap(bytes)))
}

#[test]
fn a_call_follows_the_handshake_without_waiting() {
    let mut pair = Pair::new();
    let id = pair.call();
    let events = pair.feed_server();
    assert!(matches!(&events[0], ServerEvent::Accepted(hello) if hello.client == "test"));
    let ServerEvent::Call(call) = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (call.id, call.route, call.payload.as_slice()),
        (id, 42, &b"args"[..])
    );
    assert_eq!(call.deadline, pair.now + Duration::from_secs(1));
    assert_eq!(call.payload.as_slice().as_ptr() as usize % 16, 0);
    pair.server.respond(id, ok(b"answer"));
    assert_eq!(
        pair.feed_client(),
        [ClientEvent::Done(
            id,
            Ok(Reply::Ok(Vesicle::wrap(b"answer")))
        )]
    );
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn answers_come_in_any_order_and_errors_are_told_apart() {
    let mut pair = Pair::new();
    let ids = [pair.call(), pair.call(), pair.call()];
    pair.feed_server();
    pair.server
        .respond(ids[2], Ok(Reply::AppError(Vesicle::wrap(b"E"))));
    pair.server.respond(
        ids[0],
        Err(Status::new(StatusCode::UnknownRoute, "no such route")),
    );
    pair.server.respond(ids[1], ok(b""));
    let done = pair.feed_client();
    assert!(matches!(&done[0], ClientEvent::Done(id, Ok(Reply::AppError(_))) if *id == ids[2]));
    assert!(
        matches!(&done[1], ClientEvent::Done(id, Err(CallFailure::Status(s))) if *id == ids[0] && s.code == StatusCode::UnknownRoute)
    );
    assert!(matches!(&done[2], ClientEvent::Done(id, Ok(Reply::Ok(_))) if *id == ids[1]));
}

#[test]
fn a_stale_client_is_refused_in_the_words_of_the_drift() {
    let mut pair = Pair::with(Hello::new("button", 8, "test"), Limits::DEFAULT);
    let id = pair.call();
    assert!(pair.feed_server().is_empty());
    assert!(pair.server.is_finished());
    let [ClientEvent::Done(done, Err(CallFailure::Refused(refusal)))] = &pair.feed_client()[..]
    else {
        panic!()
    };
    assert_eq!(*done, id);
    assert_eq!(refusal.status.code, StatusCode::SchemaMismatch);
    assert_eq!(refusal.status.message, drift_message("button", 8, 7));
    assert!(
        refusal.status.message.contains("0x0000000000000008")
            && refusal.status.message.contains("cargo cell build")
    );
}

#[test]
fn wrong_cells_and_versions_are_refused_and_zero_is_not_checked() {
    for (hello, accepted) in [
        (Hello::new("button", 0, "t"), true),
        (Hello::new("exchange", 7, "t"), false),
        (
            Hello {
                version: 9,
                ..Hello::new("button", 7, "t")
            },
            false,
        ),
    ] {
        assert_eq!(
            HelloAck::answer(&hello, "button", 7).refusal.is_none(),
            accepted,
            "{hello:?}"
        );
    }
}

#[test]
fn after_goaway_started_calls_finish_and_others_may_be_sent_again() {
    let mut pair = Pair::new();
    let first = pair.call();
    pair.feed_server();
    pair.server.go_away();
    // Written before the GOAWAY was read: never started.
    let second = pair.call();
    assert!(pair.feed_server().is_empty());
    pair.server.respond(first, ok(b"1"));
    let events = pair.feed_client();
    assert_eq!(events[0], ClientEvent::GoAway);
    assert!(
        matches!(&events[1], ClientEvent::Done(id, Err(CallFailure::NotStarted(_))) if *id == second)
    );
    assert!(matches!(&events[2], ClientEvent::Done(id, Ok(_)) if *id == first));
    let request = request(pair.now);
    assert!(matches!(
        pair.client.start(pair.now, &request),
        Err(CallFailure::NotStarted(_))
    ));
    assert!(pair.server.is_finished() && pair.client.is_finished());
}

#[test]
fn a_lost_connection_says_whether_a_call_may_have_been_started() {
    for answered in [false, true] {
        let mut pair = Pair::new();
        let id = pair.call();
        pair.feed_server();
        if answered {
            pair.feed_client();
        }
        let mut events = Vec::new();
        pair.client.close("gone", &mut events);
        let expected = if answered {
            CallFailure::ConnectionLost("gone".into())
        } else {
            CallFailure::NotStarted("gone".into())
        };
        assert_eq!(events, [ClientEvent::Done(id, Err(expected))]);
    }
}

#[test]
fn a_call_whose_frame_did_not_leave_whole_goes_elsewhere_and_the_others_wait() {
    let mut pair = Pair::new();
    let sent = pair.call();
    pair.feed_server();
    pair.feed_client();
    let left = pair.call();
    let whole = pair.client.out().len();
    let (cut, unsent) = (pair.call(), pair.call());
    // One byte of the second of three frames is missing; what has left is forgotten in between.
    pair.client.out().advance(2 * whole - 1);
    pair.client.out().compact();
    assert_eq!(pair.client.out().len(), 1 + whole);
    let mut events = Vec::new();
    pair.client.write_failed("broken pipe", &mut events);
    let not_started =
        |id| ClientEvent::Done(id, Err(CallFailure::NotStarted("broken pipe".into())));
    assert_eq!(events, [not_started(cut), not_started(unsent)]);
    assert!(!pair.client.is_open() && !pair.client.is_finished());
    let next = request(pair.now);
    assert!(matches!(
        pair.client.start(pair.now, &next),
        Err(CallFailure::NotStarted(_))
    ));
    // The GOAWAY that was waiting says that the other one was not started either.
    pair.server.go_away();
    pair.server.respond(sent, ok(b"1"));
    let events = pair.feed_client();
    assert!(
        matches!(&events[1], ClientEvent::Done(id, Err(CallFailure::NotStarted(_))) if *id == left)
    );
    assert!(matches!(&events[2], ClientEvent::Done(id, Ok(_)) if *id == sent));
    assert!(pair.client.is_finished());
}

#[test]
fn deadlines_end_calls_on_the_clients_side_and_cancel_the_servers() {
    let mut pair = Pair::new();
    let id = pair.call();
    pair.feed_server();
    let mut events = Vec::new();
    pair.client
        .expire(pair.now + Duration::from_millis(999), &mut events);
    assert!(events.is_empty());
    assert_eq!(
        pair.client.next_deadline(),
        Some(pair.now + Duration::from_secs(1))
    );
    pair.client
        .expire(pair.now + Duration::from_secs(1), &mut events);
    assert_eq!(
        events,
        [ClientEvent::Done(id, Err(CallFailure::DeadlineExceeded))]
    );
    assert_eq!(pair.feed_server(), [ServerEvent::Cancelled(id)]);
    // The answer that crossed the cancellation is dropped.
    pair.server.respond(id, ok(b"late"));
    assert!(pair.server.in_flight() == 0);
}

#[test]
fn a_request_without_a_deadline_gets_ten_seconds() {
    let mut pair = Pair::new();
    pair.feed_server();
    let mut bytes = Vec::new();
    encode_frame(Header::new(Kind::Request, 1, 0), &[], &[], &mut bytes);
    let mut events = Vec::new();
    pair.server.receive(pair.now, &bytes, &mut events).unwrap();
    let ServerEvent::Call(call) = &events[0] else {
        panic!()
    };
    assert_eq!(call.deadline, pair.now + Duration::from_secs(10));
}

#[test]
fn limits_hold_on_calls_and_payloads() {
    let limits = Limits {
        calls_max: 2,
        payload_bytes_max: 64,
        ..Limits::DEFAULT
    };
    let mut pair = Pair::with(Hello::new("button", 7, "t"), limits);
    let now = pair.now;
    let big = Request {
        payload: Vesicle::wrap([0; 65]),
        ..request(now)
    };
    assert!(
        matches!(pair.client.start(now, &big), Err(CallFailure::Status(s)) if s.code == StatusCode::BadRequest)
    );
    pair.call();
    pair.call();
    let third = request(now);
    assert!(matches!(pair.client.start(now, &third), Err(failure) if failure.is_full()));
    // A client that does not keep the limit itself is told by the server.
    pair.feed_server();
    let mut bytes = Vec::new();
    encode_frame(Header::new(Kind::Request, 9, 0), &[], &[], &mut bytes);
    let mut events = Vec::new();
    pair.server.receive(now, &bytes, &mut events).unwrap();
    assert!(events.is_empty());
    pair.server.respond(1, ok(&[0; 65]));
    let done = pair.feed_client();
    assert!(
        matches!(&done[0], ClientEvent::Done(1, Err(CallFailure::Status(s))) if s.code == StatusCode::Internal)
    );
}

#[test]
fn a_lying_peer_ends_its_connection_only() {
    let hello = {
        let mut bytes = Vec::new();
        encode_frame(
            Header::new(Kind::Hello, 0, 0),
            &[],
            &Hello::new("button", 7, "t").encode(),
            &mut bytes,
        );
        bytes
    };
    let header = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = Header::new(Kind::Request, 1, 0).encode();
        change(&mut bytes);
        bytes.to_vec()
    };
    for (what, after_hello) in [
        (
            "payload over the limit",
            header(&|b| b[..4].copy_from_slice(&u32::MAX.to_le_bytes())),
        ),
        ("unknown kind", header(&|b| b[4] = 200)),
        ("extension longer than the frame", header(&|b| b[6] = 16)),
        (
            "extension that is no multiple of 16",
            header(&|b| {
                b[0] = 8;
                b[6] = 8
            }),
        ),
        ("second hello", hello.clone()),
        (
            "answer from a client",
            header(&|b| b[4] = Kind::Response as u8),
        ),
        ("call number zero", header(&|b| b[8] = 0)),
    ] {
        let mut server = ServerState::new(serving(), Limits::DEFAULT);
        let mut events = Vec::new();
        let bytes = [hello.clone(), after_hello].concat();
        assert!(
            server.receive(Instant::now(), &bytes, &mut events).is_err(),
            "{what}"
        );
    }
    let mut server = ServerState::new(serving(), Limits::DEFAULT);
    assert!(
        server
            .receive(Instant::now(), &header(&|_| {}), &mut Vec::new())
            .is_err(),
        "request before the handshake"
    );
}

#[test]
fn an_announced_payload_is_not_allocated_before_it_arrives() {
    let mut decoder = FrameDecoder::new(Limits {
        payload_bytes_max: 1 << 30,
        ..Limits::DEFAULT
    });
    let head = Header::new(Kind::Response, 1, 1 << 30).encode();
    let mut input = &head[..];
    assert!(decoder.next(&mut input).unwrap().is_none());
    assert!(!decoder.is_at_boundary());
}

#[test]
fn the_trace_travels() {
    let trace = TraceParent {
        trace_id: [1; 16],
        span_id: [2; 8],
        flags: 1,
    };
    let mut pair = Pair::new();
    let traced = Request {
        trace: Some(trace),
        ..request(pair.now)
    };
    pair.client.start(pair.now, &traced).unwrap();
    let events = pair.feed_server();
    assert!(matches!(&events[1], ServerEvent::Call(call) if call.trace == Some(trace)));
    assert_eq!(
        trace.to_string(),
        format!("00-{}-{}-01", "01".repeat(16), "02".repeat(8))
    );
    assert_eq!(TraceParent::decode(&[0; 32]), None);
}

#[test]
fn long_names_and_reasons_are_cut_where_a_peer_would_refuse_them() {
    let limits = Limits::DEFAULT;
    let long = "ü".repeat(5000);
    let hello = Hello::decode(&Hello::new("button", 7, &long).encode(), &limits).unwrap();
    assert_eq!(hello.client, "ü".repeat(64));
    let ack = HelloAck {
        version: PROTOCOL_VERSION,
        features: 0,
        fingerprint: 7,
        cell: "button".into(),
        refusal: Some(Status::new(StatusCode::Refused, &long)),
    };
    let read = HelloAck::decode(&ack.encode(), &limits).unwrap();
    assert_eq!(read.refusal.unwrap().message, "ü".repeat(2048));
}

#[test]
fn nothing_is_written_behind_a_frame_that_was_cut() {
    let mut pair = Pair::new();
    pair.feed_server();
    pair.feed_client();
    pair.call();
    pair.client.out().advance(10);
    pair.client.write_failed("cut", &mut Vec::new());
    let mut ping = Vec::new();
    encode_frame(Header::new(Kind::Ping, 1, 0), &[], &[], &mut ping);
    pair.client.receive(&ping, &mut Vec::new()).unwrap();
    assert!(pair.client.out().is_empty());
}

#[test]
fn pings_whose_answers_are_not_read_are_a_violation() {
    let mut pair = Pair::new();
    pair.feed_server();
    pair.feed_client();
    let mut pings = Vec::new();
    for _ in 0..4000 {
        encode_frame(Header::new(Kind::Ping, 1, 0), &[], &[], &mut pings);
    }
    for _ in 0..3 {
        pair.client.receive(&pings, &mut Vec::new()).unwrap();
        pair.feed_server();
    }
    pair.client.receive(&pings, &mut Vec::new()).unwrap();
    let error = pair.client.receive(&pings, &mut Vec::new()).unwrap_err();
    assert!(error.0.contains("not read"), "{error}");
}
