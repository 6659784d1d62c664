//! A client that is given shared memory, and writes into it what it likes.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cell_sdk::protein::encode;
use cell_sdk::wire::{Frame, FrameDecoder, Hello, Kind, Limits, features, flags};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::attack::{connect, frame, request, send};
use crate::client::survives;
use crate::victim::fingerprint;

/// As `docs/protocol.md` has them.
const SEGMENT_BYTES: usize = 266_240;
pub(crate) const TO_CLIENT: usize = 1024;
const TO_SERVER: usize = 2048;
pub(crate) const TO_CLIENT_DATA: usize = 4096;
const TO_SERVER_DATA: usize = 135_168;
const WORD: usize = 128;
const SLOT: usize = 16;
pub(crate) const RING_BYTES: usize = 131_072;
const IN_SLOT: u64 = 1 << 62;
pub(crate) const MARK: u64 = 1 << 63;
const MAGIC: &[u8; 8] = b"CELLGAP3";

/// One side of a segment.
pub(crate) struct Shared {
    socket: UnixStream,
    base: *mut u8,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let base = std::ptr::NonNull::new(self.base.cast()).unwrap();
        // SAFETY: mapped by `take`, and not used any more.
        unsafe { munmap(base, SEGMENT_BYTES) }.unwrap();
    }
}

impl Shared {
    /// Makes calls until the cell offers its memory, and takes it.
    fn take(path: &Path) -> Shared {
        let mut socket = connect(path);
        let mut hello = Hello::new("prey", fingerprint(), "enemy");
        hello.features = features::GAP;
        send(&mut socket, &frame(Kind::Hello, 0, 0, &hello.encode()));
        let text = encode(&("x".to_owned(),)).unwrap();
        for id in 1..=8 {
            send(&mut socket, &request("echo", id, false, &text));
        }
        let descriptor = offered(&socket);
        let base = map(&descriptor);
        // Sealed: nobody can take the memory away under the cell.
        for len in [0, 4096, 1 << 30] {
            assert!(nix::unistd::ftruncate(&descriptor, len).is_err());
        }
        send(&mut socket, &frame(Kind::Gap, 0, 0, &[]));
        Shared { socket, base }
    }

    /// Makes a segment, as a cell does, and offers it.
    pub(crate) fn make(socket: &UnixStream) -> Shared {
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        let mut head = [0; 16];
        head[..8].copy_from_slice(MAGIC);
        head[8..].copy_from_slice(&(RING_BYTES as u64).to_le_bytes());
        let descriptor = memfd(&head, SEGMENT_BYTES, seals);
        let shared = Shared {
            socket: socket.try_clone().unwrap(),
            base: map(&descriptor),
        };
        shared.send_with(&frame(Kind::Gap, 0, 0, &[]), &descriptor);
        shared
    }

    pub(crate) fn word(&self, ring: usize, word: usize) -> &AtomicU64 {
        // SAFETY: inside the mapping, aligned, and only used as an atomic.
        unsafe { &*self.base.add(ring + word * WORD).cast() }
    }

    /// Writes bytes where the cell reads them, without saying so.
    pub(crate) fn put(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= SEGMENT_BYTES);
        // SAFETY: inside the mapping.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at), bytes.len()) };
    }

    /// Puts frames where the cell reads them first, and says so.
    fn say(&self, frames: &[u8]) {
        self.put(TO_SERVER_DATA, frames);
        let tail = self.word(TO_SERVER, 0);
        tail.store(frames.len() as u64, Ordering::SeqCst);
    }

    /// Rings, and sends a descriptor.
    fn ring_with(&self, descriptor: &OwnedFd) {
        self.send_with(&[1], descriptor);
    }

    fn send_with(&self, bytes: &[u8], descriptor: &OwnedFd) {
        let descriptors = [descriptor.as_raw_fd()];
        sendmsg::<()>(
            self.socket.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &[ControlMessage::ScmRights(&descriptors)],
            MsgFlags::empty(),
            None,
        )
        .unwrap();
    }

    /// Rings; whether anybody is there.
    fn ring(&mut self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        match self.socket.write_all(&[1]) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Rings until the cell has hung up.
    fn hangs_up(&mut self, why: &str) {
        let start = Instant::now();
        while self.ring() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the cell goes on: {why}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A mapping that whoever has it takes away again.
fn map(descriptor: &OwnedFd) -> *mut u8 {
    let size = NonZeroUsize::new(SEGMENT_BYTES).unwrap();
    let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let base = unsafe { mmap(None, size, rights, MapFlags::MAP_SHARED, descriptor, 0) };
    base.unwrap().as_ptr().cast()
}

/// Reads until the offer, and gives its descriptor.
fn offered(socket: &UnixStream) -> OwnedFd {
    let mut decoder = FrameDecoder::new(Limits::DEFAULT);
    let mut descriptor = None;
    loop {
        let mut buf = [0; 4096];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let mut parts = [IoSliceMut::new(&mut buf)];
        let flags = MsgFlags::empty();
        let message =
            recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).unwrap();
        let len = message.bytes;
        for part in message.cmsgs().unwrap() {
            if let ControlMessageOwned::ScmRights(numbers) = part {
                // SAFETY: just made by the kernel for this process.
                descriptor = Some(unsafe { OwnedFd::from_raw_fd(numbers[0]) });
            }
        }
        assert!(len > 0, "the cell hung up");
        let mut input = &buf[..len];
        while let Some(Frame { header, .. }) = decoder.next(&mut input).unwrap() {
            if header.kind == Kind::Gap {
                return descriptor.expect("the offer brings its memory");
            }
        }
    }
}

#[test]
fn indices_that_cannot_be() {
    survives(64, |path| {
        for (ring, word) in [(TO_SERVER, 0), (TO_CLIENT, 1)] {
            // A reader's index just behind the start only takes room away, as not reading does.
            for lie in [131_073, 1 << 20, 1 << 40, u64::MAX / 2] {
                let mut shared = Shared::take(path);
                shared.word(ring, word).store(lie, Ordering::SeqCst);
                if ring == TO_CLIENT {
                    // It is seen when the cell answers: as much as the ring has room for by what it saw before, and more.
                    let big = encode(&(50_000u32,)).unwrap();
                    let calls = (9..15).flat_map(|id| request("big", id, false, &big));
                    shared.say(&calls.collect::<Vec<u8>>());
                }
                shared.hangs_up(&format!("word {word} of {ring} is {lie:#x}"));
            }
        }
    });
}

#[test]
fn slots_that_cannot_be() {
    survives(64, |path| {
        for lie in [113, 1 << 20, 1 << 61] {
            let mut shared = Shared::take(path);
            shared.put(TO_SERVER + SLOT, &[0; 112]);
            let tail = shared.word(TO_SERVER, 0);
            tail.store(IN_SLOT | lie, Ordering::SeqCst);
            shared.hangs_up(&format!("{lie} bytes in a slot"));
        }
        let mut shared = Shared::take(path);
        shared.put(TO_SERVER + SLOT, &[0xff; 112]);
        shared
            .word(TO_SERVER, 0)
            .store(IN_SLOT | 112, Ordering::SeqCst);
        shared.hangs_up("no frame in the slot");

        // What lies there as it should is answered, whatever is said to have been read.
        let call = request("echo", 9, false, &encode(&("x".to_owned(),)).unwrap());
        for seen in [0, 1, 1 << 20, u64::MAX] {
            let mut shared = Shared::take(path);
            shared.put(TO_SERVER + 8, &seen.to_le_bytes());
            shared.put(TO_SERVER + SLOT, &call);
            let tail = IN_SLOT | call.len() as u64;
            shared.word(TO_SERVER, 0).store(tail, Ordering::SeqCst);
            let start = Instant::now();
            while shared.word(TO_CLIENT, 0).load(Ordering::SeqCst) & !MARK == 0 {
                assert!(shared.ring(), "the cell hung up: {seen} bytes were read");
                assert!(start.elapsed() < Duration::from_secs(30), "no answer");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
}

/// A call whose arguments are said to be in shared memory.
fn elsewhere(flag: u8, len: usize) -> Vec<u8> {
    let mut call = request("echo", 9, false, &[]);
    call[..4].copy_from_slice(&(len as u32).to_le_bytes());
    call[5] |= flag;
    call
}

fn memfd(bytes: &[u8], size: usize, seals: SealFlag) -> OwnedFd {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let fd = memfd_create(c"lie", flags).unwrap();
    nix::unistd::write(&fd, bytes).unwrap();
    nix::unistd::ftruncate(&fd, size as i64).unwrap();
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    fd
}

#[test]
fn large_messages_that_lie() {
    survives(64, |path| {
        let len = 5 << 20;
        let bytes = vec![1; len];
        let all = SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_SEAL;
        let ring = all - SealFlag::F_SEAL_WRITE;
        let bulk = 4096 + (4 << 20);
        let mut head = [0; 16];
        head[..8].copy_from_slice(MAGIC);
        head[8..].copy_from_slice(&(4u64 << 20).to_le_bytes());
        let cases: [(&str, u8, Option<OwnedFd>); 9] = [
            ("nothing came", flags::SEALED, None),
            ("no ring came", flags::BULK, None),
            (
                "it can change",
                flags::SEALED,
                Some(memfd(&bytes, len, ring)),
            ),
            (
                "it is short",
                flags::SEALED,
                Some(memfd(&bytes[1..], len - 1, all)),
            ),
            ("it has holes", flags::SEALED, Some(memfd(&[1], len, all))),
            (
                "it is no memfd",
                flags::SEALED,
                Some(File::open("/dev/zero").unwrap().into()),
            ),
            ("a small ring", flags::BULK, Some(memfd(&head, 4096, ring))),
            ("no ring's head", flags::BULK, Some(memfd(&[], bulk, ring))),
            ("an empty ring", flags::BULK, Some(memfd(&head, bulk, ring))),
        ];
        for (why, flag, descriptor) in cases {
            let mut shared = Shared::take(path);
            if let Some(descriptor) = &descriptor {
                shared.ring_with(descriptor);
            }
            shared.say(&elsewhere(flag, len));
            shared.hangs_up(why);
        }
        // Sealed as it should be, and no archive: the call fails, the connection goes on.
        let mut shared = Shared::take(path);
        shared.ring_with(&memfd(&bytes, len, all));
        shared.say(&elsewhere(flags::SEALED, len));
        for _ in 0..100 {
            assert!(shared.ring(), "the cell hung up");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(
            shared.word(TO_CLIENT, 0).load(Ordering::SeqCst) > 0,
            "it answered"
        );
    });
}

#[test]
fn bells_without_end_where_a_descriptor_is_looked_for() {
    survives(64, |path| {
        let mut shared = Shared::take(path);
        shared.say(&elsewhere(flags::SEALED, 5 << 20));
        // As fast as they are taken, until the cell has hung up.
        let wait = Some(Duration::from_secs(30));
        shared.socket.set_write_timeout(wait).unwrap();
        let error = loop {
            if let Err(error) = shared.socket.write_all(&[1; 64 << 10]) {
                break error;
            }
        };
        let hung_up = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(hung_up.contains(&error.kind()), "{error}");
    });
}

/// Descriptors that no frame asks for: a few are kept, the others closed.
#[test]
fn descriptors_without_end() {
    survives(64, |path| {
        let shared = Shared::take(path);
        let descriptor = memfd(&[1; 4096], 4096, SealFlag::F_SEAL_SEAL);
        shared.say(&request(
            "echo",
            9,
            false,
            &encode(&("x".to_owned(),)).unwrap(),
        ));
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            shared.ring_with(&descriptor);
        }
    });
}

#[test]
fn memory_that_changes_all_the_time() {
    survives(96, |path| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let text = encode(&("hello".to_owned(),)).unwrap();
        for _ in 0..40 {
            let mut shared = Shared::take(path);
            let call = request("echo", 9, false, &text);
            shared.put(TO_SERVER_DATA, &call);
            shared
                .word(TO_SERVER, 0)
                .store(call.len() as u64, Ordering::SeqCst);
            for _ in 0..20_000 {
                let random = next();
                match random % 4 {
                    // The frame under the reader's eyes, its length first of all.
                    0 => shared.put(
                        TO_SERVER_DATA + (random >> 8) as usize % call.len(),
                        &[random as u8],
                    ),
                    1 => {
                        let word = shared.word(TO_SERVER, (random >> 8) as usize % 5);
                        word.fetch_add(random >> 60, Ordering::SeqCst);
                    }
                    2 => {
                        let word = shared.word(TO_CLIENT, (random >> 8) as usize % 5);
                        word.fetch_add(random >> 60, Ordering::SeqCst);
                    }
                    _ if random >> 60 == 0 => {
                        shared.ring();
                    }
                    _ => {}
                }
            }
        }
    });
}

#[test]
fn answers_that_nobody_reads() {
    survives(160, |path| {
        let mut held = Vec::new();
        // The limit is one of a connection: 32 MiB, and what was being answered.
        for _ in 0..3 {
            let shared = Shared::take(path);
            let big = encode(&(4_000_000u32,)).unwrap();
            let calls: Vec<u8> = (9..200)
                .flat_map(|id| request("big", id, false, &big))
                .collect();
            shared.put(TO_SERVER_DATA, &calls);
            let tail = shared.word(TO_SERVER, 0);
            tail.store(calls.len() as u64, Ordering::SeqCst);
            held.push(shared);
        }
        for shared in &mut held {
            shared.ring();
        }
        std::thread::sleep(Duration::from_secs(2));
    });
}
