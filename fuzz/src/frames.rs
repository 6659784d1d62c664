//! Frames and handshakes, without a connection around them.

use cell_sdk::wire::{
    FrameDecoder, Hello, HelloAck, Limits, Status, TraceParent, Violation, encode_frame,
};

use crate::feed::Feed;

/// What a stream was cut into: header fields, extension, payload.
type Cut = (Vec<(Vec<u8>, Vec<u8>)>, Option<Violation>);

/// However a stream is split it gives the same frames, aligned, within the limits; written again they are the same bytes.
pub fn frames(data: &[u8]) {
    let mut feed = Feed(data);
    let chunk = usize::from(feed.byte()).max(1);
    let limits = Limits {
        payload_bytes_max: 4096,
        ..Limits::DEFAULT
    };
    let (whole, error) = cut(feed.0, feed.0.len().max(1), limits);
    assert_eq!(cut(feed.0, chunk, limits), (whole.clone(), error.clone()));
    let again: Vec<u8> = whole.into_iter().flat_map(|(bytes, _)| bytes).collect();
    assert_eq!(again, feed.0[..again.len()]);
    // What is left is less than a frame, or what the decoder refused.
    let head = cell_sdk::wire::HEADER_LEN;
    assert!(error.is_some() || feed.0.len() - again.len() < head + 4096 + usize::from(u16::MAX));
}

fn cut(bytes: &[u8], chunk: usize, limits: Limits) -> Cut {
    let mut decoder = FrameDecoder::new(limits);
    let mut cut = Vec::new();
    for mut input in bytes.chunks(chunk) {
        loop {
            match decoder.next(&mut input) {
                Ok(Some(frame)) => {
                    assert!((frame.payload.as_ptr() as usize).is_multiple_of(16));
                    assert!(frame.payload.len() <= limits.payload_bytes_max);
                    let mut again = Vec::new();
                    encode_frame(frame.header, &frame.ext, &frame.payload, &mut again);
                    cut.push((again, frame.ext));
                }
                Ok(None) => break,
                Err(violation) => return (cut, Some(violation)),
            }
        }
        assert!(input.is_empty());
    }
    (cut, None)
}

/// A greeting that is read says what it says when it is written and read again; nothing is longer than it may be.
pub fn handshake(data: &[u8]) {
    let limits = Limits::DEFAULT;
    if let Ok(hello) = Hello::decode(data, &limits) {
        assert!(hello.cell.len() <= limits.name_bytes_max);
        assert_eq!(Hello::decode(&hello.encode(), &limits), Ok(hello.clone()));
        for (cell, fingerprint) in [(hello.cell.as_str(), hello.fingerprint), ("other", 7)] {
            let answer = HelloAck::answer(&hello, cell, fingerprint);
            assert_eq!(HelloAck::decode(&answer.encode(), &limits), Ok(answer));
        }
    }
    if let Ok(ack) = HelloAck::decode(data, &limits) {
        let again = HelloAck::decode(&ack.encode(), &limits);
        assert_eq!(again, Ok(ack));
    }
    if let Some(status) = Status::decode(data) {
        for most in [0, 1, 5, 4096] {
            let bytes = status.encode(most);
            assert!(bytes.len() <= 2 + most);
            let again = Status::decode(&bytes).expect("what is written is read");
            assert!(again.code == status.code && status.message.starts_with(&again.message));
        }
    }
    if let Some(trace) = TraceParent::decode(data) {
        assert_eq!(TraceParent::decode(&trace.encode()), Some(trace));
    }
}
