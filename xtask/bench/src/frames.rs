//! A game's frame, 10,000 entities of 64 bytes, 60 times a second: what it costs and how long it takes to be known.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::net::UnixStream;
use tokio::time::{MissedTickBehavior, interval};

use crate::flow::{self, Entity, SINK};
use crate::measure::{Settings, percentile, us};
use crate::server::Server;
use crate::{pin, runtime};

const ENTITIES: u64 = 10_000;
const FRAMES: usize = 120;

fn entities(frame: u64) -> Vec<Entity> {
    (0..ENTITIES)
        .map(|id| Entity {
            id,
            place: [id as f64, 1.0, 2.0],
            heading: [0.0, 0.0, 0.0, 1.0],
            health: 100,
            kind: 3,
            seen: frame,
        })
        .collect()
}

#[derive(Default)]
struct Row {
    times: Vec<Duration>,
    /// Processor time of both sides.
    used: Duration,
    took: Duration,
}

/// What a measurement began with.
struct Began(Instant, Duration);

impl Row {
    fn begin(server: &Server) -> Result<Began> {
        Ok(Began(Instant::now(), own_time()? + time_of(server.pid())?))
    }

    fn end(&mut self, began: &Began, server: &Server) -> Result<()> {
        self.took += began.0.elapsed();
        self.used += (own_time()? + time_of(server.pid())?).saturating_sub(began.1);
        Ok(())
    }
}

/// The sides on a core each.
pub fn run(settings: &Settings, folder: &Path) -> Result<()> {
    let (near, far) = pin::apart()?;
    println!(
        "frames of {ENTITIES} entities of 64 bytes, 60 a second, each read at the other side, a core each"
    );
    pin::to_core(near)?;
    let sink = Server::start(SINK, folder, far)?;
    let rows = runtime()?.block_on(async {
        let cells = flow::cells(folder, far).await?;
        let mut raw = UnixStream::connect(&sink.place).await?;
        let names = ["nothing sent", "raw socket"];
        let kinds = cells.iter().map(|(kind, ..)| *kind);
        let mut rows: Vec<(&str, Row)> = names
            .into_iter()
            .chain(kinds)
            .map(|name| (name, Row::default()))
            .collect();
        for _ in 0..settings.rounds.min(4) {
            for (at, (_, row)) in rows.iter_mut().enumerate() {
                let server = if at < 2 { &sink } else { &cells[at - 2].1 };
                let began = Row::begin(server)?;
                let mut turn = interval(Duration::from_secs(1) / 60);
                turn.set_missed_tick_behavior(MissedTickBehavior::Skip);
                for frame in 0..FRAMES as u64 {
                    turn.tick().await;
                    // Made anew as a game would; everybody pays for it.
                    let entities = entities(frame);
                    let sum = entities
                        .iter()
                        .map(|entity| entity.id + entity.seen)
                        .fold(0, u64::wrapping_add);
                    let started = Instant::now();
                    match at {
                        0 => ensure!(sum > 0, "no entities"),
                        1 => {
                            let bytes: Vec<u8> = entities.iter().flat_map(bytes_of).collect();
                            flow::to_sink(&mut raw, &bytes).await?;
                        }
                        _ => {
                            let known = cells[at - 2].2.frame(entities).await?;
                            ensure!(known == sum, "the sums differ");
                        }
                    }
                    row.times.push(started.elapsed());
                }
                row.end(&began, server)?;
            }
        }
        anyhow::Ok(rows)
    })?;
    println!(
        "{:<20} {:>10} {:>10} {:>10} {:>22}",
        "", "p50 us", "p99 us", "% of a core", "us of a core, a frame"
    );
    for (name, row) in rows {
        println!(
            "{name:<20} {:>10.1} {:>10.1} {:>10.2} {:>22.1}",
            us(percentile(&row.times, 50)),
            us(percentile(&row.times, 99)),
            100.0 * row.used.as_secs_f64() / row.took.as_secs_f64(),
            row.used.as_secs_f64() * 1e6 / row.times.len() as f64,
        );
    }
    println!();
    Ok(())
}

fn bytes_of(entity: &Entity) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&entity.id.to_le_bytes());
    for (at, part) in entity.place.iter().enumerate() {
        bytes[8 + at * 8..][..8].copy_from_slice(&part.to_le_bytes());
    }
    for (at, part) in entity.heading.iter().enumerate() {
        bytes[32 + at * 4..][..4].copy_from_slice(&part.to_le_bytes());
    }
    bytes[48..52].copy_from_slice(&entity.health.to_le_bytes());
    bytes[52..56].copy_from_slice(&entity.kind.to_le_bytes());
    bytes[56..].copy_from_slice(&entity.seen.to_le_bytes());
    bytes
}

/// The processor time of this process.
fn own_time() -> Result<Duration> {
    time_of(std::process::id())
}

/// The processor time of a process, exact to a nanosecond where the scheduler keeps statistics.
fn time_of(pid: u32) -> Result<Duration> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split(' ').next().unwrap_or_default();
        total += first.trim().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}
