#![expect(clippy::disallowed_methods, reason = "a deadline is a time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::mesh::{ECHO, GATE, HANG, Mesh, Running, asks, call, connect_plainly, greeting};
use crate::client::{CallOptions, Client, Target};
use crate::remote::{QuicListener, RemoteAddress, RemoteLimits};
use crate::server::Reply;
use crate::transport::{Listener, Stream, Writer};
use crate::{Error, Vesicle};

#[tokio::test]
async fn calls_of_any_size_share_a_connection() {
    let mesh = Mesh::new();
    let server = Running::start(mesh.issue("echo", false), 0, "one");
    let client = server.client(&mesh.issue("caller", false), "echo");
    let mut calls = JoinSet::new();
    // More at once than the connection may have streams: the rest waits for its turn.
    for i in 0..400u32 {
        let client = client.clone();
        calls.spawn(async move { (i, call(&client, ECHO, &i.to_le_bytes()).await) });
    }
    while let Some(answer) = calls.join_next().await {
        let (i, answer) = answer.unwrap();
        assert_eq!(answer, Ok(Reply::Ok(Vesicle::wrap(i.to_le_bytes()))));
    }
    // Larger than what may wait unread on a stream, and on a connection.
    let large: Vec<u8> = (0..12u32 << 20).map(|i| (i % 251) as u8).collect();
    assert_eq!(
        call(&client, ECHO, &large).await,
        Ok(Reply::Ok(Vesicle::wrap(&large)))
    );
}

#[tokio::test]
async fn dropped_and_late_calls_stop_their_handlers() {
    let mesh = Mesh::new();
    let server = Running::start(mesh.issue("echo", false), 0, "one");
    let client = server.client(&mesh.issue("caller", false), "echo");
    let task = tokio::spawn({
        let client = client.clone();
        async move { call(&client, HANG, b"").await }
    });
    server.until_started(1).await;
    task.abort();
    server.echo.dropped.notified().await;

    let options = CallOptions {
        deadline: Some(Instant::now() + Duration::from_millis(50)),
        trace: None,
    };
    let late = client.call(HANG, Vesicle::wrap(b""), options).await;
    assert_eq!(
        late,
        Err(Error::DeadlineExceeded {
            cell: "echo".into()
        })
    );
    server.echo.dropped.notified().await;
    assert!(call(&client, ECHO, b"x").await.is_ok());
}

#[tokio::test]
async fn draining_finishes_what_runs_and_sends_the_rest_to_the_successor() {
    let mesh = Mesh::new();
    let mut old = Running::start(mesh.issue("echo", false), 0, "old");
    let client = old.client(&mesh.issue("caller", false), "echo");
    let in_flight = tokio::spawn({
        let client = client.clone();
        async move { call(&client, GATE, b"").await }
    });
    old.until_started(1).await;
    old.stop();
    // It waits: the port is not free before the old one has answered.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { call(&client, GATE, b"").await }
    });
    old.echo.gate.notify_one();
    assert_eq!(
        in_flight.await.unwrap(),
        Ok(Reply::Ok(Vesicle::wrap("old")))
    );
    old.server.await.unwrap();
    let new = Running::start(mesh.keys("echo"), old.address.port(), "new");
    new.echo.gate.notify_one();
    assert_eq!(waiting.await.unwrap(), Ok(Reply::Ok(Vesicle::wrap("new"))));
}

/// `CELL_TEST_DRAINS` says how many; a drain that is not over within its limit cuts calls off, which are lost then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drains_with_calls_in_flight_lose_none_of_them() {
    const IN_FLIGHT: usize = 8;
    let drains = std::env::var("CELL_TEST_DRAINS").map_or(20, |text| text.parse().unwrap());
    let mesh = Mesh::new();
    let (keys, caller) = (mesh.issue("echo", false), mesh.issue("caller", false));
    for drain in 0..drains {
        let mut server = Running::start(keys.clone(), 0, "one");
        let client = server.client(&caller, "echo");
        let mut calls = JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let client = client.clone();
            calls.spawn(async move { call(&client, GATE, b"").await });
        }
        server.until_started(IN_FLIGHT).await;
        server.stop();
        let gate = std::sync::Arc::clone(&server.echo.gate);
        let mut answered = 0;
        gate.notify_one();
        while let Some(answer) = calls.join_next().await {
            let answer = answer.unwrap();
            assert_eq!(answer, Ok(Reply::Ok(Vesicle::wrap("one"))), "drain {drain}");
            answered += 1;
            gate.notify_one();
        }
        assert_eq!(answered, IN_FLIGHT);
        server.server.await.unwrap();
    }
    println!(
        "{drains} drains, {} calls in flight, 0 lost",
        drains * IN_FLIGHT
    );
}

#[tokio::test]
async fn a_server_that_was_killed_and_started_again_is_found_at_once() {
    let mesh = Mesh::new();
    let keys = mesh.issue("echo", false);
    // Its runtime dies with everything in it, without a goodbye.
    let (tell, told) = std::sync::mpsc::channel();
    let first = std::thread::spawn({
        let keys = keys.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            let server = runtime.block_on(async { Running::start(keys, 0, "first") });
            let (end, ended) = std::sync::mpsc::channel::<()>();
            tell.send((server.address, end)).unwrap();
            let _ = ended.recv();
            std::mem::forget(server);
            runtime.shutdown_background();
        }
    });
    let (address, end) = told.recv().unwrap();
    let target = super::super::RemoteAddress::parse(&address.to_string()).unwrap();
    let caller = mesh.issue("caller", false);
    let client =
        crate::client::Client::new(crate::client::Target::remote(target, caller, "echo", 7));
    assert!(call(&client, ECHO, b"x").await.is_ok());
    end.send(()).unwrap();
    first.join().unwrap();
    let second = loop {
        match std::net::UdpSocket::bind(address) {
            Ok(socket) => {
                drop(socket);
                break Running::start(keys.clone(), address.port(), "second");
            }
            Err(_) => tokio::task::yield_now().await,
        }
    };
    // The first call may be lost with the old connection, which the new server does not know.
    let _ = call(&client, ECHO, b"x").await;
    second.echo.gate.notify_one();
    assert_eq!(
        call(&client, GATE, b"").await,
        Ok(Reply::Ok(Vesicle::wrap("second")))
    );
}

#[tokio::test]
async fn a_stale_client_is_refused_in_the_words_of_every_transport() {
    let mesh = Mesh::new();
    let server = Running::start(mesh.issue("echo", false), 0, "one");
    let address = super::super::RemoteAddress::parse(&server.address.to_string()).unwrap();
    let target = crate::client::Target::remote(address, mesh.issue("caller", false), "echo", 8);
    let error = call(&crate::client::Client::new(target), ECHO, b"")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), crate::wire::drift_message("echo", 8, 7));
}

/// A server that has read a call and goes without a word about it: it may have started it. One that says that it drains has not.
#[tokio::test]
async fn a_call_that_may_have_started_is_not_made_again() {
    let mesh = Mesh::new();
    let keys = mesh.issue("echo", false);
    for (code, again) in [(0, false), (9, false), (1, true)] {
        let config = keys.load().unwrap().server(&RemoteLimits::DEFAULT).unwrap();
        let endpoint = quinn::Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap();
        let address = RemoteAddress::parse(&endpoint.local_addr().unwrap().to_string()).unwrap();
        let target = Target::remote(address, mesh.issue("caller", false), "echo", 7);
        let client = Client::new(target);
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let server = tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let connection = incoming.await.unwrap();
                let Ok((_send, mut recv)) = connection.accept_bi().await else {
                    continue;
                };
                // HELLO and the whole REQUEST.
                let mut bytes = Vec::new();
                while !bytes.windows(6).any(|part| part == b"please") {
                    let chunk = recv.read_chunk(4096, true).await.unwrap().unwrap();
                    bytes.extend_from_slice(&chunk.bytes);
                }
                count.fetch_add(1, Ordering::SeqCst);
                connection.close(quinn::VarInt::from_u32(code), b"");
            }
        });
        let options = CallOptions {
            deadline: Some(Instant::now() + Duration::from_millis(1500)),
            trace: None,
        };
        let outcome = client.call(ECHO, Vesicle::wrap(b"please"), options).await;
        if again {
            assert!(seen.load(Ordering::SeqCst) > 1, "{outcome:?}");
        } else {
            assert!(
                matches!(outcome, Err(Error::Unavailable { .. })),
                "{outcome:?}"
            );
            assert_eq!(seen.load(Ordering::SeqCst), 1);
        }
        server.abort();
    }
}

/// A client that is stopped has not acknowledged what was written to it when the server's time is over: what it does not know
/// of may have been started.
#[tokio::test]
async fn a_server_whose_time_is_over_does_not_say_that_nothing_was_started() {
    let mesh = Mesh::new();
    let limits = RemoteLimits::DEFAULT;
    for (stops, code) in [(false, 1u32), (true, 2)] {
        let keys = mesh.issue("echo", false);
        let at = ([127, 0, 0, 1], 0).into();
        let (listener, closing) = QuicListener::bind(at, keys, limits, |_| {}).unwrap();
        let address = listener.address();
        let identity = mesh.issue("caller", false).load().unwrap();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let (stopped, stands) = tokio::sync::oneshot::channel();
        // A runtime of its own, which stands still while its thread does.
        let client = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let (connection, _recv) = runtime.block_on(async {
                let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
                endpoint.set_default_client_config(identity.client(&limits).unwrap());
                let connection = endpoint.connect(address, "echo").unwrap().await.unwrap();
                let (mut send, recv) = connection.open_bi().await.unwrap();
                send.write_all(b"hello").await.unwrap();
                // Until the server has it, which opens nothing on its side.
                let _ = send.finish();
                let _ = send.stopped().await;
                (connection, recv)
            });
            stopped.send(()).unwrap();
            if stops {
                wait.recv().unwrap();
            }
            runtime.block_on(connection.closed())
        });
        let (mut reader, writer) = listener.accept().await.unwrap().split();
        let mut hello = Vec::new();
        reader.read_to_end(&mut hello).await.unwrap();
        stands.await.unwrap();
        assert_eq!(writer.try_write(b"answer").unwrap(), 6);
        drop((reader, writer, listener));
        closing.finish(Duration::from_millis(500)).await;
        if stops {
            go_on.send(()).unwrap();
        }
        let error = client.join().unwrap();
        let closed = matches!(&error, quinn::ConnectionError::ApplicationClosed(close)
            if close.error_code == quinn::VarInt::from_u32(code));
        assert!(closed, "{error}, not {code}");
    }
}

/// As clients do that keep their half open until they have the answer: what they cancel, they say in a frame.
#[tokio::test]
async fn a_client_may_end_its_half_when_it_likes() {
    let mesh = Mesh::new();
    let server = Running::start(mesh.issue("echo", false), 0, "one");
    let (connection, _endpoint) = connect_plainly(&mesh, server.address).await;
    let open = |route, end: bool| {
        let connection = connection.clone();
        async move {
            let (state, bytes) = asks(route);
            let (mut send, recv) = connection.open_bi().await.unwrap();
            // In pieces: what has not come cannot be answered at once.
            for piece in bytes.chunks(20) {
                send.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            if end {
                send.finish().unwrap();
            }
            (state, send, recv)
        }
    };
    let (mut state, mut send, mut recv) = open(HANG, false).await;
    server.until_started(1).await;
    state.cancel(1);
    send.write_all(state.out().pending()).await.unwrap();
    server.echo.dropped.notified().await;
    let end = recv.read_to_end(4096).await;
    assert!(end.is_ok(), "{end:?}");
    // Ending the half cancels nothing; dropping the rest of the stream does.
    let (_, send, recv) = open(HANG, true).await;
    server.until_started(2).await;
    drop(send);
    let mut dropped = std::pin::pin!(server.echo.dropped.notified());
    let early = tokio::time::timeout(Duration::from_millis(50), dropped.as_mut()).await;
    assert!(early.is_err(), "it was cancelled");
    drop(recv);
    dropped.await;
    for end in [false, true] {
        let (mut state, mut send, mut recv) = open(ECHO, end).await;
        let answer = recv.read_to_end(4096).await.unwrap();
        let mut events = Vec::new();
        state.receive(&answer, &mut events).unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        let _ = send.finish();
    }
}

/// Who says hello, or half of what it wants, and ends its half, is owed nothing.
#[tokio::test]
async fn a_client_that_ends_before_its_call_is_whole_is_not_kept() {
    let mesh = Mesh::new();
    let server = Running::start(mesh.issue("echo", false), 0, "one");
    let (connection, _endpoint) = connect_plainly(&mesh, server.address).await;
    let (_, bytes) = asks(HANG);
    let hello = greeting().len();
    for len in [1, hello, hello + 1, bytes.len() - 1] {
        for late in [false, true] {
            let (mut send, mut recv) = connection.open_bi().await.unwrap();
            send.write_all(&bytes[..len]).await.unwrap();
            if late {
                // The server has read what there is.
                let client = server.client(&mesh.keys("caller"), "echo");
                assert!(call(&client, ECHO, b"x").await.is_ok());
            }
            send.finish().unwrap();
            // The rest of the test would time out.
            assert!(recv.read_to_end(4096).await.is_ok(), "{len} {late}");
        }
    }
}

/// Nor do calls that were given up take the place of others, however many hang.
#[tokio::test]
async fn the_places_of_cancelled_calls_are_free_at_once() {
    const HANGING: usize = 200;
    let mesh = Mesh::new();
    let server = Running::start(mesh.issue("echo", false), 0, "one");
    let client = server.client(&mesh.issue("caller", false), "echo");
    let mut hanging = JoinSet::new();
    for _ in 0..HANGING {
        let client = client.clone();
        hanging.spawn(async move { call(&client, HANG, b"").await });
    }
    server.until_started(HANGING).await;
    for cancelled in 1..=300 {
        let client = client.clone();
        let task = tokio::spawn(async move { call(&client, HANG, b"").await });
        server.until_started(HANGING + cancelled).await;
        task.abort();
    }
    assert!(call(&client, ECHO, b"x").await.is_ok());
}
