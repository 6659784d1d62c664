use super::*;

/// A call with streams that has been started, and the events that came with it.
fn started(pair: &mut Pair) -> u64 {
    let mut request = request(pair.now);
    request.streams = true;
    let id = pair.client.start(pair.now, &request).unwrap();
    assert_eq!(pair.client.may_send(id), Some(false));
    let events = pair.feed_server();
    assert!(matches!(events.last(), Some(ServerEvent::Call(call)) if call.streams));
    pair.server.started(id);
    assert_eq!(pair.feed_client(), [ClientEvent::Credit(id)]);
    id
}

fn items(len: usize) -> Vesicle {
    Vesicle::wrap(vec![7; len])
}

#[test]
fn items_go_both_ways_until_the_answer() {
    let mut pair = Pair::new();
    let id = started(&mut pair);
    pair.client.send(id, &items(3)).unwrap();
    pair.client.end(id);
    assert_eq!(
        pair.feed_server(),
        [ServerEvent::Items(id, items(3)), ServerEvent::Ended(id)]
    );
    pair.server.send(id, &items(5)).unwrap();
    pair.server.respond(id, ok(b""));
    assert_eq!(
        pair.feed_client(),
        [
            ClientEvent::Items(id, items(5)),
            ClientEvent::Done(id, Ok(Reply::Ok(Vesicle::wrap(b""))))
        ]
    );
    // What crosses the end is dropped, on both sides.
    pair.client.send(id, &items(3)).unwrap();
    pair.server.send(id, &items(3)).unwrap();
    assert!(pair.feed_server().is_empty() && pair.feed_client().is_empty());
    assert_eq!(
        (pair.client.may_send(id), pair.server.may_send(id)),
        (None, None)
    );
}

#[test]
fn nobody_sends_more_than_the_other_side_has_granted() {
    let mut pair = Pair::new();
    let id = started(&mut pair);
    let mut sent = 0;
    while pair.server.may_send(id) == Some(true) {
        pair.server.send(id, &items(10_000)).unwrap();
        sent += 1;
    }
    assert_eq!(sent, (256 << 10) / 10_032 + 1);
    assert_eq!(pair.feed_client().len(), sent);
    for _ in 0..sent / 2 {
        pair.client.taken(id, 10_000);
    }
    assert!(pair.feed_server().is_empty());
    pair.client.taken(id, 10_000);
    assert_eq!(pair.feed_server(), [ServerEvent::Credit(id)]);
    assert_eq!(pair.server.may_send(id), Some(true));
}

#[test]
fn streams_that_break_the_rules_end_the_connection() {
    let frame = |kind: Kind, id: u64, len: usize| {
        let mut bytes = Vec::new();
        encode_frame(Header::new(kind, id, 0), &[], &vec![0; len], &mut bytes);
        bytes
    };
    for (what, bytes) in [
        (
            "ends twice",
            [frame(Kind::End, 1, 0), frame(Kind::End, 1, 0)].concat(),
        ),
        (
            "items after the end",
            [frame(Kind::End, 1, 0), frame(Kind::Items, 1, 4)].concat(),
        ),
        (
            "too many items",
            [frame(Kind::Items, 1, 256 << 10), frame(Kind::Items, 1, 4)].concat(),
        ),
        ("a call that there is not", frame(Kind::Items, 9, 4)),
        ("credit for nothing", frame(Kind::Credit, 9, 0)),
    ] {
        let mut pair = Pair::new();
        started(&mut pair);
        let outcome = pair.server.receive(pair.now, &bytes, &mut Vec::new());
        assert!(outcome.is_err(), "{what}");
    }
    let mut pair = Pair::new();
    let id = pair.call();
    pair.feed_server();
    for kind in [Kind::Items, Kind::End, Kind::Credit] {
        let bytes = frame(kind, id, 4);
        assert!(
            pair.server
                .receive(pair.now, &bytes, &mut Vec::new())
                .is_err()
        );
    }
    // Before the first CREDIT nothing may come.
    let mut pair = Pair::new();
    let mut request = request(pair.now);
    request.streams = true;
    let id = pair.client.start(pair.now, &request).unwrap();
    pair.feed_server();
    let early = frame(Kind::Items, id, 4);
    let error = pair
        .server
        .receive(pair.now, &early, &mut Vec::new())
        .unwrap_err();
    assert!(error.0.contains("without credit"), "{error}");

    let mut pair = Pair::new();
    let id = started(&mut pair);
    for bytes in [frame(Kind::End, id, 0), frame(Kind::Items, 9, 4)] {
        let mut client = Pair::new();
        let id = started(&mut client);
        assert_eq!(id, 1);
        assert!(client.client.receive(&bytes, &mut Vec::new()).is_err());
    }
}

#[test]
fn items_that_nobody_takes_are_bounded() {
    let limits = Limits {
        request_bytes_max: 300_000,
        ..Limits::DEFAULT
    };
    let mut pair = Pair::with(Hello::new("button", 7, "test"), limits);
    let (one, other) = (started(&mut pair), started(&mut pair));
    pair.client.send(one, &items(200_000)).unwrap();
    pair.client.send(other, &items(100_000)).unwrap();
    let events = pair.feed_server();
    assert_eq!(
        events,
        [
            ServerEvent::Items(one, items(200_000)),
            ServerEvent::Cancelled(other)
        ]
    );
    let done = pair.feed_client();
    assert!(
        matches!(&done[..], [ClientEvent::Done(id, Err(CallFailure::Status(status)))]
            if *id == other && status.code == StatusCode::Overloaded),
        "{done:?}"
    );
    pair.server.taken(one, 200_000);
    assert_eq!(pair.feed_client(), [ClientEvent::Credit(one)]);
    let third = started(&mut pair);
    pair.client.send(third, &items(250_000)).unwrap();
    assert_eq!(
        pair.feed_server(),
        [ServerEvent::Items(third, items(250_000))]
    );

    // The same on the client: a server that floods it loses its call.
    let mut pair = Pair::with(Hello::new("button", 7, "test"), limits);
    let (one, other) = (started(&mut pair), started(&mut pair));
    pair.server.send(one, &items(200_000)).unwrap();
    pair.server.send(other, &items(200_000)).unwrap();
    let events = pair.feed_client();
    assert!(
        matches!(&events[1], ClientEvent::Done(id, Err(CallFailure::Status(_))) if *id == other),
        "{events:?}"
    );
    assert_eq!(pair.feed_server(), [ServerEvent::Cancelled(other)]);
}

#[test]
fn a_draining_server_lets_streams_go_on_and_others_start_elsewhere() {
    let mut pair = Pair::new();
    let id = started(&mut pair);
    pair.server.go_away();
    let mut late = request(pair.now);
    late.streams = true;
    let late = pair.client.start(pair.now, &late).unwrap();
    let events = pair.feed_client();
    assert!(
        matches!(&events[..], [ClientEvent::GoAway, ClientEvent::Done(done, Err(CallFailure::NotStarted(_)))]
            if *done == late),
        "{events:?}"
    );
    pair.client.send(id, &items(3)).unwrap();
    assert_eq!(pair.feed_server(), [ServerEvent::Items(id, items(3))]);
    pair.server.send(id, &items(4)).unwrap();
    assert_eq!(pair.feed_client(), [ClientEvent::Items(id, items(4))]);
    assert!(!pair.server.is_finished());
    pair.server.respond(id, ok(b""));
    assert!(pair.server.is_finished());
}
