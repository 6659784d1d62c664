//! The supervisor as the loop's fleet.

use std::collections::BTreeMap;

use cell_runtime::control::ToCell;

use super::fleet::{Answer, Fleet, Outcome, Start, Status};
use crate::supervisor::{self, Supervisor};
use crate::supervisor::{CellSpec, CellStatus, Swap};

impl Fleet for Supervisor {
    fn apply(&self, cells: Vec<Start>, all_or_none: bool) -> Answer<Outcome> {
        let supervisor = self.clone();
        Box::pin(async move {
            let specs = cells.into_iter().map(spec).collect();
            outcome(supervisor.apply(specs, all_or_none).await)
        })
    }

    fn restart(&self, name: &str) -> Answer<Result<(), String>> {
        let supervisor = self.clone();
        let name = name.to_owned();
        Box::pin(async move {
            let restarted = supervisor
                .restart(&name)
                .await
                .map_err(|error| error.to_string())?;
            match outcome(restarted).failed.remove(&name) {
                Some(reason) => Err(reason),
                None => Ok(()),
            }
        })
    }

    fn measure(&self) {
        Supervisor::measure(self);
    }

    fn push_shader(&self, cell: &str, generation: u64, shader: &ToCell) {
        Supervisor::push_shader(self, cell, generation, shader);
    }

    fn prepare(&self, cells: Vec<String>) {
        Supervisor::prepare(self, cells);
    }

    fn retire(&self, name: &str) -> Answer<()> {
        Supervisor::retire(self, name);
        Box::pin(async {})
    }

    fn rest(&self, name: &str) -> Answer<()> {
        let (supervisor, name) = (self.clone(), name.to_owned());
        Box::pin(async move { supervisor.rest(&name).await })
    }

    fn park(&self, name: &str, start: Option<Start>, fingerprint: u64) {
        Supervisor::park(self, name, start.map(spec), fingerprint);
    }

    fn stop_all(&self, hasty: bool) -> Answer<()> {
        let supervisor = self.clone();
        Box::pin(async move {
            supervisor.stop_all(hasty).await;
        })
    }

    fn status(&self) -> Answer<Vec<Status>> {
        let supervisor = self.clone();
        Box::pin(async move { supervisor.status().await.into_iter().map(status).collect() })
    }

    fn set_unavailable(&self, name: &str, reason: &str) {
        Supervisor::set_unavailable(self, name, reason);
    }
}

fn spec(start: Start) -> CellSpec {
    CellSpec {
        name: start.name,
        package: start.package,
        binary: start.binary,
        binary_hash: start.binary_hash,
        fingerprint: start.fingerprint,
        serves: start.snapshot.is_some(),
        calls: start.calls,
        overlap: start.overlap,
        sandbox: start.sandbox,
        package_dir: start.package_dir,
        data_dir: start.data_dir,
        env: start.env,
        rights: start.rights,
        restart: start.restart,
        drain: start.drain,
        grace: start.grace,
        ready_timeout: start.ready,
    }
}

fn outcome(outcome: supervisor::Outcome) -> Outcome {
    let serving = outcome.swapped();
    let mut failed: BTreeMap<String, String> = outcome
        .cells
        .into_iter()
        .filter_map(|(name, swap)| match swap {
            Swap::Failed { reason } => Some((name, reason)),
            Swap::Swapped { .. } | Swap::Held | Swap::Superseded | Swap::Stopped => None,
        })
        .collect();
    if let Some((name, reason)) = outcome.culprit {
        failed.entry(name).or_insert(reason);
    }
    Outcome { serving, failed }
}

fn status(status: CellStatus) -> Status {
    let word = |value: serde_json::Result<serde_json::Value>| {
        let word = value.ok().and_then(|word| word.as_str().map(str::to_owned));
        word.unwrap_or_default()
    };
    Status {
        name: status.name,
        package: status.package,
        state: word(serde_json::to_value(status.phase)),
        health: word(serde_json::to_value(status.health)),
        again_ms: status.again_ms,
        last_log_lines: status.last_log_lines,
        pid: status.pid,
        generation: status.generation,
        weaker: status
            .sandbox
            .as_ref()
            .and_then(|sandbox| sandbox.weaker.clone()),
        sandbox: status.sandbox.map(|sandbox| sandbox.kind),
        fingerprint: status.fingerprint,
        restarts: status.restarts,
        ready_ms: status.ready_ms,
        reason: status.reason,
        calls: status.calls,
    }
}
