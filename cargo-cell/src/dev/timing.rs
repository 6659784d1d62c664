//! Where the time of a batch went.

use std::time::{Duration, Instant};

use crate::build::Batch;
use crate::event::Timings;

/// The stamps of a batch before its build.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    /// The first change was seen.
    pub(super) seen: Instant,
    /// How long before `decided` the newest changed file was written, if that is known.
    pub(super) written_before_decided: Option<Duration>,
    /// The changes had settled and their content was compared.
    pub(super) decided: Instant,
    /// The build was started: later than decided where the changes had to wait for the one before.
    pub(super) started: Option<Instant>,
}

/// Puts the stamps of a batch together.
pub(super) fn timings(
    number: u64,
    stamps: Stamps,
    batch: &Batch,
    built: Instant,
    serving: Instant,
    cells: Vec<String>,
) -> Timings {
    let since = |at: Instant| ms(at.saturating_duration_since(stamps.seen));
    let written = stamps
        .written_before_decided
        .and_then(|before| stamps.decided.checked_sub(before))
        .unwrap_or(stamps.seen);
    // The time that changes wait for the build before theirs is cargo's, not ours.
    let waited = stamps.started.map_or(Duration::ZERO, |started| {
        started.saturating_duration_since(stamps.decided)
    });
    let whole = serving.saturating_duration_since(written.min(stamps.seen));
    Timings {
        batch: number,
        cells,
        write_to_seen_ms: ms(stamps.seen.saturating_duration_since(written)),
        decided_ms: since(stamps.decided),
        cargo_spawned_ms: batch.span.map_or(0.0, |span| since(span.spawned)),
        cargo_done_ms: batch.span.map_or(0.0, |span| since(span.done)),
        schema_done_ms: since(built),
        swap_done_ms: since(serving),
        cargo_ms: ms(batch.in_cargo),
        overhead_ms: ms(whole.saturating_sub(batch.in_cargo).saturating_sub(waited)),
        rounds: batch.rounds,
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}
