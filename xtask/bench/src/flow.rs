//! One-way streams and large messages, each item of which is really transferred and added up at the other side.

use std::hint::black_box;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::calls::{CELL, GAP};
use crate::measure::{Settings, median};
use crate::server::Server;
use crate::{Payload, pin, runtime, tarpc_rpc};
pub use flow::{Client, Entity, Item};

cell_sdk::cell::client!("flow");

pub const SINK: &str = "raw sink";
const MIB: usize = 1 << 20;
/// Items of a stream in a round.
const ITEMS: u64 = 1 << 20;
/// Calls of tarpc in a round.
const CALLS: u64 = 1 << 15;
/// Calls of tarpc at a time.
const IN_FLIGHT: u64 = 64;

/// Connects to the cell.
pub async fn connect(server: &Server) -> Result<Client> {
    Ok(flow::connect(&server.place.to_string_lossy()).await?)
}

/// The cell, over the socket and, where the runtime can, through shared memory.
pub async fn cells(folder: &Path, cpu: usize) -> Result<Vec<(&'static str, Server, Client)>> {
    let mut cells = Vec::new();
    for (kind, env) in [(CELL, &[("CELL_GAP", "off")][..]), (GAP, &[])] {
        let server = Server::cell("flow", folder, cpu, env)?;
        let client = connect(&server).await?;
        for _ in 0..100 {
            client.weigh(vec![1]).await?;
        }
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid()))?;
        if kind == CELL || maps.contains("/memfd:") {
            cells.push((kind, server, client));
        }
    }
    Ok(cells)
}

/// Figures of a row, one a round.
struct Row {
    name: String,
    rates: Vec<f64>,
}

/// Adds a round's figure to a row.
fn note(rows: &mut Vec<Row>, name: &str, rate: f64) {
    match rows.iter_mut().find(|row| row.name == name) {
        Some(row) => row.rates.push(rate),
        None => rows.push(Row {
            name: name.to_owned(),
            rates: vec![rate],
        }),
    }
}

fn print(rows: &[Row], unit: &str, of: &str) {
    let rate = |row: &Row| median(&row.rates).unwrap_or_default();
    let base = rows.iter().find(|row| row.name == of).map_or(1.0, rate);
    println!("{:<28} {unit:>14} {:>22}", "", format!("x {of}"));
    for row in rows {
        println!(
            "{:<28} {:>14.2} {:>22.3}",
            row.name,
            rate(row),
            rate(row) / base
        );
    }
    println!();
}

/// An item of a number.
pub fn words(number: u64) -> Payload {
    std::array::from_fn(|word| number.wrapping_mul(word as u64 * 2 + 1))
}

/// The sum of the words of so many items.
fn sum_of(count: u64) -> u64 {
    (0..count)
        .flat_map(words)
        .fold(0, |sum, word| sum.wrapping_add(word))
}

/// One-way streams, the sides on a core each.
pub fn streams(settings: &Settings, folder: &Path) -> Result<()> {
    let (near, far) = pin::apart()?;
    println!(
        "one way, 64-byte items, each added up at the other side; million items/s, a core each"
    );
    pin::to_core(near)?;
    let tarpc = Server::start("tarpc 0.38", folder, far)?;
    let sum = sum_of(ITEMS);
    let rows = runtime()?.block_on(async {
        let cells = cells(folder, far).await?;
        let tarpc = tarpc_rpc::connect(&tarpc.place).await?;
        let mut rows = Vec::new();
        for round in 0..=settings.rounds.min(10) {
            let mut spare = Vec::new();
            let into = if round == 0 { &mut spare } else { &mut rows };
            let rate =
                |count: u64, started: Instant| count as f64 / started.elapsed().as_secs_f64() / 1e6;
            let started = Instant::now();
            tarpc_rpc::pour(&tarpc, CALLS, IN_FLIGHT).await?;
            note(into, "tarpc, 64 calls in flight", rate(CALLS, started));
            for (kind, _, client) in &cells {
                let started = Instant::now();
                let items = stream::iter((0..ITEMS).map(|number| Item::new(words(number))));
                let tally = client.pour(items).await?;
                let complete = tally.count == ITEMS && tally.sum == sum && tally.astray == 0;
                ensure!(complete, "{kind}: items were lost or changed: {tally:?}");
                note(into, kind, rate(ITEMS, started));
            }
            for (name, chunk) in [("rtrb, one at a time", 1), ("rtrb, 64 at a time", 64)] {
                let started = Instant::now();
                ensure!(rtrb(far, chunk)? == sum, "{name}: items were lost");
                note(into, name, rate(ITEMS, started));
            }
        }
        anyhow::Ok(rows)
    })?;
    print(&rows, "M items/s", "tarpc, 64 calls in flight");
    print(&rows, "M items/s", "rtrb, one at a time");
    Ok(())
}

/// Items through a ring between two threads of this process; gives their sum.
fn rtrb(cpu: usize, chunk: usize) -> Result<u64> {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Payload>::new(4096);
    let reader = std::thread::spawn(move || {
        pin::to_core(cpu)?;
        let (mut sum, mut left) = (0u64, ITEMS);
        while left > 0 {
            let ready = if chunk == 1 { 1 } else { consumer.slots() };
            match consumer.read_chunk(ready) {
                Ok(items) if ready > 0 => {
                    left -= ready as u64;
                    sum = items
                        .into_iter()
                        .flatten()
                        .fold(sum, |sum, word| sum.wrapping_add(word));
                }
                _ => std::hint::spin_loop(),
            }
        }
        anyhow::Ok(sum)
    });
    let mut number = 0;
    while number < ITEMS {
        match producer.write_chunk_uninit(chunk) {
            Ok(room) => {
                room.fill_from_iter((number..number + chunk as u64).map(words));
                number += chunk as u64;
            }
            Err(_) => std::hint::spin_loop(),
        }
    }
    reader
        .join()
        .map_err(|_| anyhow::anyhow!("the reader panicked"))?
}

/// Takes messages that begin with their length, and answers each with the sum of its words.
pub async fn sink(socket: &Path) -> Result<()> {
    let listener = tokio::net::UnixListener::bind(socket)?;
    crate::say_ready();
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut message = Vec::new();
            while let Ok(length) = stream.read_u64_le().await {
                message.resize(usize::try_from(length)?, 0u8);
                stream.read_exact(&mut message).await?;
                stream.write_u64_le(add_up(&message)).await?;
            }
            anyhow::Ok(())
        });
    }
}

fn add_up(bytes: &[u8]) -> u64 {
    bytes
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(std::array::from_fn(|at| word[at])))
        .fold(0, u64::wrapping_add)
}

/// Sends a message to the sink, and gives its sum.
pub async fn to_sink(stream: &mut UnixStream, message: &[u8]) -> Result<u64> {
    stream.write_u64_le(message.len() as u64).await?;
    stream.write_all(message).await?;
    Ok(stream.read_u64_le().await?)
}

/// Large messages, the sides on a core each.
pub fn bulk(settings: &Settings, folder: &Path) -> Result<()> {
    let (near, far) = pin::apart()?;
    pin::to_core(near)?;
    let sink = Server::start(SINK, folder, far)?;
    runtime()?.block_on(async {
        let cells = cells(folder, far).await?;
        let mut raw = UnixStream::connect(&sink.place).await?;
        for (size, times) in [(MIB, 32), (15 * MIB, 4), (64 * MIB, 1)] {
            println!(
                "messages of {} MiB, read and added up at the other side; GiB/s, a core each",
                size / MIB
            );
            let message: Vec<u64> = (0..size as u64 / 8)
                .map(|word| word.wrapping_mul(31))
                .collect();
            let bytes: Vec<u8> = message.iter().flat_map(|word| word.to_le_bytes()).collect();
            let sum = message
                .iter()
                .fold(0u64, |sum, word| sum.wrapping_add(*word));
            let mut rows = Vec::new();
            for round in 0..=settings.rounds.min(8) {
                let mut spare = Vec::new();
                let into = if round == 0 { &mut spare } else { &mut rows };
                let rate = |started: Instant| {
                    (size * times) as f64 / started.elapsed().as_secs_f64() / (1 << 30) as f64
                };
                let mut copy = vec![0u8; size];
                let started = Instant::now();
                for _ in 0..times {
                    copy.copy_from_slice(black_box(&bytes));
                    black_box(&mut copy);
                }
                note(into, "memcpy", rate(started));
                let started = Instant::now();
                for _ in 0..times {
                    black_box(add_up(black_box(&bytes)));
                }
                note(into, "adding up alone", rate(started));
                let started = Instant::now();
                for _ in 0..times {
                    ensure!(sealed(&bytes)? == sum, "the sums differ");
                }
                note(into, "sealed, in one process", rate(started));
                let started = Instant::now();
                for _ in 0..times {
                    ensure!(to_sink(&mut raw, &bytes).await? == sum, "the sums differ");
                }
                note(into, "raw socket", rate(started));
                for (kind, _, client) in &cells {
                    let messages = vec![message.clone(); times];
                    let started = Instant::now();
                    let way = send(client, messages, sum).await?;
                    note(into, &format!("{kind}, {way}"), rate(started));
                }
            }
            print(&rows, "GiB/s", "memcpy");
        }
        Ok(())
    })
}

/// What a message in a segment of its own costs, without any messaging: made, filled, sealed, mapped, added up, given back.
fn sealed(message: &[u8]) -> Result<u64> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: a name that ends with a zero.
    let fd = unsafe { libc::memfd_create(c"bench".as_ptr(), flags) };
    ensure!(fd >= 0, "no memfd: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made it, and nobody else knows its number.
    let mut file = unsafe { std::fs::File::from_raw_fd(fd) };
    file.write_all(message)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: a descriptor of its own, and no pointers.
    ensure!(
        unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, seals) } == 0,
        "not sealed"
    );
    let (rights, len) = (libc::PROT_READ, message.len());
    // SAFETY: a fresh mapping at an address that the kernel chooses.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), len, rights, libc::MAP_SHARED, fd, 0) };
    ensure!(base != libc::MAP_FAILED, "not mapped");
    // SAFETY: mapped, whole, and immutable.
    let sum = add_up(unsafe { std::slice::from_raw_parts(base.cast(), len) });
    // SAFETY: nothing refers to it any more.
    unsafe { libc::munmap(base, len) };
    Ok(sum)
}

/// Sends messages, each in one piece where that is allowed; says how. A client takes messages and lets go of them.
async fn send(client: &Client, messages: Vec<Vec<u64>>, sum: u64) -> Result<&'static str> {
    let mut way = "one call";
    for message in messages {
        let total = if size_of_val(&*message) > LARGEST {
            way = "MiB items";
            let pieces: Vec<Vec<u64>> = message.chunks(MIB / 8).map(<[u64]>::to_vec).collect();
            client.weigh_all(stream::iter(pieces)).await?
        } else {
            client.weigh(message).await?
        };
        ensure!(total == sum, "the sums differ");
    }
    Ok(way)
}

/// What a call may hold: `Limits::DEFAULT`, less what an archive adds.
const LARGEST: usize = (16 << 20) - 64;
