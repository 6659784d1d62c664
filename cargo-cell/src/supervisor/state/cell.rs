//! One cell and its generations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::types::{CellPhase, CellSpec, CellStatus, Health, InForce};
use super::Generation;

/// How much longer than its own limit a generation that drains is left alone.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// How long a cell that serves nothing, and does not say that it runs, must have run to be believed to.
pub(super) const SETTLED: Duration = Duration::from_secs(1);

/// What is known of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) name: String,
    /// The build that served last, or is the first to be tried.
    pub(super) spec: Option<Arc<CellSpec>>,
    pub(super) generations: BTreeMap<Generation, Process>,
    /// The generation that serves.
    pub(super) live: Option<Generation>,
    /// The generation that is to serve next.
    pub(super) next: Option<Generation>,
    /// What is done while neither is there.
    pub(super) rest: Rest,
    /// Why nobody serves.
    pub(super) reason: Option<String>,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) restarts: u32,
    /// What it said last before it ended by itself.
    pub(super) last_lines: Vec<String>,
    /// It ended too often in a row.
    pub(super) looping: bool,
    /// It is no longer part of the workspace.
    pub(super) gone: bool,
    /// It need not run: its first caller is announced.
    pub(super) parked: bool,
    /// The fingerprint that callers know while it has no build.
    pub(super) fingerprint: u64,
}

/// What is done about a cell that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing: somebody has to act.
    Unavailable,
    /// A caller starts it.
    Idle,
    /// It was called, and whoever keeps the builds is to say what it runs.
    Called,
    /// It is started again at this time.
    Backoff(Instant),
}

impl Rest {
    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Rest::Backoff(until) => Some(*until),
            Rest::Unavailable | Rest::Idle | Rest::Called => None,
        }
    }
}

/// One generation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Process {
    pub(super) spec: Arc<CellSpec>,
    pub(super) phase: Phase,
    pub(super) pid: Option<u32>,
    pub(super) sandbox: Option<InForce>,
    /// Why it cannot serve, as far as it is known before it is gone.
    pub(super) complaint: Option<String>,
    /// It said itself that it accepts calls.
    pub(super) accepts: bool,
    /// It serves nothing, and listens to what it is told.
    pub(super) listens: bool,
}

/// Where a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not said that it is ready.
    Starting { until: Instant },
    /// It accepts calls.
    Ready { since: Instant },
    /// It is to go and still serves, until those that may call it have gone.
    Waiting,
    /// It finishes its calls.
    Draining { until: Instant },
    /// It has finished and is about to exit.
    Leaving { until: Instant },
    /// It was asked to end.
    Terminating { until: Instant },
    /// It was killed; the kernel does the rest.
    Killed,
}

impl Phase {
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Phase::Starting { until }
            | Phase::Draining { until }
            | Phase::Leaving { until }
            | Phase::Terminating { until } => Some(until),
            Phase::Ready { .. } | Phase::Waiting | Phase::Killed => None,
        }
    }

    /// Whether it is on its way out.
    pub(super) fn is_leaving(self) -> bool {
        !matches!(self, Phase::Starting { .. } | Phase::Ready { .. })
    }
}

impl Cell {
    pub(super) fn new(name: &str) -> Self {
        Cell {
            name: name.to_owned(),
            spec: None,
            generations: BTreeMap::new(),
            live: None,
            next: None,
            rest: Rest::Unavailable,
            reason: None,
            failures: 0,
            restarts: 0,
            last_lines: Vec::new(),
            looping: false,
            gone: false,
            parked: false,
            fingerprint: 0,
        }
    }

    pub(super) fn start(&mut self, generation: Generation, spec: Arc<CellSpec>, now: Instant) {
        let until = now + spec.ready_timeout;
        self.spec.get_or_insert_with(|| spec.clone());
        if self.live.is_none() {
            self.rest = Rest::Unavailable;
        }
        let process = Process {
            spec,
            phase: Phase::Starting { until },
            pid: None,
            sandbox: None,
            complaint: None,
            accepts: false,
            listens: false,
        };
        self.generations.insert(generation, process);
        self.next = Some(generation);
    }

    /// What it did is forgotten: somebody acts.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
        self.looping = false;
        self.last_lines.clear();
    }

    /// When it is started again by itself, as far as nothing is in its way.
    pub(super) fn start_again_at(&self) -> Option<Instant> {
        let overlaps = self.spec.as_ref().is_some_and(|spec| spec.overlap);
        let free = self.next.is_none() && (overlaps || self.generations.is_empty());
        self.rest.until().filter(|_| free)
    }

    /// Whether it ended by itself and has not served for long since.
    fn fell_lately(&self, now: Instant) -> bool {
        let stable = |process: &Process| match process.phase {
            Phase::Ready { since } => now.duration_since(since) >= process.spec.restart.stable,
            _ => false,
        };
        self.failures > 0 && !self.process(self.live).is_some_and(stable)
    }

    pub(super) fn process(&self, id: Option<Generation>) -> Option<&Process> {
        self.generations.get(&id?)
    }

    pub(super) fn status(&self, now: Instant, stopping: bool) -> CellStatus {
        let live = self.process(self.live);
        let shown = live.or_else(|| self.process(self.next));
        let phase = match (live, self.process(self.next)) {
            _ if stopping => CellPhase::Stopping,
            (Some(_), Some(_)) => CellPhase::Swapping,
            (Some(_), None) => CellPhase::Ready,
            (None, Some(_)) => CellPhase::Starting,
            (None, None) => match self.rest {
                Rest::Unavailable => CellPhase::Unavailable,
                Rest::Idle => CellPhase::Idle,
                Rest::Called => CellPhase::Starting,
                Rest::Backoff(_) => CellPhase::Backoff,
            },
        };
        let health = match phase {
            CellPhase::Ready | CellPhase::Swapping if self.fell_lately(now) => Health::Shaky,
            CellPhase::Ready | CellPhase::Swapping => Health::Good,
            CellPhase::Starting if self.failures > 0 => Health::Failing,
            CellPhase::Starting => Health::Starting,
            CellPhase::Backoff => Health::Failing,
            CellPhase::Unavailable if self.looping => Health::CrashLoop,
            CellPhase::Unavailable | CellPhase::Stopping => Health::Down,
            CellPhase::Idle => Health::Idle,
        };
        let spec = shown.map(|process| &process.spec).or(self.spec.as_ref());
        let since = live.and_then(|process| match process.phase {
            Phase::Ready { since } => Some(since),
            _ => None,
        });
        CellStatus {
            name: self.name.clone(),
            package: spec.map_or_else(String::new, |spec| spec.package.clone()),
            phase,
            pid: shown.and_then(|process| process.pid),
            generation: self.live.or(self.next),
            fingerprint: format!(
                "0x{:016x}",
                spec.map_or(self.fingerprint, |spec| spec.fingerprint)
            ),
            sandbox: shown.and_then(|process| process.sandbox.clone()),
            restarts: self.restarts,
            health,
            again_ms: self
                .rest
                .until()
                .filter(|_| phase == CellPhase::Backoff)
                .map(|until| until.saturating_duration_since(now).as_millis() as u64),
            last_log_lines: self.last_lines.clone(),
            ready_ms: since.map(|since| now.duration_since(since).as_millis() as u64),
            reason: self.reason.clone().filter(|_| live.is_none()),
            calls: spec.map_or_else(Vec::new, |spec| spec.calls.clone()),
        }
    }
}
