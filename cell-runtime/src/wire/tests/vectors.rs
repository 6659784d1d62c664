use super::*;

/// The vectors are the specification's examples: a client in another language is written against them.
#[test]
fn vectors_of_the_protocol_hold() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/conformance/protocol.json"
    );
    let vectors: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut actual = Vec::new();
    let mut put = |name: &str, header: Header, ext: &[u8], payload: &[u8]| {
        let mut bytes = Vec::new();
        encode_frame(header, ext, payload, &mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        actual.push(serde_json::json!({ "name": name, "hex": hex }));
    };
    let hello = Hello::new("button_service", 0x8a37_0000_0000_0001, "demo");
    put(
        "hello",
        Header::new(Kind::Hello, 0, 0),
        &[],
        &hello.encode(),
    );
    let accepted = HelloAck::answer(&hello, "button_service", hello.fingerprint);
    put(
        "hello_ack accepted",
        Header::new(Kind::HelloAck, 0, 0),
        &[],
        &accepted.encode(),
    );
    let refused = HelloAck::answer(&hello, "button_service", 0x8a37_0000_0000_0002);
    put(
        "hello_ack refused",
        Header::new(Kind::HelloAck, 0, 0),
        &[],
        &refused.encode(),
    );
    let mut call = Header::new(Kind::Request, 1, 0);
    (call.route, call.deadline_us) = (0x1122_3344_5566_7788, 10_000_000);
    put("request", call, &[], b"start_bt");
    call.flags = flags::TRACE;
    let trace = TraceParent {
        trace_id: [0xab; 16],
        span_id: [0xcd; 8],
        flags: 1,
    };
    put("request traced", call, &trace.encode(), b"start_bt");
    put(
        "response",
        Header::new(Kind::Response, 1, 0),
        &[],
        &[1, 0, 0, 0, 0, 0, 0x80, 0x3f],
    );
    let mut error = Header::new(Kind::Response, 1, 0);
    error.flags = flags::APP_ERROR;
    put("response error", error, &[], &[2]);
    let status = Status::new(StatusCode::DeadlineExceeded, "late");
    put(
        "status",
        Header::new(Kind::Status, 1, 0),
        &[],
        &status.encode(4096),
    );
    put("cancel", Header::new(Kind::Cancel, 1, 0), &[], &[]);
    put("goaway", Header::new(Kind::GoAway, 3, 0), &[], &[]);
    let mut streams = Header::new(Kind::Request, 1, 0);
    (streams.route, streams.deadline_us) = (0x1122_3344_5566_7788, u64::MAX);
    streams.flags = flags::STREAM;
    put("request with streams", streams, &[], &[]);
    let items = crate::protein::encode(&vec![7u32, 9]).unwrap();
    put("items", Header::new(Kind::Items, 1, 0), &[], &items);
    let mut credit = Header::new(Kind::Credit, 1, 0);
    credit.deadline_us = 256 << 10;
    put("credit", credit, &[], &[]);
    put("end", Header::new(Kind::End, 1, 0), &[], &[]);
    put("ping", Header::new(Kind::Ping, 5, 0), &[], &[]);
    put("pong", Header::new(Kind::Pong, 5, 0), &[], &[]);
    assert_eq!(
        vectors,
        serde_json::Value::Array(actual.clone()),
        "{}",
        serde_json::to_string_pretty(&actual).unwrap()
    );
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md"))
            .unwrap();
    for vector in &actual {
        let hex = vector["hex"].as_str().unwrap();
        assert!(
            guide.contains(hex),
            "docs/protocol.md lacks the vector {}: {hex}",
            vector["name"]
        );
    }
}
