//! Two processes that share memory, one of which is killed at any moment. The other one is this test binary, started again.
//!
//! `CELL_GAP_KILLS` says how many; 1,000 without it.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests start processes and look at the clock"
)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

extern crate cell_runtime as cell_sdk;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cell_sdk::__private::client::TypedClient;
use cell_sdk::cell::{self, Streaming};
use cell_sdk::server::{self, ServerOptions};
use cell_sdk::transport::UdsListener;

static SERVED: AtomicU64 = AtomicU64::new(0);

#[cell::service]
mod echo {
    use std::pin::Pin;
    use std::sync::atomic::Ordering;
    use std::task::{Context, Poll};

    use cell_sdk::cell;

    #[cell::handler]
    async fn echo(bytes: Vec<u8>) -> Vec<u8> {
        super::SERVED.fetch_add(1, Ordering::SeqCst);
        bytes
    }

    struct Endless(u64);

    impl futures_core::Stream for Endless {
        type Item = u64;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u64>> {
            self.0 += 1;
            Poll::Ready(Some(self.0))
        }
    }

    #[cell::handler]
    async fn endless() -> impl futures_core::Stream<Item = u64> {
        Endless(0)
    }
}

const SERVE: &str = "CELL_TEST_SERVE";
const CALL: &str = "CELL_TEST_CALL";

fn client(socket: &Path) -> TypedClient {
    let schema = cell_sdk::schema::own_service("gap::echo").unwrap();
    TypedClient::at(&socket.display().to_string(), "echo", schema.fingerprint.0).unwrap()
}

fn route(name: &str) -> u64 {
    let schema = cell_sdk::schema::own_service("gap::echo").unwrap();
    schema.route(name).unwrap().fingerprint.0
}

async fn serve(socket: &Path) {
    let listener = UdsListener::bind(socket).unwrap();
    println!("ready");
    let service = echo::handlers().into_server().unwrap();
    server::run(
        listener,
        service,
        ServerOptions::default(),
        std::future::pending(),
    )
    .await
    .unwrap();
}

/// Lone calls, many at once, large ones and a stream, until something fails; an answer that is wrong is a panic.
async fn traffic(client: &TypedClient) -> String {
    let one = async |len: usize| -> Result<(), cell_sdk::Error> {
        let sent = vec![len as u8; len];
        let received: Vec<u8> = client.call(route("echo"), &(sent.clone(),)).await?;
        assert_eq!(received, sent);
        Ok(())
    };
    let round = async || -> Result<(), cell_sdk::Error> {
        for len in 0..20 {
            one(len).await?;
        }
        let tasks: Vec<_> = (0..32)
            .map(|len| {
                let client = client.clone();
                tokio::spawn(async move {
                    let answer: Result<Vec<u8>, _> =
                        client.call(route("echo"), &(vec![7u8; len * 100],)).await;
                    answer.map(|bytes| assert_eq!(bytes.len(), len * 100))
                })
            })
            .collect();
        let mut first = Ok(());
        for task in tasks {
            first = first.and(task.await.unwrap());
        }
        first?;
        one(300_000).await?;
        let mut items: Streaming<u64> = client.receive(route("endless"), &()).await?;
        for expected in 1..2000 {
            match items.next().await {
                Some(item) => assert_eq!(item?, expected),
                None => panic!("an endless stream ended"),
            }
        }
        Ok(())
    };
    loop {
        if let Err(error) = round().await {
            return error.to_string();
        }
    }
}

/// The other process.
#[test]
fn other_process() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    if let Some(socket) = std::env::var_os(SERVE) {
        runtime().block_on(serve(Path::new(&socket)));
    }
    if let Some(socket) = std::env::var_os(CALL) {
        let error = runtime().block_on(traffic(&client(Path::new(&socket))));
        panic!("{error}");
    }
}

fn other(what: &str, socket: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "other_process", "--nocapture"])
        .env(what, socket)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn kills() -> usize {
    std::env::var("CELL_GAP_KILLS").map_or(1000, |kills| kills.parse().unwrap())
}

/// Segments and descriptors that this process holds.
fn held() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let segments = maps.matches("memfd:cell-gap").count();
    (
        segments,
        std::fs::read_dir("/proc/self/fd").unwrap().count(),
    )
}

/// Moments without a pattern, the same in every run (xorshift64).
struct Moments(u64);

impl Moments {
    fn next(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_nanos(self.0 % most.as_nanos() as u64)
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!(
        "{what}: {} kills, noticed after {:?} (median), {:?} (p99), {:?} (most)",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}

/// Long enough for the busiest machine: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cell_that_is_killed_hangs_nobody_and_leaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut moments = Moments(0x9e37_79b9_7f4a_7c15);
    let mut times = Vec::new();
    let mut before = None;
    let mut shared = 0;
    for kill in 0..kills().div_ceil(2) {
        let socket = folder.path().join(format!("{kill}.sock"));
        let mut server = other(SERVE, &socket);
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "ready" {}
        let client = client(&socket);
        let calls = tokio::spawn(async move { traffic(&client).await });
        tokio::time::sleep(moments.next(Duration::from_millis(8))).await;
        shared += held().0;
        server.kill().unwrap();
        let killed = Instant::now();
        let error = tokio::time::timeout(PATIENCE, calls)
            .await
            .expect("nothing hangs");
        times.push(killed.elapsed());
        assert!(!error.unwrap().is_empty());
        server.wait().unwrap();
        drop(lines);
        wait_until(|| held().0 == 0).await;
        // The first round opens what the runtime keeps. A connection that is not in shared memory yet may take a moment.
        let before = *before.get_or_insert(held().1);
        wait_until(|| held().1 <= before).await;
    }
    assert!(shared > 0, "no round came to share memory");
    report("killed cells", times);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_killed_leaks_nothing_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket: PathBuf = folder.path().join("echo.sock");
    let path = socket.clone();
    tokio::spawn(async move { serve(&path).await });
    wait_until(|| socket.exists()).await;
    let mut moments = Moments(0x2545_f491_4f6c_dd1d);
    let mut times = Vec::new();
    for kill in 0..kills() / 2 {
        let served = SERVED.load(Ordering::SeqCst);
        let mut caller = other(CALL, &socket);
        wait_until(|| SERVED.load(Ordering::SeqCst) > served).await;
        tokio::time::sleep(moments.next(Duration::from_millis(8))).await;
        caller.kill().unwrap();
        let killed = Instant::now();
        wait_until(|| held().0 == 0).await;
        times.push(killed.elapsed());
        caller.wait().unwrap();
        if kill % 50 == 0 {
            // A connection of its own, which is not in shared memory yet.
            let others = client(&socket);
            let echoed: Vec<u8> = others.call(route("echo"), &(vec![1u8],)).await.unwrap();
            assert_eq!(echoed, [1]);
        }
    }
    report("killed callers", times);
}

async fn wait_until(mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {:?}", held());
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}
