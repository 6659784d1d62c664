//! Hostile clients, and a friend of the cell who calls it all the time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cell_sdk::wire::{Kind, Status, StatusCode};

use crate::attack::{connect, deep, frame, hangs_up, hello, push, request, send, until};
use crate::victim::{Victim, route};

/// Lets `attack` do its worst. The friend's calls are answered before, during and after it, and the cell never has more
/// than `mebibytes` of memory.
pub(crate) fn survives(mebibytes: u64, attack: impl FnOnce(&Path)) {
    let mut victim = Victim::start();
    let client = victim.friend();
    let over = Arc::new(AtomicBool::new(false));
    let until_over = Arc::clone(&over);
    let (first, answered) = std::sync::mpsc::channel();
    let friend = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let text = ("hello".to_owned(),);
            loop {
                let last = until_over.load(Ordering::SeqCst);
                let answer: Result<String, _> = client.call(route("echo"), &text).await;
                assert_eq!(answer.as_deref(), Ok("hello"));
                let _ = first.send(());
                if last {
                    return;
                }
            }
        });
    });
    answered.recv().unwrap();
    attack(&victim.path());
    over.store(true, Ordering::SeqCst);
    friend.join().unwrap();
    let peak = victim.peak();
    println!("at most {peak} MiB");
    assert!(peak <= mebibytes, "{peak} MiB");
}

#[test]
fn bad_lengths() {
    survives(64, |path| {
        let ping = frame(Kind::Ping, 0, 0, &[]);
        let with = |at: usize, bytes: &[u8]| {
            let mut bad = ping.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            bad
        };
        for bad in [
            with(0, &u32::MAX.to_le_bytes()),
            with(0, &((16u32 << 20) + 1).to_le_bytes()),
            // An extension that is longer than its frame, and one of no multiple of 16.
            with(6, &u16::MAX.to_le_bytes()),
            with(0, &[9, 0, 0, 0, 8, 0, 9, 0]),
            with(4, &[0]),
            with(4, &[200]),
            vec![0xff; 4096],
        ] {
            for greeted in [false, true] {
                let mut socket = connect(path);
                if greeted {
                    push(&mut socket, &hello());
                }
                push(&mut socket, &bad);
                assert!(hangs_up(&mut socket), "{bad:?}");
            }
        }
    });
}

#[test]
fn much_is_announced_and_little_sent() {
    survives(128, |path| {
        let mut sockets = Vec::new();
        for _ in 0..300 {
            let mut socket = connect(path);
            push(&mut socket, &hello());
            let large = request("echo", 1, false, &vec![0; 16 << 20]);
            push(&mut socket, &large[..100]);
            sockets.push(socket);
        }
        // They have been read.
        for socket in &mut sockets {
            assert!(until(socket, |frame| frame.header.kind == Kind::HelloAck).is_some());
        }
    });
}

#[test]
fn deep_archives() {
    survives(64, |path| {
        let mut socket = connect(path);
        push(&mut socket, &hello());
        for (id, links) in (1..).zip([100, 127, 129, 1000, 100_000]) {
            send(&mut socket, &request("length", id, false, &deep(links)));
            let answer = until(&mut socket, |frame| frame.header.call_id == id).unwrap();
            if links < 128 {
                assert_eq!(answer.header.kind, Kind::Response, "{links}");
            } else {
                let status = Status::decode(&answer.payload).unwrap();
                assert_eq!(status.code, StatusCode::BadRequest, "{links}: {status}");
            }
        }
    });
}

#[test]
fn answers_that_nobody_reads() {
    // 32 MiB for each that wait, one answer more, and what is archived meanwhile.
    survives(320, |path| {
        let mut sockets = Vec::new();
        for _ in 0..4 {
            let mut socket = connect(path);
            push(&mut socket, &hello());
            let mebibyte = (1u32 << 20).to_le_bytes();
            for id in 1..=1000 {
                push(&mut socket, &request("big", id, false, &mebibyte));
            }
            sockets.push(socket);
        }
        // Pings are answered as well.
        let mut socket = connect(path);
        push(&mut socket, &hello());
        let pings = frame(Kind::Ping, 1, 0, &[]).repeat(1 << 16);
        let mut idle = 0;
        while idle < 1000 {
            idle = if push(&mut socket, &pings) > 0 {
                0
            } else {
                idle + 1
            };
            std::thread::yield_now();
        }
    });
}

#[test]
fn credit_abuse() {
    survives(256, |path| {
        // Endless credit for a stream that is not read.
        let mut endless = connect(path);
        push(&mut endless, &hello());
        for id in 1..=100 {
            push(&mut endless, &request("numbers", id, true, &[]));
            push(&mut endless, &frame(Kind::Credit, id, u64::MAX, &[]));
        }
        // Items before any credit; more items than credit; credit for no call.
        let items = |len: usize| frame(Kind::Items, 1, 0, &vec![0; len]);
        let mut early = connect(path);
        send(&mut early, &hello());
        send(&mut early, &request("ignores", 1, true, &[]));
        until(&mut early, |frame| frame.header.kind == Kind::Credit).unwrap();
        for len in [200 << 10, 100 << 10, 4] {
            send(&mut early, &items(len));
        }
        assert!(hangs_up(&mut early));
        let mut nobody = connect(path);
        send(&mut nobody, &hello());
        send(&mut nobody, &frame(Kind::Credit, 7, 1, &[]));
        assert!(hangs_up(&mut nobody));
        // All that is granted, to handlers that take nothing.
        let mut heavy = connect(path);
        send(&mut heavy, &hello());
        for id in 1..=400 {
            send(&mut heavy, &request("ignores", id, true, &[]));
            until(&mut heavy, |frame| frame.header.call_id == id).unwrap();
            send(&mut heavy, &frame(Kind::Items, id, 0, &vec![0; 200 << 10]));
        }
    });
}

#[test]
fn items_of_a_wrong_type() {
    survives(64, |path| {
        let mut socket = connect(path);
        push(&mut socket, &hello());
        push(&mut socket, &request("sum", 1, true, &[]));
        until(&mut socket, |frame| frame.header.kind == Kind::Credit).unwrap();
        // A vector that begins outside of the archive, and one of four billion numbers.
        push(&mut socket, &frame(Kind::Items, 1, 0, &[0xff; 8]));
        let end = until(&mut socket, |frame| frame.header.kind == Kind::Status).unwrap();
        let status = Status::decode(&end.payload).unwrap();
        assert_eq!(status.code, StatusCode::BadRequest, "{status}");
    });
}

#[test]
fn many_connections() {
    survives(384, |path| {
        let mut sockets = Vec::new();
        // Twice as many as a cell takes, of which every other one says who it is. What it does not take waits in the backlog.
        for number in 0..2048 {
            let Ok(mut socket) = std::os::unix::net::UnixStream::connect(path) else {
                break;
            };
            if number % 2 == 0 {
                push(&mut socket, &hello());
            }
            sockets.push(socket);
        }
    });
}

#[test]
fn more_calls_than_a_cell_takes() {
    survives(128, |path| {
        let mut sockets: Vec<_> = (0..8).map(|_| connect(path)).collect();
        for socket in &mut sockets {
            push(socket, &hello());
            for id in 1..=1025 {
                send(socket, &request("waits", id, false, &[]));
            }
            let refused = until(socket, |frame| frame.header.call_id == 1025).unwrap();
            let status = Status::decode(&refused.payload).unwrap();
            assert_eq!(status.code, StatusCode::Overloaded, "{status}");
        }
    });
}
