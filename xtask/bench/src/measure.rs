//! Rounds, percentiles and the table.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{Caller, LocalCaller, Payload, calls, pin};

/// Calls that wait for an answer at any time in the second part of a round.
const IN_FLIGHT: usize = 64;

/// How much to measure.
pub struct Settings {
    pub rounds: usize,
    /// Calls of the first part, one after another.
    pub lone: usize,
    /// Calls of the second part.
    pub crowd: usize,
    /// What is measured; everything where it is empty.
    pub parts: Vec<String>,
    /// The rows whose names hold one of these; all where it is empty.
    pub rows: Vec<String>,
    /// The pinnings whose titles begin with one of these; both where it is empty.
    pub cores: Vec<String>,
    /// Before each lone call nothing happens for so long.
    pub rest: Duration,
}

impl Settings {
    /// `--rounds N --lone N --crowd N --parts a,b --rows a,b --cores one,two`
    pub fn parse(args: &[&str]) -> Result<Self> {
        let mut settings = Settings {
            rounds: 15,
            lone: 2000,
            crowd: 20_000,
            parts: Vec::new(),
            rows: Vec::new(),
            cores: Vec::new(),
            rest: Duration::ZERO,
        };
        for pair in args.chunks(2) {
            let [name, value] = pair else {
                bail!("`{}` lacks a value", pair[0])
            };
            let words = || value.split(',').map(str::to_owned).collect();
            let number = || {
                value
                    .parse()
                    .with_context(|| format!("`{value}` is not a number"))
            };
            match *name {
                "--rounds" => settings.rounds = number()?,
                "--lone" => settings.lone = number()?,
                "--crowd" => settings.crowd = number()?,
                "--parts" => settings.parts = words(),
                "--rows" => settings.rows = words(),
                "--cores" => settings.cores = words(),
                other => bail!("unknown option `{other}`"),
            }
        }
        Ok(settings)
    }

    /// So many calls one after another, and no others.
    pub fn few(lone: usize) -> Settings {
        Settings {
            rounds: 1,
            lone,
            crowd: 0,
            parts: Vec::new(),
            rows: Vec::new(),
            cores: Vec::new(),
            rest: Duration::ZERO,
        }
    }

    /// Whether a row is asked for.
    pub fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| row.contains(wanted.as_str()))
    }

    /// The pinnings that are asked for: a title, the client's core, and the server's.
    pub fn pairs(&self) -> Result<Vec<(&'static str, usize, usize)>> {
        let mut pairs = pin::pairs()?;
        pairs.retain(|(title, ..)| {
            self.cores.is_empty() || self.cores.iter().any(|cores| title.starts_with(cores.as_str()))
        });
        Ok(pairs)
    }

    /// Whether a part is asked for.
    pub fn measures(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

/// What was measured of one library.
#[derive(Default)]
pub struct Samples {
    lone: Vec<Duration>,
    /// Calls a second, one figure a round.
    rates: Vec<f64>,
}

impl Samples {
    /// The percentiles 50, 90 and 99 of the first part.
    pub fn percentiles(&self) -> [Duration; 3] {
        [50, 90, 99].map(|percent| percentile(&self.lone, percent))
    }

    /// With room for so many calls.
    pub fn new(calls: usize) -> Samples {
        Samples {
            lone: Vec::with_capacity(calls),
            rates: Vec::with_capacity(1),
        }
    }

    /// The calls of a round that were measured.
    pub fn calls(&self, settings: &Settings) -> usize {
        let crowd = settings.crowd / IN_FLIGHT * IN_FLIGHT;
        self.lone.len() + self.rates.len() * crowd
    }

    /// A second part with so many calls of each task.
    fn count(&mut self, share: usize, started: Instant) {
        let calls = (share * IN_FLIGHT) as f64;
        self.rates.push(calls / started.elapsed().as_secs_f64());
    }

    /// Calls a second in the second part.
    pub fn rate(&self) -> f64 {
        median(&self.rates).unwrap_or_default()
    }
}

/// Both parts of a round.
pub async fn both<C: Caller>(caller: &C, settings: &Settings, samples: &mut Samples) -> Result<()> {
    lone(caller, settings, samples).await?;
    let share = settings.crowd / IN_FLIGHT;
    if share == 0 {
        return Ok(());
    }
    let started = Instant::now();
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let caller = caller.clone();
            tokio::spawn(async move {
                for number in 0..share {
                    let payload = message((task * share + number) as u64);
                    ensure!(
                        Caller::call(&caller, payload).await? == payload,
                        "the echo differs"
                    );
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    samples.count(share, started);
    Ok(())
}

/// As [`both`], inside of a `LocalSet`.
pub async fn both_here<C: LocalCaller + Clone + 'static>(
    caller: &C,
    settings: &Settings,
    samples: &mut Samples,
) -> Result<()> {
    lone(caller, settings, samples).await?;
    let share = settings.crowd / IN_FLIGHT;
    if share == 0 {
        return Ok(());
    }
    let started = Instant::now();
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let caller = caller.clone();
            tokio::task::spawn_local(async move {
                for number in 0..share {
                    echo(&caller, (task * share + number) as u64).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    samples.count(share, started);
    Ok(())
}

/// The first part of a round: one call after another.
pub async fn lone<C: LocalCaller>(
    caller: &C,
    settings: &Settings,
    samples: &mut Samples,
) -> Result<()> {
    for number in 0..settings.lone {
        if !settings.rest.is_zero() {
            tokio::time::sleep(settings.rest).await;
        }
        let started = Instant::now();
        echo(caller, number as u64).await?;
        samples.lone.push(started.elapsed());
    }
    Ok(())
}

fn message(number: u64) -> Payload {
    std::array::from_fn(|word| number.wrapping_mul(word as u64 + 1))
}

async fn echo<C: LocalCaller>(caller: &C, number: u64) -> Result<()> {
    let payload = message(number);
    ensure!(caller.call(payload).await? == payload, "the echo differs");
    Ok(())
}

/// Prints the table of one pinning.
pub fn print(title: &str, samples: &[(&str, Samples)]) {
    let find = |name: &str| samples.iter().find(|(kind, _)| kind.starts_with(name));
    let rate = |name: &str| find(name).and_then(|(_, samples)| median(&samples.rates));
    let raw = find("raw").map(|(_, samples)| us(percentile(&samples.lone, 50)));
    let (tarpc, tonic) = (rate("tarpc"), rate("tonic"));
    println!("{title}");
    println!(
        "{:<20} {:>9} {:>9} {:>9} {:>8} {:>12} {:>8} {:>8}",
        "", "p50 us", "p90 us", "p99 us", "x raw", "calls/s", "x tarpc", "x tonic"
    );
    for (kind, samples) in samples {
        let [p50, p90, p99] = samples.percentiles().map(us);
        let rate = median(&samples.rates);
        let times = |other: Option<f64>| match (rate, other) {
            (Some(rate), Some(other)) => format!("{:.2}", rate / other),
            _ => "-".to_owned(),
        };
        println!(
            "{kind:<20} {p50:>9.2} {p90:>9.2} {p99:>9.2} {:>8} {:>12} {:>8} {:>8}",
            raw.map_or("-".to_owned(), |raw| format!("{:.2}", p50 / raw)),
            rate.map_or("-".to_owned(), |rate| format!("{rate:.0}")),
            times(tarpc),
            times(tonic),
        );
    }
    println!();
}

/// Prints how shared memory compares with a bare word, and with iceoryx2.
pub fn print_goals(samples: &[(&str, Samples)]) {
    let p50 = |name: &str| {
        let row = samples.iter().find(|(kind, _)| *kind == name);
        row.map(|(_, samples)| us(percentile(&samples.lone, 50)))
    };
    let Some(spin) = p50(calls::SPIN) else {
        return;
    };
    if let Some(gap) = p50(calls::GAP) {
        println!(
            "cell through shared memory: {:.2} times a bare word",
            gap / spin
        );
    }
    if let Some(iceoryx) = p50(calls::ICEORYX) {
        println!("iceoryx2: {:.2} times a bare word", iceoryx / spin);
        if let Some(gap) = p50(calls::GAP) {
            println!(
                "cell through shared memory is {:.2} times as fast as iceoryx2",
                iceoryx / gap
            );
        }
    }
    println!();
}

pub fn us(at: Duration) -> f64 {
    at.as_nanos() as f64 / 1000.0
}

pub fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort();
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or_default()
}

pub fn median(rates: &[f64]) -> Option<f64> {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
