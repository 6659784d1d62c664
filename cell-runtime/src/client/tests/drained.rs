#![expect(
    clippy::disallowed_methods,
    reason = "tests read the clock to set deadlines"
)]

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use super::{HANG, call};
use crate::client::{Client, Target};
use crate::error::Error;
use crate::transport::{MemoryStream, Stream, Writer};
use crate::wire::{FrameDecoder, Kind, Limits, ServerEvent, ServerState, Serving};

/// A call that was not started goes on elsewhere with what is left of its time.
#[tokio::test]
async fn what_waited_for_a_server_that_drains_has_less_time_at_the_next() {
    const WAIT: Duration = Duration::from_millis(20);
    let (first, second) = (MemoryStream::pair(), MemoryStream::pair());
    let ends = std::sync::Mutex::new(vec![second.0, first.0]);
    let client = Client::new(Target::memory("echo", 0, move || {
        ends.lock()
            .unwrap()
            .pop()
            .ok_or_else(|| std::io::ErrorKind::ConnectionRefused.into())
    }));
    let servers = tokio::spawn(async move {
        let mut left = Vec::new();
        for server_end in [first.1, second.1] {
            let (mut reader, writer) = server_end.split();
            let (mut decoder, mut bytes) = (FrameDecoder::new(Limits::DEFAULT), Vec::new());
            let mut request = None;
            while request.is_none() {
                let mut buf = [0; 4096];
                let len = reader.read(&mut buf).await.unwrap();
                bytes.extend_from_slice(&buf[..len]);
                let mut input = &buf[..len];
                while let Some(frame) = decoder.next(&mut input).unwrap() {
                    request = (frame.header.kind == Kind::Request).then_some(frame.header);
                }
            }
            left.push(request.map(|header| Duration::from_micros(header.deadline_us)));
            tokio::time::sleep(WAIT).await;
            let serving = Serving {
                cell: "echo".into(),
                fingerprint: 0,
                refusal: None,
            };
            let mut state = ServerState::new(serving, Limits::DEFAULT);
            let mut input = &bytes[..];
            let accepted = state.next(Instant::now(), &mut input).unwrap();
            assert!(matches!(accepted, Some(ServerEvent::Accepted(_))));
            // Before it has looked at the call.
            state.go_away();
            writer.try_write(state.out().pending()).unwrap();
        }
        left
    });
    let error = call(&client, HANG).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    let left = servers.await.unwrap();
    assert!(left[1] <= left[0].map(|first| first - WAIT), "{left:?}");
}
