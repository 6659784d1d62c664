//! Hostile servers, and a client that must come out of it with an error in time.

use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use cell_sdk::__private::client::TypedClient;
use cell_sdk::cell::{Stream, Streaming};
use cell_sdk::wire::Kind;
use cell_sdk::{Error, cell};

use crate::attack::{ack, deep, frame, send, until};
use crate::victim::{fingerprint, peak, prey::Chain, route};

/// Something that looks like the cell: `behave` has each connection after its first request.
struct Enemy {
    folder: tempfile::TempDir,
}

impl Enemy {
    fn start(behave: impl Fn(UnixStream) + Send + 'static) -> Enemy {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("prey.sock")).unwrap();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                if until(&mut socket, |frame| frame.header.kind == Kind::Request).is_some() {
                    behave(socket);
                }
            }
        });
        Enemy { folder }
    }

    /// A client that believes in it for a second.
    fn client(&self) -> TypedClient {
        let path = self.folder.path().join("prey.sock");
        let client = TypedClient::at(&path.display().to_string(), "prey", fingerprint()).unwrap();
        client.deadline(Duration::from_secs(1))
    }

    async fn call<T: cell::Protein>(&self, name: &str) -> Result<T, Error> {
        self.client().call(route(name), &()).await
    }
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    let bad_length = {
        let mut bytes = frame(Kind::Response, 1, 0, &[]);
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        bytes
    };
    for bytes in [
        vec![0xff; 64],
        [ack(), vec![0; 32]].concat(),
        [ack(), bad_length].concat(),
        [ack(), frame(Kind::Request, 1, 0, &[])].concat(),
        [ack(), frame(Kind::Status, 1, 0, &[1])].concat(),
        [ack(), frame(Kind::Items, 1, 0, &[0; 8])].concat(),
        [ack(), frame(Kind::Credit, 9, 1, &[])].concat(),
        [ack(), ack()].concat(),
        frame(Kind::Response, 1, 0, &[]),
    ] {
        let enemy = Enemy::start(move |mut socket| send(&mut socket, &bytes));
        let error = enemy.call::<String>("echo").await.unwrap_err();
        let told = matches!(
            error,
            Error::Unavailable { .. } | Error::DeadlineExceeded { .. }
        );
        assert!(told, "{error}");
    }
}

#[tokio::test]
async fn deep_and_wrong_archives() {
    for archive in [deep(100_000), deep(129), vec![0xff; 8], vec![]] {
        let answer = [ack(), frame(Kind::Response, 1, 0, &archive)].concat();
        let enemy = Enemy::start(move |mut socket| send(&mut socket, &answer));
        let error = enemy.call::<Chain>("length").await.unwrap_err();
        assert!(matches!(error, Error::Codec(_)), "{error}");
    }
}

#[tokio::test]
async fn silence_and_endless_talk_end_at_the_deadline() {
    // It says nothing, hangs up again and again, or answers other calls for as long as anybody listens.
    let silent = Enemy::start(std::mem::forget);
    let flighty = Enemy::start(drop);
    let talkative = Enemy::start(|mut socket| {
        std::thread::spawn(move || {
            send(&mut socket, &ack());
            let talk = frame(Kind::Pong, 1, 0, &[]).repeat(1 << 14);
            while socket.write_all(&talk).is_ok() {}
        });
    });
    for enemy in [silent, flighty, talkative] {
        let error = enemy.call::<String>("echo").await.unwrap_err();
        let told = matches!(
            error,
            Error::Unavailable { .. } | Error::DeadlineExceeded { .. }
        );
        assert!(told, "{error}");
    }
}

#[tokio::test]
async fn pings_whose_answers_nobody_reads_end_the_connection() {
    let enemy = Enemy::start(|mut socket| {
        std::thread::spawn(move || {
            send(&mut socket, &ack());
            let pings = frame(Kind::Ping, 1, 0, &[]).repeat(1 << 14);
            while socket.write_all(&pings).is_ok() {}
        });
    });
    let client = enemy.client().deadline(Duration::from_secs(600));
    let error = client.call::<(), String>(route("echo"), &()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("pings whose answers"), "{error}");
}

#[tokio::test]
async fn more_items_than_were_granted_end_the_connection() {
    let enemy = Enemy::start(|mut socket| {
        send(&mut socket, &ack());
        send(&mut socket, &frame(Kind::Credit, 1, 1, &[]));
        let items = frame(Kind::Items, 1, 0, &vec![0; 64 << 10]);
        for _ in 0..1000 {
            send(&mut socket, &items);
        }
    });
    let mut numbers: Streaming<u32> = enemy.client().receive(route("numbers"), &()).await.unwrap();
    let error = loop {
        match numbers.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    let error = error.expect("an error").unwrap_err().to_string();
    assert!(!error.is_empty());
}

#[tokio::test]
async fn endless_credit_for_what_is_not_read_fills_no_memory() {
    let enemy = Enemy::start(|mut socket| {
        send(&mut socket, &ack());
        for _ in 0..100 {
            send(&mut socket, &frame(Kind::Credit, 1, u64::MAX, &[]));
        }
        std::mem::forget(socket);
    });
    let before = peak(std::process::id());
    let numbers = Stream::iter(0..u32::MAX);
    let client = enemy.client();
    let sum: Result<u64, Error> = client.collect(route("sum"), &(), numbers).await;
    assert!(
        matches!(sum, Err(Error::DeadlineExceeded { .. })),
        "{sum:?}"
    );
    // Others of these tests run in this process at the same time, and deep archives take a stack.
    let grown = peak(std::process::id()) - before;
    assert!(grown < 512, "{grown} MiB");
}
