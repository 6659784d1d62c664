//! Many messages, one way or both.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cell_sdk::cell::{Stream, Streaming};
use cell_sdk::{CallError, Error};

use crate::rig::{Rig, all, route};
use crate::service::interop::Trouble;

/// The sizes of gRPC's cases.
const SENT: [u32; 4] = [27_182, 8, 1_828, 45_904];
const ASKED: [u32; 4] = [31_415, 9, 2_653, 58_979];

pub(crate) async fn client_streaming(rig: Rig) {
    let bodies = Stream::iter(SENT.map(|size| vec![0u8; size as usize]));
    let sum: Result<u64, Error> = rig.client.collect(route("collects"), &(), bodies).await;
    assert_eq!(sum, Ok(74_922));
}

pub(crate) async fn server_streaming(rig: Rig) {
    let arguments = (ASKED.to_vec(),);
    let bodies: Streaming<Vec<u8>> = rig
        .client
        .receive(route("streams"), &arguments)
        .await
        .unwrap();
    let sizes = all(bodies).await.unwrap();
    assert!(
        sizes
            .iter()
            .map(Vec::len)
            .eq(ASKED.map(|size| size as usize))
    );
}

pub(crate) async fn ping_pong(rig: Rig) {
    let (send, sizes) = Stream::channel(1);
    let mut bodies: Streaming<Vec<u8>> = rig
        .client
        .exchange(route("exchanges"), &(), sizes)
        .await
        .unwrap();
    for size in ASKED {
        send.send(size).await.unwrap();
        let body = bodies.next().await.unwrap().unwrap();
        assert_eq!(body.len(), size as usize);
    }
    drop(send);
    assert_eq!(bodies.next().await, None);
}

pub(crate) async fn empty_stream(rig: Rig) {
    let nothing = Stream::iter(Vec::<u32>::new());
    let bodies: Streaming<Vec<u8>> = rig
        .client
        .exchange(route("exchanges"), &(), nothing)
        .await
        .unwrap();
    assert_eq!(all(bodies).await, Ok(vec![]));
    let sum: Result<u64, Error> = rig
        .client
        .collect(route("collects"), &(), Stream::iter(Vec::<Vec<u8>>::new()))
        .await;
    assert_eq!(sum, Ok(0));
}

pub(crate) async fn cancel_after_begin(rig: Rig) {
    let (send, bodies) = Stream::<Vec<u8>>::channel(1);
    let client = rig.client.clone();
    let call = tokio::spawn(async move {
        let sum: Result<u64, Error> = client.collect(route("collects"), &(), bodies).await;
        sum
    });
    rig.probe.begun.notified().await;
    call.abort();
    rig.probe.stopped.notified().await;
    // Nobody takes what would be sent.
    send.closed().await;
    assert_eq!(rig.call("empty", &()).await, Ok(()));
}

pub(crate) async fn cancel_after_first_response(rig: Rig) {
    let (send, sizes) = Stream::channel(1);
    let mut bodies: Streaming<Vec<u8>> = rig
        .client
        .exchange(route("exchanges"), &(), sizes)
        .await
        .unwrap();
    send.send(ASKED[0]).await.unwrap();
    assert!(bodies.next().await.unwrap().is_ok());
    drop(bodies);
    rig.probe.stopped.notified().await;
    send.closed().await;
    assert_eq!(rig.call("empty", &()).await, Ok(()));
}

async fn breaks(rig: &Rig, after: u32) -> (Vec<u32>, CallError<Trouble>) {
    let mut items: Streaming<u32, CallError<Trouble>> = rig
        .client
        .receive(route("breaks"), &(after,))
        .await
        .unwrap();
    let mut seen = Vec::new();
    loop {
        match items.next().await.expect("an end with an error") {
            Ok(item) => seen.push(item),
            Err(error) => {
                assert_eq!(items.next().await, None, "nothing after the error");
                return (seen, error);
            }
        }
    }
}

fn trouble(code: u32) -> CallError<Trouble> {
    CallError::App(Trouble {
        code,
        message: "as asked".into(),
    })
}

pub(crate) async fn an_error_before_any_item(rig: Rig) {
    assert_eq!(breaks(&rig, 0).await, (vec![], trouble(0)));
}

pub(crate) async fn an_error_after_items(rig: Rig) {
    for after in [1, 100, 70_000] {
        let (seen, error) = breaks(&rig, after).await;
        assert!(seen.into_iter().eq(0..after));
        assert_eq!(error, trouble(after));
    }
}

pub(crate) async fn a_deadline_in_the_middle_of_a_stream(rig: Rig) {
    let client = rig.within(Duration::from_millis(200));
    let (send, sizes) = Stream::channel(1);
    let mut bodies: Streaming<Vec<u8>> = client
        .exchange(route("exchanges"), &(), sizes)
        .await
        .unwrap();
    send.send(5).await.unwrap();
    assert_eq!(bodies.next().await, Some(Ok(vec![1; 5])));
    let end = bodies.next().await;
    assert!(
        matches!(end, Some(Err(Error::DeadlineExceeded { .. }))),
        "{end:?}"
    );
    rig.probe.stopped.notified().await;
    send.closed().await;
}

pub(crate) async fn a_half_close_leaves_the_other_half(rig: Rig) {
    let words = Stream::iter(["a", "b", "c"].map(str::to_owned));
    let counts: Streaming<u32> = rig
        .client
        .exchange(route("echoes_after"), &(1000u32,), words)
        .await
        .unwrap();
    assert_eq!(all(counts).await, Ok(vec![3; 1000]));
}

pub(crate) async fn a_slow_reader_holds_the_handler_back(rig: Rig) {
    let mut numbers: Streaming<u32> = rig.client.receive(route("numbers"), &()).await.unwrap();
    rig.probe.begun.notified().await;
    // Other calls take their time, and the handler could go on meanwhile.
    for _ in 0..200 {
        assert_eq!(rig.call("empty", &()).await, Ok(()));
    }
    let made = rig.probe.made.load(Ordering::SeqCst);
    // 256 KiB of credit, a frame that may overdraw it, and a batch that waits for more.
    assert!(made <= (3 * (256 << 10)) / 4, "{made} numbers were made");
    for number in 0..200_000 {
        assert_eq!(numbers.next().await, Some(Ok(number)));
    }
    drop(numbers);
    rig.probe.stopped.notified().await;
}

pub(crate) async fn unary_calls_pass_a_stream_that_nobody_reads(rig: Rig) {
    let mut unread = Vec::new();
    for _ in 0..20 {
        let numbers: Streaming<u32> = rig.client.receive(route("numbers"), &()).await.unwrap();
        unread.push(numbers);
    }
    let arguments = (1u32 << 20, vec![0u8; 1 << 20]);
    for _ in 0..5 {
        let answer: Result<(u32, Vec<u8>), Error> = rig.call("large", &arguments).await;
        assert_eq!(answer.map(|(seen, _)| seen), Ok(1 << 20));
    }
    for numbers in &mut unread {
        assert_eq!(numbers.next().await, Some(Ok(0)));
    }
}
