//! Client and server together, over memory and over Unix sockets.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read the clock to set deadlines"
)]

mod drained;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;

use super::*;
use crate::error::Error;
use crate::server::{self, CallContext, CallFuture, ServerOptions, Service};
use crate::transport::{MemoryStream, Stream, UdsListener, Writer, memory};
use crate::vesicle::Vesicle;
use crate::wire::{
    ClientState, Hello, Limits, Reply, Request, RouteId, ServerEvent, ServerState, Serving, Status,
    StatusCode,
};

const ECHO: RouteId = 1;
const PANIC: RouteId = 2;
const HANG: RouteId = 3;
const GATE: RouteId = 4;

#[derive(Default)]
struct Echo {
    name: &'static str,
    started: AtomicUsize,
    dropped: Arc<Notify>,
    gate: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Service for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn fingerprint(&self) -> u64 {
        7
    }

    fn routes(&self) -> &[RouteId] {
        &[ECHO, PANIC, HANG, GATE]
    }

    fn call(&self, route: RouteId, _context: CallContext, payload: Vesicle) -> CallFuture {
        self.started.fetch_add(1, Ordering::SeqCst);
        let (dropped, gate, name) = (
            OnDrop(Arc::clone(&self.dropped)),
            Arc::clone(&self.gate),
            self.name,
        );
        CallFuture::new(async move {
            match route {
                ECHO => Ok(Reply::Ok(payload)),
                PANIC => panic!("as asked"),
                HANG => {
                    let _dropped = dropped;
                    std::future::pending().await
                }
                GATE => {
                    gate.notified().await;
                    Ok(Reply::Ok(Vesicle::wrap(name)))
                }
                _ => Err(Status::new(StatusCode::UnknownRoute, "no such route")),
            }
        })
    }
}

fn started(echo: Echo) -> (Client, Arc<Echo>, oneshot::Sender<()>) {
    let echo = Arc::new(echo);
    let (listener, connect) = memory();
    let (stop, stopped) = oneshot::channel::<()>();
    let service: Arc<dyn Service> = Arc::clone(&echo) as Arc<dyn Service>;
    tokio::spawn(server::run(
        listener,
        service,
        ServerOptions::default(),
        async { drop(stopped.await) },
    ));
    (Client::new(Target::memory("echo", 7, connect)), echo, stop)
}

async fn call(client: &Client, route: RouteId) -> Result<Reply, Error> {
    client
        .call(route, Vesicle::wrap(b"x"), CallOptions::default())
        .await
}

#[tokio::test]
async fn calls_share_a_connection_and_a_panic_leaves_it_alive() {
    let (client, _echo, _stop) = started(Echo::default());
    let calls = (0..200u32).map(|i| {
        let client = client.clone();
        tokio::spawn(async move {
            client
                .call(ECHO, Vesicle::wrap(i.to_le_bytes()), CallOptions::default())
                .await
        })
    });
    for (i, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(
            call.await.unwrap(),
            Ok(Reply::Ok(Vesicle::wrap((i as u32).to_le_bytes())))
        );
    }
    let Err(Error::Status(status)) = call(&client, PANIC).await else {
        panic!()
    };
    assert_eq!(
        (status.code, status.message.as_str()),
        (StatusCode::Internal, "the handler panicked: as asked")
    );
    assert!(call(&client, ECHO).await.is_ok());
    assert!(
        matches!(call(&client, 99).await, Err(Error::Status(s)) if s.code == StatusCode::UnknownRoute)
    );
}

#[tokio::test]
async fn dropping_a_call_stops_the_handler() {
    let (client, echo, _stop) = started(Echo::default());
    let task = tokio::spawn(async move { call(&client, HANG).await });
    while echo.started.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
    echo.dropped.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_call_on_both_sides() {
    let (client, echo, _stop) = started(Echo::default());
    let options = CallOptions {
        deadline: Some(Instant::now() + Duration::from_millis(50)),
        trace: None,
    };
    let result = client.call(HANG, Vesicle::wrap(b""), options).await;
    assert_eq!(
        result,
        Err(Error::DeadlineExceeded {
            cell: "echo".into()
        })
    );
    echo.dropped.notified().await;
}

#[tokio::test]
async fn more_calls_than_a_connection_takes_wait_for_their_turn() {
    let (client, echo, _stop) = started(Echo::default());
    let mut calls = JoinSet::new();
    for _ in 0..Limits::DEFAULT.calls_max + 300 {
        let client = client.clone();
        calls.spawn(async move { call(&client, GATE).await });
    }
    while echo.started.load(Ordering::SeqCst) < Limits::DEFAULT.calls_max {
        tokio::task::yield_now().await;
    }
    while !calls.is_empty() {
        echo.gate.notify_one();
        calls.join_next().await.unwrap().unwrap().unwrap();
    }
    assert_eq!(
        echo.started.load(Ordering::SeqCst),
        Limits::DEFAULT.calls_max + 300
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_finished_inside_the_drain_limit_is_told_so() {
    let (client, echo, stop) = started(Echo::default());
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { call(&client, HANG).await }
    });
    while echo.started.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    // Either side's timer ends it; the server's limit is the shorter one.
    let ended = hanging.await.unwrap();
    assert!(
        matches!(&ended, Err(Error::Status(s)) if s.code == StatusCode::Draining),
        "{ended:?}"
    );
    echo.dropped.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_neither_reads_nor_closes_does_not_keep_a_draining_server() {
    let (listener, connect) = memory();
    let (stop, stopped) = oneshot::channel::<()>();
    let echo = Arc::new(Echo::default());
    let service: Arc<dyn Service> = Arc::clone(&echo) as Arc<dyn Service>;
    let server = tokio::spawn(server::run(
        listener,
        service,
        ServerOptions::default(),
        async { drop(stopped.await) },
    ));
    let (_reader, writer) = connect().unwrap().split();
    let mut state = ClientState::new(&Hello::new("echo", 7, "mute"), Limits::DEFAULT);
    let request = Request {
        route: ECHO,
        payload: Vesicle::wrap([0; 100 << 10]),
        deadline: Instant::now() + Duration::from_secs(60),
        trace: None,
        streams: false,
    };
    let mut sent = 0;
    // The answers fill the pipe: the server cannot send them all.
    while sent < 8 {
        if state.out().is_empty() {
            state.start(Instant::now(), &request).unwrap();
            sent += 1;
        }
        match writer.try_write(state.out().pending()) {
            Ok(len) => state.out().advance(len),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    while echo.started.load(Ordering::SeqCst) < 7 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn draining_finishes_what_runs_and_sends_the_rest_elsewhere() {
    let (old, new) = (
        Arc::new(Echo {
            name: "old",
            ..Echo::default()
        }),
        Arc::new(Echo {
            name: "new",
            ..Echo::default()
        }),
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("echo.sock");
    let listener = crate::transport::bind_std(&path).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let first = UdsListener::from_std(listener.try_clone().unwrap()).unwrap();
    let old_service: Arc<dyn Service> = Arc::clone(&old) as Arc<dyn Service>;
    let old_server = tokio::spawn(server::run(
        first,
        old_service,
        ServerOptions::default(),
        async { drop(stopped.await) },
    ));
    let client = Client::new(Target::at(path.to_str().unwrap(), "echo", 7).unwrap());
    let in_flight = tokio::spawn({
        let client = client.clone();
        async move { call(&client, GATE).await }
    });
    while old.started.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // The swap: the old one drains while the new one accepts on the same listener.
    stop.send(()).unwrap();
    let new_service: Arc<dyn Service> = Arc::clone(&new) as Arc<dyn Service>;
    let second = UdsListener::from_std(listener).unwrap();
    tokio::spawn(server::run(
        second,
        new_service,
        ServerOptions::default(),
        std::future::pending(),
    ));
    new.gate.notify_one();
    assert_eq!(
        call(&client, GATE).await,
        Ok(Reply::Ok(Vesicle::wrap("new")))
    );
    old.gate.notify_one();
    assert_eq!(
        in_flight.await.unwrap(),
        Ok(Reply::Ok(Vesicle::wrap("old")))
    );
    old_server.await.unwrap().unwrap();
}

#[tokio::test]
async fn swaps_under_load_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("echo.sock");
    let listener = crate::transport::bind_std(&path).unwrap();
    let (done, finished) = watch::channel(false);
    let client = Client::new(Target::at(path.to_str().unwrap(), "echo", 7).unwrap());
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (client, finished) = (client.clone(), finished.clone());
            tokio::spawn(async move {
                let mut answered = 0usize;
                while !*finished.borrow() {
                    call(&client, ECHO).await.unwrap();
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let total = Arc::new(AtomicUsize::new(0));
    let mut previous = None;
    for _ in 0..50 {
        let echo = Arc::new(Echo::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let accept = UdsListener::from_std(listener.try_clone().unwrap()).unwrap();
        let service: Arc<dyn Service> = Arc::clone(&echo) as Arc<dyn Service>;
        let server = tokio::spawn(server::run(
            accept,
            service,
            ServerOptions::default(),
            async { drop(stopped.await) },
        ));
        if let Some((stop, server, echo)) = previous.replace((stop, server, Arc::clone(&echo))) {
            stop.send(()).unwrap();
            server.await.unwrap().unwrap();
            total.fetch_add(echo.started.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        while echo.started.load(Ordering::SeqCst) < 5 {
            tokio::task::yield_now().await;
        }
    }
    done.send_replace(true);
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.unwrap();
    }
    let (_stop, _server, last) = previous.unwrap();
    let started = total.load(Ordering::SeqCst) + last.started.load(Ordering::SeqCst);
    assert_eq!(
        answered, started,
        "each answered call was started exactly once"
    );
}

#[tokio::test]
async fn a_stale_client_is_refused_and_a_missing_cell_is_named() {
    let (listener, connect) = memory();
    let service: Arc<dyn Service> = Arc::new(Echo::default());
    tokio::spawn(server::run(
        listener,
        service,
        ServerOptions::default(),
        std::future::pending(),
    ));
    let stale = Client::new(Target::memory("echo", 8, connect));
    let error = call(&stale, ECHO).await.unwrap_err();
    assert!(matches!(error, Error::SchemaMismatch(_)));
    assert_eq!(error.to_string(), crate::wire::drift_message("echo", 8, 7));

    let missing = Client::new(Target::at("/nonexistent/echo.sock", "echo", 7).unwrap());
    let error = call(&missing, ECHO).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/echo.sock"), "{error}");
    assert!(Target::at("echo.sock", "echo", 7).is_err());
}

#[tokio::test]
async fn without_a_generation_callers_hear_the_reason_at_once_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("echo.sock");
    let listener = crate::transport::bind_std(&path).unwrap();
    let (reason, reasons) = watch::channel("it does not compile".to_owned());
    let (stop, stopped) = oneshot::channel::<()>();
    let refusing = UdsListener::from_std(listener.try_clone().unwrap()).unwrap();
    let refuser = tokio::spawn(async move {
        server::refuse_all(refusing, "echo", reasons, async { drop(stopped.await) }).await
    });
    let client = Client::new(Target::at(path.to_str().unwrap(), "echo", 7).unwrap());
    let error = call(&client, ECHO).await.unwrap_err();
    assert_eq!(
        error,
        Error::Unavailable {
            cell: "echo".into(),
            reason: "it does not compile".into()
        }
    );
    reason.send_replace("it exited with 1".to_owned());
    assert!(
        call(&client, ECHO)
            .await
            .unwrap_err()
            .to_string()
            .contains("it exited with 1")
    );
    stop.send(()).unwrap();
    refuser.await.unwrap().unwrap();
    let service: Arc<dyn Service> = Arc::new(Echo::default());
    tokio::spawn(server::run(
        UdsListener::from_std(listener).unwrap(),
        service,
        ServerOptions::default(),
        std::future::pending(),
    ));
    assert!(call(&client, ECHO).await.is_ok());
}

#[test]
fn a_client_outlives_the_runtime_of_its_first_call() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("echo.sock");
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let guard = server.enter();
    let listener = UdsListener::bind(&path).unwrap();
    drop(guard);
    let service: Arc<dyn Service> = Arc::new(Echo::default());
    server.spawn(server::run(
        listener,
        service,
        ServerOptions::default(),
        std::future::pending(),
    ));
    let client = Client::new(Target::at(path.to_str().unwrap(), "echo", 7).unwrap());
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        assert!(runtime.block_on(call(&client, ECHO)).is_ok());
    }
    server.shutdown_background();
}

#[tokio::test]
async fn a_server_that_vanishes_fails_what_it_had_started() {
    let (_, connect) = memory();
    assert!(matches!(
        call(&Client::new(Target::memory("echo", 7, connect)), ECHO).await,
        Err(Error::Unavailable { .. })
    ));
    // Answers the handshake, takes a call, dies.
    let (client_end, server_end) = MemoryStream::pair();
    let slot = std::sync::Mutex::new(Some(client_end));
    let client = Client::new(Target::memory("echo", 0, move || {
        slot.lock()
            .unwrap()
            .take()
            .ok_or_else(|| std::io::ErrorKind::ConnectionRefused.into())
    }));
    tokio::spawn(async move {
        use tokio::io::AsyncReadExt;
        let (mut reader, writer) = server_end.split();
        let mut state = ServerState::new(
            Serving {
                cell: "echo".into(),
                fingerprint: 0,
                refusal: None,
            },
            Limits::DEFAULT,
        );
        let (mut buf, mut events) = ([0; 4096], Vec::new());
        while !events
            .iter()
            .any(|event| matches!(event, ServerEvent::Call(_)))
        {
            let len = reader.read(&mut buf).await.unwrap();
            state
                .receive(Instant::now(), &buf[..len], &mut events)
                .unwrap();
        }
        writer.try_write(state.out().pending()).unwrap();
    });
    let error = call(&client, HANG).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable { reason, .. } if reason.contains("closed the connection")),
        "{error}"
    );
}
