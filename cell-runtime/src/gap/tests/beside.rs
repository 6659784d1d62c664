//! Large messages beside the ring of frames, between two links of one process.

use std::os::fd::OwnedFd;
use std::sync::Weak;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::link::moved;
use crate::beside::Place;
use crate::gap::sealed::{Sealed, seal};
use crate::gap::segment::Direction;

const MIB: usize = 1 << 20;

fn message(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| seed.wrapping_add(at as u8)).collect()
}

#[tokio::test]
async fn large_messages_arrive_in_order_whichever_way_they_go() {
    let (client, server) = moved().await;
    let (client, server) = (&client.1.0, &server.1.0);
    for (from, to) in [(client, server), (server, client)] {
        let mut sent = Vec::new();
        let sizes = [
            (65_537, Place::Bulk),
            (5 * MIB, Place::Sealed),
            (MIB, Place::Bulk),
            (4 * MIB + 1, Place::Sealed),
        ];
        for (seed, (len, place)) in (0u8..).zip(sizes) {
            let bytes = message(seed, len);
            assert_eq!(from.put_beside(&bytes), Some(place), "{len}");
            sent.push((place, bytes));
        }
        for (place, bytes) in sent {
            let taken = to.take_beside(place, bytes.len()).unwrap();
            assert!(*taken == *bytes, "{}", bytes.len());
            assert_eq!(taken.as_ptr().addr() % 16, 0);
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_beside_goes_with_its_frame() {
    let (client, server) = moved().await;
    let (client, server) = (&client.1.0, &server.1.0);
    let mib = message(1, MIB);
    // The ring holds four, and no part of a fifth.
    for _ in 0..4 {
        assert_eq!(client.put_beside(&mib), Some(Place::Bulk));
    }
    assert_eq!(client.put_beside(&mib), None);
    server.take_beside(Place::Bulk, MIB).unwrap();
    assert_eq!(client.put_beside(&mib), Some(Place::Bulk));
    // 64 MiB of sealed messages are lent, until they are let go of.
    let large = message(2, 16 * MIB);
    let mut held = Vec::new();
    for _ in 0..4 {
        assert_eq!(client.put_beside(&large), Some(Place::Sealed));
        held.push(server.take_beside(Place::Sealed, large.len()).unwrap());
    }
    assert_eq!(client.put_beside(&large), None);
    let shared = held[0].clone();
    drop(held.remove(0));
    assert_eq!(client.put_beside(&large), None);
    drop(shared);
    assert_eq!(client.put_beside(&large), Some(Place::Sealed));
    // What is held outlives the connection.
    server.release();
    assert!(held.iter().all(|kept| **kept == *large));
    assert_eq!(client.put_beside(&mib[..70_000]), None);
    assert!(server.take_beside(Place::Bulk, MIB).is_err());
}

#[tokio::test]
async fn descriptors_that_nobody_reads_are_few() {
    let (client, server) = moved().await;
    let large = message(3, 4 * MIB + 1);
    let mut sent = 0;
    while client.1.0.put_beside(&large).is_some() {
        sent += 1;
    }
    // 64 MiB hold 15; the socket, less.
    assert!((1..=15).contains(&sent), "{sent}");
    for _ in 0..sent {
        server
            .1
            .0
            .take_beside(Place::Sealed, large.len())
            .map(drop)
            .unwrap();
    }
    assert_eq!(client.1.0.put_beside(&large), Some(Place::Sealed));
}

#[tokio::test]
async fn messages_that_are_not_there_end_the_connection() {
    let (client, server) = moved().await;
    let (client, server) = (&client.1.0, &server.1.0);
    for place in [Place::Bulk, Place::Sealed] {
        let why = server.take_beside(place, MIB).unwrap_err();
        assert!(why.contains("did not come"), "{why}");
    }
    assert_eq!(client.put_beside(&message(1, 70_000)), Some(Place::Bulk));
    let why = server.take_beside(Place::Bulk, 80_000).unwrap_err();
    assert!(why.contains("holds 70000"), "{why}");
    // A sealed message's descriptor is no ring's.
    let (other, peer) = moved().await;
    other.1.0.put_beside(&message(1, 5 * MIB)).unwrap();
    let why = peer.1.0.take_beside(Place::Bulk, 5 * MIB).unwrap_err();
    assert!(why.contains("another size"), "{why}");
}

/// What must not be read in place.
#[test]
fn messages_that_can_still_change_are_refused() {
    let take = |fd: &OwnedFd, len| Sealed::take(fd, len, Weak::new(), Direction::ToClient);
    let good = seal(&message(7, 10_000)).unwrap();
    assert_eq!(*take(&good, 10_000).unwrap(), *message(7, 10_000));
    assert!(nix::unistd::write(&good, b"changed").is_err());
    assert!(nix::unistd::ftruncate(&good, 0).is_err());
    let all = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    let memfd = |bytes: &[u8], size: i64, seals: SealFlag| {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(c"test", flags).unwrap();
        nix::unistd::write(&fd, bytes).unwrap();
        nix::unistd::ftruncate(&fd, size).unwrap();
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
        fd
    };
    let every = all | SealFlag::F_SEAL_SEAL;
    let whole = [1; 8192];
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    let cases: [(OwnedFd, &str); 8] = [
        (
            memfd(&whole, 8192, SealFlag::empty()),
            "can still be changed",
        ),
        (
            memfd(&whole, 8192, every - SealFlag::F_SEAL_WRITE),
            "can still be changed",
        ),
        (
            memfd(&whole, 8192, every - SealFlag::F_SEAL_SHRINK),
            "can still be changed",
        ),
        (memfd(&whole, 4096, every), "another size"),
        (memfd(&whole, 12_288, every), "another size"),
        (memfd(&whole[..100], 8192, every), "has holes"),
        (
            tempfile::tempfile().unwrap().into(),
            "no memfd of plain pages",
        ),
        (reader, "no memfd of plain pages"),
    ];
    for (fd, why) in cases {
        let error = take(&fd, 8192).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
}
