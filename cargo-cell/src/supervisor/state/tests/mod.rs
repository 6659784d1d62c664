//! The state machine without processes: tables of what happens, and random histories.

mod million;
mod properties;
mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::sandbox::SandboxMode;
use super::super::types::{CellSpec, Exit, InForce};
use super::*;

fn spec(name: &str, fingerprint: u64, calls: &[&str]) -> CellSpec {
    CellSpec {
        name: name.to_owned(),
        package: name.to_owned(),
        binary: PathBuf::from(name),
        binary_hash: String::new(),
        fingerprint,
        serves: true,
        calls: calls.iter().map(|name| (*name).to_owned()).collect(),
        overlap: true,
        sandbox: SandboxMode::None,
        package_dir: PathBuf::new(),
        data_dir: PathBuf::new(),
        env: BTreeMap::new(),
        rights: Default::default(),
        restart: Default::default(),
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(1),
        ready_timeout: Duration::from_secs(10),
    }
}

fn exclusive(name: &str, fingerprint: u64, calls: &[&str]) -> CellSpec {
    CellSpec {
        overlap: false,
        ..spec(name, fingerprint, calls)
    }
}

fn caller(name: &str) -> CellSpec {
    CellSpec {
        serves: false,
        ..spec(name, 0, &[])
    }
}

/// A state, a clock and the actions so far, each as a short word.
struct Play {
    state: State,
    now: Instant,
    swap: SwapId,
}

impl Play {
    #[expect(clippy::disallowed_methods, reason = "some instant to count from")]
    fn new() -> Play {
        Play {
            state: State::default(),
            now: Instant::now(),
            swap: 0,
        }
    }

    fn step(&mut self, input: Input) -> Vec<String> {
        let actions = self.state.step(input, self.now);
        actions.iter().filter_map(word).collect()
    }

    fn apply(&mut self, specs: &[CellSpec], all_or_none: bool) -> Vec<String> {
        self.swap += 1;
        let specs = specs.iter().cloned().map(Arc::new).collect();
        self.step(Input::Apply {
            swap: self.swap,
            specs,
            all_or_none,
        })
    }

    fn said(&mut self, cell: &str, generation: Generation, said: Said) -> Vec<String> {
        self.step(Input::Process {
            cell: cell.to_owned(),
            generation,
            said,
        })
    }

    fn ready(&mut self, cell: &str, generation: Generation) -> Vec<String> {
        let mut words = self.spawned(cell, generation);
        words.extend(self.said(cell, generation, Said::Ready));
        words
    }

    fn spawned(&mut self, cell: &str, generation: Generation) -> Vec<String> {
        let sandbox = InForce {
            kind: "none".to_owned(),
            weaker: None,
        };
        let pid = generation as u32 + 100;
        self.said(cell, generation, Said::Spawned { pid, sandbox })
    }

    fn exits(&mut self, cell: &str, generation: Generation, code: i32) -> Vec<String> {
        self.said(cell, generation, Said::Exited(Exit::Code(code), Vec::new()))
    }

    fn later(&mut self, by: Duration) -> Vec<String> {
        self.now += by;
        self.step(Input::Tick)
    }

    fn door(&self, cell: &str, fingerprint: u64) -> Option<Door> {
        let doors = self.state.doors();
        doors.doors.get(&(cell.to_owned(), fingerprint)).cloned()
    }
}

fn word(action: &Action) -> Option<String> {
    Some(match action {
        Action::Spawn { generation, spec } => format!("spawn {}.{generation}", spec.name),
        Action::Drain {
            cell, generation, ..
        } => format!("drain {cell}.{generation}"),
        Action::Terminate { cell, generation } => format!("term {cell}.{generation}"),
        Action::Kill { cell, generation } => format!("kill {cell}.{generation}"),
        Action::Finished { swap, outcome } => {
            let culprit = outcome
                .culprit
                .as_ref()
                .map(|(name, _)| format!(" by {name}"));
            let swapped = outcome.swapped().join(",");
            format!("done {swap} [{swapped}]{}", culprit.unwrap_or_default())
        }
        Action::AllStopped => "all stopped".to_owned(),
        Action::Emit(_) => return None,
    })
}
