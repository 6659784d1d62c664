//! What `cargo xtask bench loop` prints.

use std::time::Duration;

use serde_json::Value;

/// What one edit took for each.
pub(super) struct Sample {
    /// `cargo build` alone.
    pub(super) build: Duration,
    /// Under `cargo cell dev`.
    pub(super) ours: Taken,
    /// Under the others, by name.
    pub(super) theirs: Vec<(&'static str, Taken)>,
    /// Where the loop says that the time went.
    pub(super) timings: Value,
}

/// From the write of an edit to its first answer.
pub(super) struct Taken {
    pub(super) whole: Duration,
    /// The longest time in which no call was answered.
    pub(super) silence: Duration,
    /// Calls that failed.
    pub(super) failed: u64,
}

pub(super) fn print(samples: &[Sample]) {
    println!(
        "\n{} edits of the button's handler, one warm-up edit not counted",
        samples.len()
    );
    let title = "ms, from the write to the first answer";
    println!("{title:<44} {:>10} {:>10}", "median", "p90");
    let builds: Vec<f64> = samples.iter().map(|sample| ms(sample.build)).collect();
    row("cargo build alone, no answer", builds);
    let ours: Vec<(f64, &Taken)> = samples
        .iter()
        .map(|sample| (ms(sample.build), &sample.ours))
        .collect();
    let own = side("cargo cell dev", &ours);
    let names: Vec<&'static str> = samples
        .first()
        .map(|sample| sample.theirs.iter().map(|(name, _)| *name).collect())
        .unwrap_or_default();
    for (at, name) in names.iter().enumerate() {
        let theirs: Vec<(f64, &Taken)> = samples
            .iter()
            .filter_map(|sample| Some((ms(sample.build), &sample.theirs.get(at)?.1)))
            .collect();
        let their = side(name, &theirs);
        println!(
            "  {name} takes {:.2}x of our time, and adds {:.1}x of what we add to cargo",
            their.0 / own.0,
            their.1 / own.1
        );
    }
    println!("where the loop says that the time went");
    clock(samples);
}

/// The rows of one side; the medians of its time and of what it adds to cargo's.
fn side(name: &str, taken: &[(f64, &Taken)]) -> (f64, f64) {
    let of = |figure: &dyn Fn(&(f64, &Taken)) -> f64| taken.iter().map(figure).collect::<Vec<_>>();
    let whole = row(name, of(&|(_, taken)| ms(taken.whole)));
    let added = row(
        "  of it not cargo build",
        of(&|(build, taken)| ms(taken.whole) - build),
    );
    row(
        "  longest time without any answer",
        of(&|(_, taken)| ms(taken.silence)),
    );
    let failed: u64 = taken.iter().map(|(_, taken)| taken.failed).sum();
    println!("  calls that failed {failed:>37}");
    (whole, added)
}

fn clock(samples: &[Sample]) {
    let timing = |name: &str| -> Vec<f64> {
        let figures = samples.iter().map(|sample| &sample.timings[name]);
        figures
            .map(|figure| figure.as_f64().unwrap_or(f64::NAN))
            .collect()
    };
    let phase = |to: &str, from: &str| -> Vec<f64> {
        timing(to)
            .iter()
            .zip(timing(from))
            .map(|(to, from)| to - from)
            .collect()
    };
    row("overhead: all but cargo", timing("overhead_ms"));
    row("  write seen", timing("write_to_seen_ms"));
    row("  settled and compared", timing("decided_ms"));
    row("  cargo spawned", phase("cargo_spawned_ms", "decided_ms"));
    row("  cargo", phase("cargo_done_ms", "cargo_spawned_ms"));
    row(
        "  binaries and schemas",
        phase("schema_done_ms", "cargo_done_ms"),
    );
    row("  swap", phase("swap_done_ms", "schema_done_ms"));
}

fn row(name: &str, mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = |share: usize| {
        figures
            .get(figures.len() * share / 100)
            .copied()
            .unwrap_or(f64::NAN)
    };
    println!("{name:<44} {:>10.1} {:>10.1}", at(50), at(90));
    at(50)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
