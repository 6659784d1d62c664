#![expect(clippy::disallowed_methods, reason = "a deadline is a time")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::super::*;
use super::mesh::{ECHO, Echo, GATE, HANG, Mesh, call, connect_plainly, greeting};
use crate::client::{CallOptions, Client, Target};
use crate::server::{self, Reply, ServerOptions};
use crate::transport::UdsListener;
use crate::{Error, Vesicle};

/// A door that leads to a socket.
struct Door {
    address: RemoteAddress,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Door {
    fn open(mesh: &Mesh, socket: &Path) -> Door {
        let keys = mesh.issue("echo", false);
        let (listener, closing) = QuicListener::bind(
            ([127, 0, 0, 1], 0).into(),
            keys,
            RemoteLimits::DEFAULT,
            |_| (),
        )
        .unwrap();
        let address = RemoteAddress::parse(&listener.address().to_string()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let socket = socket.to_owned();
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            relay(
                listener,
                closing,
                &socket,
                shutdown,
                Duration::from_secs(10),
            )
            .await;
        });
        Door {
            address,
            stop: Some(stop),
            task,
        }
    }

    fn client(&self, mesh: &Mesh) -> Client {
        let keys = mesh.issue("caller", false);
        Client::new(Target::remote(self.address.clone(), keys, "echo", 7))
    }
}

/// A generation of a cell behind a socket.
struct Generation {
    echo: Arc<Echo>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Generation {
    fn start(socket: &Path, name: &'static str) -> Generation {
        let listener = UdsListener::bind(socket).unwrap();
        let echo = Arc::new(Echo::new(name));
        let (stop, stopped) = oneshot::channel::<()>();
        let service = Arc::clone(&echo) as Arc<dyn server::Service>;
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            server::run(listener, service, ServerOptions::default(), shutdown)
                .await
                .unwrap();
        });
        Generation { echo, stop, task }
    }
}

#[tokio::test]
async fn calls_of_any_size_pass_and_dropped_ones_end_at_the_cell() {
    let mesh = Mesh::new();
    let socket = mesh.path().join("echo.sock");
    let cell = Generation::start(&socket, "one");
    let door = Door::open(&mesh, &socket);
    let client = door.client(&mesh);
    let mut calls = JoinSet::new();
    for i in 0..400u32 {
        let client = client.clone();
        calls.spawn(async move { (i, call(&client, ECHO, &i.to_le_bytes()).await) });
    }
    while let Some(answer) = calls.join_next().await {
        let (i, answer) = answer.unwrap();
        assert_eq!(answer, Ok(Reply::Ok(Vesicle::wrap(i.to_le_bytes()))));
    }
    let large: Vec<u8> = (0..12u32 << 20).map(|i| (i % 251) as u8).collect();
    assert_eq!(
        call(&client, ECHO, &large).await,
        Ok(Reply::Ok(Vesicle::wrap(&large)))
    );

    let before = cell.echo.started();
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { call(&client, HANG, b"").await }
    });
    cell.echo.until_started(before + 1).await;
    hanging.abort();
    cell.echo.dropped.notified().await;
}

#[tokio::test]
async fn a_door_keeps_nothing_for_a_caller_that_ends_before_its_call_is_whole() {
    let mesh = Mesh::new();
    let socket = mesh.path().join("echo.sock");
    let _cell = Generation::start(&socket, "one");
    let door = Door::open(&mesh, &socket);
    let address = door.address.resolve().await.unwrap()[0];
    let (connection, _endpoint) = connect_plainly(&mesh, address).await;
    let hello = greeting();
    for len in [1, hello.len() - 1, hello.len()] {
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&hello[..len]).await.unwrap();
        send.finish().unwrap();
        assert!(recv.read_to_end(4096).await.is_ok(), "{len}");
    }
}

#[tokio::test]
async fn generations_change_behind_an_open_door() {
    let mesh = Mesh::new();
    let socket = mesh.path().join("echo.sock");
    let old = Generation::start(&socket, "old");
    let mut door = Door::open(&mesh, &socket);
    let client = door.client(&mesh);
    let in_flight = tokio::spawn({
        let client = client.clone();
        async move { call(&client, GATE, b"").await }
    });
    old.echo.until_started(1).await;
    old.stop.send(()).unwrap();
    std::fs::remove_file(&socket).unwrap();
    // Nobody serves now: it waits.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { call(&client, GATE, b"").await }
    });
    old.echo.gate.notify_one();
    let answer = |name| Ok(Reply::Ok(Vesicle::wrap(name)));
    assert_eq!(in_flight.await.unwrap(), answer("old"));
    old.task.await.unwrap();
    let new = Generation::start(&socket, "new");
    new.echo.gate.notify_one();
    assert_eq!(waiting.await.unwrap(), answer("new"));

    // The door itself lets the calls in flight finish, too.
    let last = tokio::spawn({
        let client = client.clone();
        async move { call(&client, GATE, b"").await }
    });
    new.echo.until_started(2).await;
    door.stop.take().unwrap().send(()).unwrap();
    new.echo.gate.notify_one();
    assert_eq!(last.await.unwrap(), answer("new"));
    door.task.await.unwrap();
    assert_eq!((old.echo.started(), new.echo.started()), (1, 2));
}

#[tokio::test]
async fn without_a_cell_calls_end_at_their_deadline_and_say_why() {
    let mesh = Mesh::new();
    let door = Door::open(&mesh, &mesh.path().join("nobody.sock"));
    let options = CallOptions {
        deadline: Some(Instant::now() + Duration::from_millis(200)),
        trace: None,
    };
    let client = door.client(&mesh);
    let late = client.call(ECHO, Vesicle::wrap(b""), options);
    assert!(matches!(
        late.await,
        Err(Error::DeadlineExceeded { .. } | Error::Unavailable { .. })
    ));
}
