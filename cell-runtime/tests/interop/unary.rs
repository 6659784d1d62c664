//! One message each way.

use cell_sdk::server::StatusCode;
use cell_sdk::wire::TraceParent;
use cell_sdk::{CallError, Error};
use tokio::task::JoinSet;

use crate::rig::{Rig, route};
use crate::service::interop::Trouble;

pub(crate) async fn empty_unary(rig: Rig) {
    assert_eq!(rig.call("empty", &()).await, Ok(()));
}

pub(crate) async fn large_unary(rig: Rig) {
    for (asked, sent) in [(314_159u32, 271_828usize), (0, 8 << 20), (8 << 20, 0)] {
        let arguments = (asked, vec![1u8; sent]);
        let (seen, body): (u32, Vec<u8>) = rig.call("large", &arguments).await.unwrap();
        assert_eq!((seen as usize, body.len()), (sent, asked as usize));
    }
}

pub(crate) async fn unimplemented_method(rig: Rig) {
    let error = rig.client.call::<(), ()>(99, &()).await.unwrap_err();
    assert_eq!(error.code(), StatusCode::UnknownRoute, "{error}");
    assert_eq!(rig.call("empty", &()).await, Ok(()), "the connection lives");
}

pub(crate) async fn status_code_and_message(rig: Rig) {
    let trouble = Trouble {
        code: 2,
        message: "test status message".into(),
    };
    let error = rig.fallible::<_, u32>("fails", &(trouble.clone(),)).await;
    assert_eq!(error, Err(CallError::App(trouble)));
}

pub(crate) async fn special_status_message(rig: Rig) {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let trouble = Trouble {
        code: u32::MAX,
        message: message.into(),
    };
    let error = rig.fallible::<_, u32>("fails", &(trouble.clone(),)).await;
    assert_eq!(error, Err(CallError::App(trouble)));
    // And as the message of a status, which has its own way over the wire.
    let error = rig.call::<_, ()>("panics", &(message.to_owned(),)).await;
    let Err(Error::Status(status)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(status.message, format!("the handler panicked: {message}"));
}

pub(crate) async fn a_panic_is_a_status(rig: Rig) {
    // Longer than a message may be, and cut inside of a character.
    let long = format!("x{}", "ü".repeat(4000));
    let error = rig.call::<_, ()>("panics", &(long,)).await.unwrap_err();
    assert_eq!(error.code(), StatusCode::Internal);
    let Error::Status(status) = error else {
        panic!("{error}");
    };
    assert!(status.message.len() <= 4096 && status.message.ends_with('ü'));
    assert_eq!(rig.call("empty", &()).await, Ok(()), "the cell lives");
}

pub(crate) async fn many_calls_share_a_connection(rig: Rig) {
    let mut calls = JoinSet::new();
    for number in 0..300u32 {
        let client = rig.client.clone();
        calls.spawn(async move {
            let arguments = (number * 100, vec![0u8; number as usize]);
            let answer = client.call(route("large"), &arguments).await;
            let (seen, body): (u32, Vec<u8>) = answer.unwrap();
            assert_eq!((seen, body.len() as u32), (number, number * 100));
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
}

pub(crate) async fn trace_context_arrives(rig: Rig) {
    let trace = TraceParent {
        trace_id: [0xab; 16],
        span_id: [0xcd; 8],
        flags: 1,
    };
    let client = cell_sdk::client::Client::new(rig.target.clone());
    let options = cell_sdk::client::CallOptions {
        deadline: None,
        trace: Some(trace),
    };
    let nothing = cell_sdk::Vesicle::wrap(b"");
    let answer = client.call(route("trace"), nothing, options).await.unwrap();
    let cell_sdk::server::Reply::Ok(answer) = answer else {
        panic!("an error");
    };
    let seen = cell_sdk::protein::decode::<Option<String>>(&answer).unwrap();
    assert_eq!(seen, Some(trace.to_string()));
}
