//! Middleware around handlers and clients: tower's own, and layers of a user.

extern crate cell_runtime as cell_sdk;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cell_sdk::cell::{self, TestCell};
use cell_sdk::client::{CallOptions, Client};
use cell_sdk::layer::{CallRequest, ClientRequest};
use cell_sdk::server::{Reply, Status, StatusCode};
use cell_sdk::{Error, Handlers, Vesicle};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

#[cell::service]
mod lab {
    use cell_sdk::cell;

    #[cell::handler]
    async fn add(left: u32, right: u32) -> u32 {
        left + right
    }

    #[cell::handler]
    async fn hang() -> u32 {
        std::future::pending().await
    }

    #[cell::handler]
    async fn odd(number: u32) -> Result<u32, String> {
        if number % 2 == 1 {
            Ok(number)
        } else {
            Err(format!("{number} is even"))
        }
    }

    #[cell::handler]
    async fn count(to: u32) -> cell::Stream<u32> {
        cell::Stream::iter(0..to)
    }

    #[cell::handler]
    async fn name(context: cell::Context) -> String {
        context.caller().name.to_string()
    }
}

fn code(error: &Error) -> StatusCode {
    error.code()
}

#[tokio::test]
async fn a_layer_refuses_by_the_route_and_changes_what_the_handler_sees() {
    let rule = |mut call: CallRequest| {
        if call.route == "hang" {
            return Err(Status::new(StatusCode::Refused, "nobody hangs here"));
        }
        call.context.caller.name = format!("{} of the lab", call.route).into();
        Ok(call)
    };
    let layer = ServiceBuilder::new().filter(rule);
    let lab = TestCell::serve(lab::handlers().layer(layer)).expect("serves");
    let refused = lab.call::<(), u32>("hang", &()).await.expect_err("refused");
    let expected = Status::new(StatusCode::Refused, "nobody hangs here");
    assert_eq!(refused, Error::Status(expected));
    let name: String = lab.call("name", &()).await.expect("answers");
    assert_eq!(name, "name of the lab");
}

#[tokio::test]
async fn answers_errors_of_handlers_and_streams_go_through() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let layer = ServiceBuilder::new().map_result(move |outcome: Result<Reply, Status>| {
        log.lock().expect("no panics").push(match &outcome {
            Ok(Reply::Ok(_)) => "ok",
            Ok(Reply::AppError(_)) => "error",
            Err(_) => "status",
        });
        outcome
    });
    let lab = TestCell::serve(lab::handlers().layer(layer)).expect("serves");
    let sum: u32 = lab.call("add", &(1u32, 2u32)).await.expect("answers");
    assert_eq!(sum, 3);
    let even = lab
        .call_fallible::<_, u32, String>("odd", &(2u32,))
        .await
        .expect_err("is even");
    assert_eq!(even, cell::CallError::App("2 is even".to_owned()));
    let mut items: cell::Streaming<u32> = lab.receive("count", &(3u32,)).await.expect("starts");
    for number in 0..3 {
        assert_eq!(items.next().await, Some(Ok(number)));
    }
    assert_eq!(items.next().await, None);
    assert_eq!(*seen.lock().expect("no panics"), ["ok", "error", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_the_cell_ends_the_handler() {
    let layers = ServiceBuilder::new()
        .map_err(|error: BoxError| -> BoxError {
            if error.is::<tower::timeout::error::Elapsed>() {
                return Status::new(StatusCode::DeadlineExceeded, "a second at most").into();
            }
            error
        })
        .timeout(Duration::from_secs(1));
    let lab = TestCell::serve(lab::handlers().layer(layers)).expect("serves");
    let began = tokio::time::Instant::now();
    let late = lab
        .call::<(), u32>("hang", &())
        .await
        .expect_err("too late");
    assert_eq!(code(&late), StatusCode::DeadlineExceeded);
    // By a clock that moves only when everybody waits.
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_error_that_is_no_status_is_internal_with_its_words() {
    let layers = ServiceBuilder::new()
        .filter(|_: CallRequest| Err::<CallRequest, BoxError>("the till is closed".into()));
    let lab = TestCell::serve(lab::handlers().layer(layers)).expect("serves");
    let error = lab
        .call::<_, u32>("add", &(1u32, 2u32))
        .await
        .expect_err("fails");
    assert_eq!(code(&error), StatusCode::Internal);
    assert!(error.to_string().contains("the till is closed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_one_for_all_callers_and_holds_calls_not_connections() {
    let layers = ServiceBuilder::new()
        .buffer(64)
        .rate_limit(2, Duration::from_secs(60));
    let lab = TestCell::serve(lab::handlers().layer(layers)).expect("serves");
    for _ in 0..2 {
        let sum: u32 = lab.call("add", &(1u32, 2u32)).await.expect("answers");
        assert_eq!(sum, 3);
    }
    let third = lab.call::<_, u32>("add", &(1u32, 2u32)).await;
    assert_eq!(
        third.as_ref().map_err(code),
        Err(StatusCode::DeadlineExceeded),
        "ten seconds are not enough for a limit of a minute"
    );
}

#[tokio::test]
async fn the_layer_added_last_sees_a_call_first() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let order = Arc::clone(&order);
        ServiceBuilder::new().map_request(move |call: CallRequest| {
            order.lock().expect("no panics").push(name);
            call
        })
    };
    let handlers = lab::handlers().layer(note("inner")).layer(note("outer"));
    let lab = TestCell::serve(handlers).expect("serves");
    let _: u32 = lab.call("add", &(1u32, 2u32)).await.expect("answers");
    assert_eq!(*order.lock().expect("no panics"), ["outer", "inner"]);
}

#[tokio::test]
async fn a_layer_that_panics_is_an_internal_error_and_the_cell_goes_on() {
    let calls = Arc::new(AtomicU32::new(0));
    let layer = ServiceBuilder::new().map_request(move |call: CallRequest| {
        assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "the first one");
        call
    });
    let lab = TestCell::serve(lab::handlers().layer(layer)).expect("serves");
    let panicked = lab.call::<_, u32>("add", &(1u32, 2u32)).await;
    assert_eq!(panicked.as_ref().map_err(code), Err(StatusCode::Internal));
    let sum: u32 = lab.call("add", &(1u32, 2u32)).await.expect("answers");
    assert_eq!(sum, 3);
}

#[tokio::test]
async fn the_low_level_has_layers_too_and_an_unknown_route_meets_none() {
    let routes = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&routes);
    let handlers = Handlers::new()
        .named("echo")
        .raw(|message| async { message })
        .layer(ServiceBuilder::new().map_request(move |call: CallRequest| {
            log.lock().expect("no panics").push(call.route);
            call
        }));
    let echo = TestCell::serve(handlers).expect("serves");
    let answer = echo
        .synapse()
        .fire(Vesicle::wrap("hello"))
        .await
        .expect("answers");
    assert_eq!(answer.as_slice(), b"hello");
    let unknown = echo
        .synapse()
        .ask::<u32, u32>(&7)
        .await
        .expect_err("no such route");
    assert_eq!(code(&unknown), StatusCode::UnknownRoute);
    assert_eq!(*routes.lock().expect("no panics"), ["raw"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_a_service_that_layers_go_around() {
    let handlers = Handlers::new().named("echo").raw(|message| async move {
        if message.as_slice() == b"hang" {
            std::future::pending::<()>().await;
        }
        message
    });
    let echo = TestCell::serve(handlers).expect("serves");
    let mut client = ServiceBuilder::new()
        .concurrency_limit(4)
        .timeout(Duration::from_secs(1))
        .service(Client::new(echo.target().clone()));
    let request = |text: &str| ClientRequest {
        route: 0,
        payload: Vesicle::wrap(text),
        options: CallOptions::default(),
    };
    let ready = client.ready().await.expect("is ready");
    let answer = ready.call(request("hello")).await.expect("answers");
    assert_eq!(answer, Reply::Ok(Vesicle::wrap("hello")));
    let ready = client.ready().await.expect("is ready");
    let late = ready.call(request("hang")).await.expect_err("hangs");
    assert!(late.is::<tower::timeout::error::Elapsed>(), "{late}");
}
