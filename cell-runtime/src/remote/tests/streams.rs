use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::mesh::{ECHO, GATE, Mesh, Running, call};
use crate::client::Target;
use crate::remote::{QuicListener, RemoteAddress, RemoteLimits};
use crate::server::{self, Reply, ServerOptions};
use crate::typed::TypedClient;
use crate::{Vesicle, cell};

#[cell::service]
mod ticker {
    use tokio::sync::watch;

    use crate::cell;

    /// A number, and nine more once the gate is open.
    #[cell::handler]
    async fn ticks(gate: cell::State<watch::Receiver<bool>>) -> cell::Stream<u32> {
        let mut gate = watch::Receiver::clone(&gate);
        let (ticks, stream) = cell::Stream::channel(1);
        tokio::spawn(async move {
            for tick in 0..10 {
                if ticks.send(tick).await.is_err() {
                    return;
                }
                let _ = gate.wait_for(|open| *open).await;
            }
        });
        stream
    }
}

/// As many as `CELL_TEST_DRAINS` says; a drain that is not over within its limit cuts streams off, which end with an error then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drains_with_open_streams_cut_none_of_them() {
    const OPEN: usize = 8;
    let drains = std::env::var("CELL_TEST_DRAINS").map_or(20, |text| text.parse().unwrap());
    let mesh = Mesh::new();
    let (keys, caller) = (mesh.issue("ticker", false), mesh.issue("caller", false));
    for drain in 0..drains {
        let (open, gate) = watch::channel(false);
        let handlers = ticker::handlers().state(gate);
        let schema = handlers.schema().unwrap().unwrap();
        let service = handlers.into_server().unwrap();
        let limits = RemoteLimits::DEFAULT;
        let (listener, closing) =
            QuicListener::bind(([127, 0, 0, 1], 0).into(), keys.clone(), limits, drop).unwrap();
        let address = RemoteAddress::parse(&listener.address().to_string()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (drained, mut draining) = watch::channel(false);
        let server = tokio::spawn(async move {
            let shutdown = async move {
                drop(stopped.await);
                drained.send_replace(true);
            };
            server::run(listener, service, ServerOptions::default(), shutdown)
                .await
                .unwrap();
            closing.finish(Duration::from_secs(5)).await;
        });
        let target = Target::remote(address, caller.clone(), "ticker", schema.fingerprint.0);
        let client = TypedClient::to(target);
        let route = schema.routes[0].fingerprint.0;
        let mut streams = Vec::new();
        for _ in 0..OPEN {
            let mut ticks: cell::Streaming<u32> = client.receive(route, &()).await.unwrap();
            assert_eq!(ticks.next().await, Some(Ok(0)));
            streams.push(ticks);
        }
        stop.send(()).unwrap();
        draining.wait_for(|draining| *draining).await.unwrap();
        open.send_replace(true);
        let mut reading = JoinSet::new();
        for mut ticks in streams {
            reading.spawn(async move {
                for expected in 1..10 {
                    assert_eq!(ticks.next().await, Some(Ok(expected)), "drain {drain}");
                }
                assert_eq!(ticks.next().await, None, "drain {drain}");
            });
        }
        while let Some(read) = reading.join_next().await {
            read.unwrap();
        }
        server.await.unwrap();
    }
    println!("{drains} drains, {} open streams, 0 cut", drains * OPEN);
}

/// A line that takes a silent connection for dead after five seconds, as a router may, sees one that is kept alive; with two
/// seconds it sees nothing in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_where_nothing_happens_is_kept_alive() {
    let mesh = Mesh::new();
    let (keys, caller) = (mesh.issue("echo", false), mesh.issue("caller", false));
    let serve = |idle| {
        let idle = Duration::from_secs(idle);
        let limits = RemoteLimits {
            idle,
            ..RemoteLimits::DEFAULT
        };
        Running::with(keys.clone(), 0, "one", limits)
    };
    let (alive, dead) = (serve(5), serve(2));
    let (kept, lost) = (alive.client(&caller, "echo"), dead.client(&caller, "echo"));
    let lost = tokio::spawn(async move { call(&lost, GATE, b"").await });
    let waiting = tokio::spawn({
        let kept = kept.clone();
        async move { call(&kept, GATE, b"").await }
    });
    alive.until_started(1).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    alive.echo.gate.notify_one();
    let answer = waiting.await.unwrap();
    assert_eq!(answer, Ok(Reply::Ok(Vesicle::wrap("one"))));
    assert!(call(&kept, ECHO, b"hello").await.is_ok());
    assert!(lost.await.unwrap().is_err());
    drop(dead);
}
