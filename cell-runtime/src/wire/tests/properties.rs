use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
        let now = Instant::now();
        let mut server = ServerState::new(serving(), Limits::DEFAULT);
        let (a, b) = bytes.split_at(cut.min(bytes.len()));
        let _ = server.receive(now, a, &mut Vec::new()).and_then(|()| server.receive(now, b, &mut Vec::new()));
        let mut client = ClientState::new(&Hello::new("button", 7, "t"), Limits::DEFAULT);
        let _ = client.receive(&bytes, &mut Vec::new());
        let _ = Hello::decode(&bytes, &Limits::DEFAULT);
        let _ = HelloAck::decode(&bytes, &Limits::DEFAULT);
        let _ = Status::decode(&bytes);
    }

    #[test]
    fn a_stream_cut_anywhere_decodes_to_the_same_frames(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..6),
        size in 1usize..70,
    ) {
        let mut bytes = Vec::new();
        for (id, payload) in payloads.iter().enumerate() {
            encode_frame(Header::new(Kind::Response, id as u64, 0), &[0; 16], payload, &mut bytes);
        }
        let mut decoder = FrameDecoder::new(Limits::DEFAULT);
        let mut decoded = Vec::new();
        for mut chunk in bytes.chunks(size) {
            while let Some(frame) = decoder.next(&mut chunk).unwrap() {
                prop_assert_eq!(frame.payload.as_slice().as_ptr() as usize % 16, 0);
                decoded.push(frame.payload.as_slice().to_vec());
            }
        }
        prop_assert!(decoder.is_at_boundary());
        prop_assert_eq!(decoded, payloads);
    }

    /// Whatever happens in whatever order, each call ends exactly once, and one that the server started never ends as
    /// "not started".
    #[test]
    fn every_call_ends_once(steps in proptest::collection::vec(0u8..7, 1..60)) {
        let mut pair = Pair::new();
        let (mut open, mut started, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        let mut settle = |events: Vec<ClientEvent>, open: &mut Vec<u64>, started: &[u64]| {
            for event in events {
                let ClientEvent::Done(id, result) = event else { continue };
                assert!(!seen.contains(&id), "call {id} ended twice");
                seen.push(id);
                open.retain(|call| *call != id);
                if matches!(result, Err(CallFailure::NotStarted(_))) {
                    assert!(!started.contains(&id), "call {id} was started");
                }
            }
        };
        for step in steps {
            match step {
                0 => {
                    let request = request(pair.now);
                    if let Ok(id) = pair.client.start(pair.now, &request) { open.push(id); }
                }
                1 => for event in pair.feed_server() {
                    if let ServerEvent::Call(call) = event { started.push(call.id); }
                },
                2 => { let events = pair.feed_client(); settle(events, &mut open, &started); }
                3 => if let Some(id) = started.last() { pair.server.respond(*id, ok(b"x")); },
                4 => pair.server.go_away(),
                5 => if let Some(id) = open.pop() { pair.client.cancel(id); },
                _ => {
                    pair.now += Duration::from_millis(300);
                    let mut events = Vec::new();
                    pair.client.expire(pair.now, &mut events);
                    settle(events, &mut open, &started);
                }
            }
        }
        let mut events = Vec::new();
        pair.client.close("end", &mut events);
        // The stream is cut here: what the server started but the client has not heard of is "lost", never "not started",
        // unless the handshake itself was never answered.
        if pair.client.in_flight() == 0 { open.retain(|id| !events.iter().any(|e| matches!(e, ClientEvent::Done(done, _) if done == id))); }
        prop_assert!(open.is_empty(), "calls without an end: {:?}", open);
    }
}
