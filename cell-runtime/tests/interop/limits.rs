//! Deadlines, cancellation, sizes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cell_sdk::Error;
use cell_sdk::server::StatusCode;

use crate::rig::{Rig, route};

pub(crate) async fn timeout_on_sleeping_server(rig: Rig) {
    let client = rig.within(Duration::from_millis(100));
    let error = client.call::<_, ()>(route("sleeps"), &()).await;
    assert!(
        matches!(error, Err(Error::DeadlineExceeded { .. })),
        "{error:?}"
    );
    // The handler is told.
    rig.probe.stopped.notified().await;
    assert_eq!(rig.call("empty", &()).await, Ok(()));
}

pub(crate) async fn deadlines_propagate(rig: Rig) {
    for limit in [Duration::from_secs(30), Duration::from_secs(3600)] {
        let client = rig.within(limit);
        let left: u64 = client.call(route("remaining"), &()).await.unwrap();
        assert!(left > 0 && left <= limit.as_micros() as u64, "{left}");
    }
    let left: u64 = rig.call("remaining", &()).await.unwrap();
    assert!(left <= 10_000_000, "the default is ten seconds: {left}");
}

pub(crate) async fn a_deadline_that_has_passed_starts_nothing(rig: Rig) {
    let client = rig.within(Duration::ZERO);
    let error = client.call::<_, ()>(route("sleeps"), &()).await;
    assert!(
        matches!(error, Err(Error::DeadlineExceeded { .. })),
        "{error:?}"
    );
    assert_eq!(rig.call("empty", &()).await, Ok(()));
    assert_eq!(rig.probe.started.load(Ordering::SeqCst), 0);
}

pub(crate) async fn client_cancellation(rig: Rig) {
    let client = rig.client.clone();
    let call = tokio::spawn(async move { client.call::<_, ()>(route("sleeps"), &()).await });
    rig.probe.begun.notified().await;
    call.abort();
    rig.probe.stopped.notified().await;
    assert_eq!(rig.call("empty", &()).await, Ok(()));
}

/// What an archive of `large`'s arguments and answer has besides the bytes: a length and a vector, on 16 bytes.
const AROUND: usize = 64;
const LIMIT: usize = 16 << 20;

pub(crate) async fn messages_up_to_the_limit_pass_and_larger_ones_are_named(rig: Rig) {
    let most = LIMIT - AROUND;
    let sent: Result<(u32, Vec<u8>), Error> = rig.call("large", &(0u32, vec![1u8; most])).await;
    assert_eq!(sent.map(|(seen, _)| seen), Ok(most as u32));
    let got: Result<(u32, Vec<u8>), Error> =
        rig.call("large", &(most as u32, Vec::<u8>::new())).await;
    assert_eq!(got.map(|(_, body)| body.len()), Ok(most));

    let arguments = [(0u32, vec![1u8; LIMIT]), (LIMIT as u32, Vec::new())];
    for (arguments, code) in arguments
        .iter()
        .zip([StatusCode::BadRequest, StatusCode::Internal])
    {
        let large: Result<(u32, Vec<u8>), Error> = rig.call("large", arguments).await;
        let error = large.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains("at most 16777216"), "{error}");
    }
    assert_eq!(rig.call("empty", &()).await, Ok(()));
}
