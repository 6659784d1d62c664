//! Rounds, percentiles and the table.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{Caller, Payload};

/// Calls that wait for an answer at any time in the second part of a round.
const IN_FLIGHT: usize = 64;

/// How much to measure.
pub struct Settings {
    pub rounds: usize,
    /// Calls of the first part, one after another.
    pub lone: usize,
    /// Calls of the second part.
    pub crowd: usize,
}

impl Settings {
    /// `--rounds N --lone N --crowd N`
    pub fn parse(args: &[&str]) -> Result<Self> {
        let mut settings = Settings {
            rounds: 15,
            lone: 2000,
            crowd: 20_000,
        };
        for pair in args.chunks(2) {
            let [name, value] = pair else {
                bail!("`{}` lacks a value", pair[0])
            };
            let value = value
                .parse()
                .with_context(|| format!("`{value}` is not a number"))?;
            match *name {
                "--rounds" => settings.rounds = value,
                "--lone" => settings.lone = value,
                "--crowd" => settings.crowd = value,
                other => bail!("unknown option `{other}`"),
            }
        }
        Ok(settings)
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

    /// Calls a second in the second part.
    pub fn rate(&self) -> f64 {
        median(&self.rates).unwrap_or_default()
    }
}

/// Both parts of a round.
pub async fn both<C: Caller>(caller: &C, settings: &Settings, samples: &mut Samples) -> Result<()> {
    lone(caller, settings, samples).await?;
    let share = settings.crowd / IN_FLIGHT;
    let started = Instant::now();
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let caller = caller.clone();
            tokio::spawn(async move {
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
    samples
        .rates
        .push((share * IN_FLIGHT) as f64 / started.elapsed().as_secs_f64());
    Ok(())
}

/// The first part of a round: one call after another.
pub async fn lone<C: Caller>(caller: &C, settings: &Settings, samples: &mut Samples) -> Result<()> {
    for number in 0..settings.lone {
        let started = Instant::now();
        echo(caller, number as u64).await?;
        samples.lone.push(started.elapsed());
    }
    Ok(())
}

async fn echo<C: Caller>(caller: &C, number: u64) -> Result<()> {
    let payload: Payload = std::array::from_fn(|word| number.wrapping_mul(word as u64 + 1));
    ensure!(caller.call(payload).await? == payload, "the echo differs");
    Ok(())
}

/// Prints the table of one pinning.
pub fn print(title: &str, samples: &[(&str, Samples)]) {
    let us = |at: Duration| at.as_nanos() as f64 / 1000.0;
    let raw = us(percentile(&samples[0].1.lone, 50));
    let tonic = samples
        .iter()
        .find(|(kind, _)| kind.starts_with("tonic"))
        .and_then(|(_, samples)| median(&samples.rates));
    println!("{title}");
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>8} {:>12} {:>8}",
        "", "p50 us", "p90 us", "p99 us", "x raw", "calls/s", "x tonic"
    );
    for (kind, samples) in samples {
        let p50 = us(percentile(&samples.lone, 50));
        let (rate, ratio) = match (median(&samples.rates), tonic) {
            (Some(rate), Some(tonic)) => (format!("{rate:.0}"), format!("{:.2}", rate / tonic)),
            _ => ("-".to_owned(), "-".to_owned()),
        };
        let (p90, p99) = (
            us(percentile(&samples.lone, 90)),
            us(percentile(&samples.lone, 99)),
        );
        println!(
            "{kind:<12} {p50:>9.2} {p90:>9.2} {p99:>9.2} {:>8.2} {rate:>12} {ratio:>8}",
            p50 / raw
        );
    }
    println!();
}

fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort();
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or_default()
}

fn median(rates: &[f64]) -> Option<f64> {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
