//! A server under more load than it takes, and with peers that only want to harm it.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read the clock to set deadlines"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::client::{CallOptions, Client, Target};
use crate::error::Error;
use crate::transport::{MemoryStream, Stream, Writer, memory};
use crate::wire::{ClientState, Hello, Request};

/// Answers when the gate lets it.
const GATE: RouteId = 1;
/// Answers at once, with a mebibyte.
const BIG: RouteId = 2;
/// Panics, and again when it is dropped.
const GRUMPY: RouteId = 3;
const MEBIBYTE: usize = 1 << 20;

struct Grumpy;

impl Drop for Grumpy {
    fn drop(&mut self) {
        panic!("and again");
    }
}

impl Future for Grumpy {
    type Output = Result<Reply, Status>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        panic!("as asked")
    }
}

struct Gated {
    gate: Arc<Semaphore>,
    started: AtomicUsize,
    load: LoadLimits,
}

impl Service for Gated {
    fn name(&self) -> &str {
        "gated"
    }

    fn fingerprint(&self) -> u64 {
        7
    }

    fn routes(&self) -> &[RouteId] {
        &[GATE, BIG, GRUMPY]
    }

    fn load(&self) -> LoadLimits {
        self.load
    }

    fn call(&self, route: RouteId, _context: CallContext, _payload: Vesicle) -> CallFuture {
        self.started.fetch_add(1, Ordering::SeqCst);
        if route == GRUMPY {
            return CallFuture::new(Grumpy);
        }
        let gate = Arc::clone(&self.gate);
        CallFuture::new(async move {
            if route == BIG {
                return Ok(Reply::Ok(Vesicle::wrap(vec![7; MEBIBYTE])));
            }
            if let Ok(pass) = gate.acquire().await {
                pass.forget();
            }
            Ok(Reply::Ok(Vesicle::wrap(b"passed")))
        })
    }
}

/// A running server, and how to reach it.
struct Rig {
    service: Arc<Gated>,
    connect: Arc<dyn Fn() -> io::Result<MemoryStream> + Send + Sync>,
}

impl Rig {
    fn new(change: impl FnOnce(&mut LoadLimits, &mut ServerOptions)) -> Rig {
        let (mut load, mut options) = (LoadLimits::default(), ServerOptions::default());
        change(&mut load, &mut options);
        let service = Arc::new(Gated {
            gate: Arc::new(Semaphore::new(0)),
            started: AtomicUsize::new(0),
            load,
        });
        let (listener, connect) = memory();
        let served: Arc<dyn Service> = Arc::clone(&service) as Arc<dyn Service>;
        tokio::spawn(run(listener, served, options, std::future::pending()));
        Rig {
            service,
            connect: Arc::new(connect),
        }
    }

    fn client(&self) -> Client {
        let connect = Arc::clone(&self.connect);
        Client::new(Target::memory("gated", 7, move || connect()))
    }

    /// A call that waits at the gate; it has been started, or refused.
    async fn gated(&self, client: &Client, bytes: usize) -> JoinHandle<Result<Reply, Error>> {
        let (client, before) = (client.clone(), self.started());
        let call = tokio::spawn(async move {
            let payload = Vesicle::wrap(vec![1; bytes]);
            client.call(GATE, payload, CallOptions::default()).await
        });
        while self.started() == before && !call.is_finished() {
            tokio::task::yield_now().await;
        }
        call
    }

    fn started(&self) -> usize {
        self.service.started.load(Ordering::SeqCst)
    }
}

fn overloaded(answer: Result<Reply, Error>, part: &str) {
    let Err(Error::Status(status)) = &answer else {
        panic!("{answer:?}");
    };
    assert_eq!(status.code, StatusCode::Overloaded);
    assert!(status.message.contains(part), "{status}");
    let hint = status.retry_after.expect("a hint");
    assert!(
        hint > Duration::ZERO && hint < Duration::from_secs(1),
        "{hint:?}"
    );
}

#[tokio::test]
async fn beyond_the_calls_of_a_cell_it_is_overloaded_and_then_takes_more_again() {
    let rig = Rig::new(|load, _| load.calls_max = 3);
    // The limit is everybody's together.
    let (one, other) = (rig.client(), rig.client());
    let mut waiting = Vec::new();
    for client in [&one, &other, &one] {
        waiting.push(rig.gated(client, 8).await);
    }
    overloaded(
        rig.gated(&other, 8).await.await.expect("ends"),
        "3 calls are in flight in this cell",
    );
    assert_eq!(rig.started(), 3, "what was refused was not started");
    rig.service.gate.add_permits(4);
    for call in waiting {
        assert!(call.await.expect("ends").is_ok());
    }
    assert!(rig.gated(&other, 8).await.await.expect("ends").is_ok());
}

#[tokio::test]
async fn arguments_are_limited_by_the_cell_and_by_the_connection() {
    for of_cell in [true, false] {
        let rig = Rig::new(|load, options| match of_cell {
            true => load.request_bytes_max = 3 * MEBIBYTE,
            false => options.limits.request_bytes_max = 3 * MEBIBYTE,
        });
        let client = rig.client();
        let first = rig.gated(&client, 2 * MEBIBYTE).await;
        let refused = rig.gated(&client, 2 * MEBIBYTE).await.await.expect("ends");
        overloaded(refused, "bytes of arguments");
        let second = rig.gated(&client, MEBIBYTE / 2).await;
        rig.service.gate.add_permits(3);
        assert!(first.await.expect("ends").is_ok() && second.await.expect("ends").is_ok());
        assert!(
            rig.gated(&client, 2 * MEBIBYTE)
                .await
                .await
                .expect("ends")
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_client_too_many_is_told_so_and_served_when_another_has_gone() {
    let rig = Rig::new(|load, _| load.connections_max = 1);
    let (first, second) = (rig.client(), rig.client());
    let waiting = rig.gated(&first, 8).await;
    let refused = rig.gated(&second, 8).await.await.expect("ends");
    let error = refused.expect_err("refused");
    assert_eq!(error.code(), StatusCode::Overloaded);
    assert!(
        error.to_string().contains("1 connections are open"),
        "{error}"
    );
    rig.service.gate.add_permits(2);
    assert!(waiting.await.expect("ends").is_ok());
    drop(first);
    loop {
        // The first connection is gone when its client is, a few turns later.
        match rig.gated(&second, 8).await.await.expect("ends") {
            Ok(_) => return,
            Err(error) => assert_eq!(error.code(), StatusCode::Overloaded),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_who_never_says_who_they_are_is_hung_up_on() {
    let rig = Rig::new(|_, _| {});
    let began = tokio::time::Instant::now();
    let (mut reader, writer) = (rig.connect)().expect("connected").split();
    // A part of a frame is no greeting either.
    writer.try_write(&[0x28, 0, 0]).expect("room");
    let mut buf = [0; 8];
    assert_eq!(reader.read(&mut buf).await.expect("ended"), 0);
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_client_that_asks_for_much_and_reads_nothing_is_not_listened_to_and_harms_nobody() {
    let rig = Rig::new(|_, _| {});
    let (_reader, writer) = (rig.connect)().expect("connected").split();
    let mut state = ClientState::new(&Hello::new("gated", 7, "greedy"), Limits::DEFAULT);
    let request = Request {
        route: BIG,
        payload: Vesicle::wrap([0; 8]),
        deadline: Instant::now() + Duration::from_secs(60),
        trace: None,
        streams: false,
    };
    // As many as a connection may have: their answers would be a gigabyte.
    while state.start(Instant::now(), &request).is_ok() {}
    let mut idle = 0;
    while idle < 1000 {
        let before = rig.started();
        if let Ok(len) = writer.try_write(state.out().pending()) {
            state.out().advance(len);
        }
        tokio::task::yield_now().await;
        idle = if rig.started() == before { idle + 1 } else { 0 };
    }
    let started = rig.started();
    assert!(
        started > 8 && started < 64,
        "{started} answers of a mebibyte are kept"
    );
    rig.service.gate.add_permits(1);
    assert!(
        rig.gated(&rig.client(), 8)
            .await
            .await
            .expect("ends")
            .is_ok()
    );
}

#[tokio::test]
async fn a_handler_that_panics_twice_is_one_answer() {
    let rig = Rig::new(|_, _| {});
    let client = rig.client();
    for _ in 0..2 {
        let call = client.call(GRUMPY, Vesicle::wrap(""), CallOptions::default());
        let error = call.await.unwrap_err();
        assert!(
            matches!(&error, Error::Status(status) if status.code == StatusCode::Internal),
            "{error}"
        );
    }
    let call = client.call(BIG, Vesicle::wrap(""), CallOptions::default());
    assert!(call.await.is_ok());
}
