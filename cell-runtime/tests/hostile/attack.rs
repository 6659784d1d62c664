//! Frames by hand, and a socket to put them on.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use cell_sdk::protein::encode;
use cell_sdk::wire::{
    Frame, FrameDecoder, Header, Hello, HelloAck, Kind, Limits, PROTOCOL_VERSION, encode_frame,
    flags,
};

use crate::victim::{fingerprint, prey::Chain, route};

pub(crate) fn hello() -> Vec<u8> {
    let hello = Hello::new("prey", fingerprint(), "enemy");
    frame(Kind::Hello, 0, 0, &hello.encode())
}

/// What a server says first.
pub(crate) fn ack() -> Vec<u8> {
    let ack = HelloAck {
        version: PROTOCOL_VERSION,
        features: 0,
        fingerprint: fingerprint(),
        cell: "prey".to_owned(),
        refusal: None,
    };
    frame(Kind::HelloAck, 0, 0, &ack.encode())
}

pub(crate) fn frame(kind: Kind, id: u64, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut header = Header::new(kind, id, 0);
    header.deadline_us = number;
    let mut bytes = Vec::new();
    encode_frame(header, &[], payload, &mut bytes);
    bytes
}

pub(crate) fn request(name: &str, id: u64, streams: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = Header::new(Kind::Request, id, 0);
    header.route = route(name);
    header.flags = if streams { flags::STREAM } else { 0 };
    let mut bytes = Vec::new();
    encode_frame(header, &[], payload, &mut bytes);
    bytes
}

/// The archive of a chain of so many links. Whoever reads it without a limit runs out of stack.
pub(crate) fn deep(links: u32) -> Vec<u8> {
    // To write it and to drop it takes a stack as well.
    let write = move || {
        let mut chain = Chain {
            head: 0,
            tail: None,
        };
        for head in 1..links {
            let tail = Some(Box::new(chain));
            chain = Chain { head, tail };
        }
        encode(&(chain,)).unwrap().to_vec()
    };
    let thread = std::thread::Builder::new().stack_size(1 << 30);
    thread.spawn(write).unwrap().join().unwrap()
}

pub(crate) fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

/// Writes as much as the other side takes; how much that was.
pub(crate) fn push(socket: &mut UnixStream, bytes: &[u8]) -> usize {
    socket.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while sent < bytes.len() {
        match socket.write(&bytes[sent..]) {
            Ok(len) => sent += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => break,
        }
    }
    sent
}

/// Writes all of it, or what is taken before the other side hangs up.
pub(crate) fn send(socket: &mut UnixStream, bytes: &[u8]) {
    socket.set_nonblocking(false).unwrap();
    let _ = socket.write_all(bytes);
}

/// Reads frames until one is wanted; nothing where the other side hangs up before.
pub(crate) fn until(socket: &mut UnixStream, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
    socket.set_nonblocking(false).unwrap();
    let mut decoder = FrameDecoder::new(Limits::DEFAULT);
    let mut buf = vec![0; 64 << 10];
    loop {
        let len = match socket.read(&mut buf) {
            Ok(0) | Err(_) => return None,
            Ok(len) => len,
        };
        let mut bytes = &buf[..len];
        while let Some(frame) = decoder.next(&mut bytes).unwrap() {
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }
}

/// Whether the other side hangs up.
pub(crate) fn hangs_up(socket: &mut UnixStream) -> bool {
    until(socket, |_| false).is_none()
}
