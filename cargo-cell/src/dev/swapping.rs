//! The loop's second half: what a build gave is swapped in, and what people ask is answered.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is part of the I/O edge of `dev`: it reads the clock"
)]

use std::path::Path;
use std::time::Instant;

use super::control::{Answers, Request};
use super::decide::Happened;
use super::event_loop::{Applied, Input, Loop};
use super::fleet::Status;
use super::roster::Swap;
use super::{shelf, timing};
use crate::event::Event;

impl Loop {
    pub(super) async fn swap(&mut self, batch: u64) {
        for name in self.roster.gone() {
            self.fleet.retire(&name).await;
        }
        for (name, reason) in self.roster.unavailable() {
            self.fleet.set_unavailable(&name, &reason);
        }
        for start in self.roster.parked() {
            let fingerprint = start.fingerprint;
            self.fleet
                .park(&start.name, Some(start.clone()), fingerprint);
        }
        self.doors.follow(&self.roster.doors(&self.workspace));
        for cycle in self.roster.new_cycles() {
            self.sink.send(Event::Cycle { cells: cycle });
        }
        let plan = self.roster.plan(batch);
        // Whoever was called and cannot be started must not keep callers waiting.
        for name in std::mem::take(&mut self.called) {
            let reason = match self.roster.held().get(&name) {
                Some(held) => Some(held.as_str()),
                None if !self.roster.knows(&name) => Some("no package of the workspace serves it"),
                None => None,
            };
            if let Some(reason) = reason {
                self.fleet.set_unavailable(&name, reason);
            }
        }
        for event in plan.held {
            self.sink.send(event);
        }
        // The compiler's messages come after the blocker's name, which is the first thing that the user must know.
        if let Some((built, _)) = self
            .batches
            .get_mut(&batch)
            .and_then(|progress| progress.batch.as_mut())
        {
            std::mem::take(&mut built.report)
                .into_iter()
                .for_each(|event| self.sink.send(event));
        }
        let quiet = plan.swaps.is_empty();
        if let Some(progress) = self.batches.get_mut(&batch) {
            progress.open = plan.swaps.len();
        }
        for (swap, waits) in plan.swaps {
            self.start_swap(swap, waits);
        }
        if quiet {
            if self
                .batches
                .get(&batch)
                .and_then(|progress| progress.batch.as_ref())
                .is_some_and(|(b, _)| b.success)
            {
                self.sink.send(Event::Unchanged { batch });
            }
            self.finish_batch(batch, Instant::now());
        }
    }

    fn start_swap(&mut self, swap: Swap, waits: Vec<tokio::sync::watch::Receiver<bool>>) {
        self.swapping += 1;
        let fleet = self.fleet.clone();
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            for mut callee in waits {
                // A sender that is gone is as good as one that is done.
                let _ = callee.wait_for(|done| *done).await;
            }
            let outcome = fleet.apply(swap.starts.clone(), swap.all_or_none).await;
            // The loop may have left already.
            let _ = inputs.send(Input::Applied(Applied {
                swap,
                outcome,
                at: Instant::now(),
            }));
        });
    }

    pub(super) async fn applied(&mut self, applied: Applied) {
        self.swapping = self.swapping.saturating_sub(1);
        let Applied { swap, outcome, at } = applied;
        let _ = swap.done.send(true);
        let batch = swap.batch;
        self.roster.applied(&swap, &outcome);
        for start in swap
            .starts
            .iter()
            .filter(|start| outcome.serving.contains(&start.name))
        {
            if let Some(snapshot) = &start.snapshot
                && let Err(error) = shelf::keep(&self.dirs.run, snapshot)
            {
                self.failure(&error);
            }
        }
        if !outcome.serving.is_empty() {
            self.sink.send(Event::Swapped {
                batch,
                cells: outcome.serving.clone(),
            });
        }
        if let Some((culprit, message)) = outcome.failed.iter().next() {
            let cells = swap
                .starts
                .iter()
                .map(|start| start.name.clone())
                .filter(|n| !outcome.serving.contains(n));
            self.sink.send(Event::SwapFailed {
                batch,
                cells: cells.collect(),
                culprit: culprit.clone(),
                message: message.clone(),
            });
        }
        if let Some(progress) = self.batches.get_mut(&batch) {
            progress.open = progress.open.saturating_sub(1);
            progress.served.extend(outcome.serving);
            if progress.open == 0 {
                self.finish_batch(batch, at);
            }
        }
        let roster = &self.roster;
        let in_use = |path: &Path| roster.uses(path);
        if self.batches.is_empty()
            && let Ok(builder) = self.builder.try_lock()
        {
            builder.forget(&in_use);
        }
    }

    fn finish_batch(&mut self, number: u64, at: Instant) {
        let Some(progress) = self.batches.remove(&number) else {
            return;
        };
        if self.batches.is_empty() {
            self.fleet.prepare(Vec::new());
        }
        if let Some((batch, built)) = progress.batch {
            let timings =
                timing::timings(number, progress.stamps, &batch, built, at, progress.served);
            self.sink.send(Event::Timings(timings));
        }
    }

    pub(super) async fn asked(&mut self, request: Request, answers: Answers) {
        match request {
            Request::Status => {
                let cells = self.fleet.status().await;
                let answer = serde_json::json!({
                    "running": true,
                    "pid": std::process::id(),
                    "root": self.workspace.root.display().to_string(),
                    "run": self.dirs.run.display().to_string(),
                    "building": self.state.building(),
                    "held": self.roster.held(),
                    "remote": self.doors.status(),
                    "cells": cells,
                });
                // Whoever asked may be gone.
                let _ = answers.try_send(answer);
            }
            Request::Logs {
                cells,
                lines,
                follow,
            } => self.hub.logs(&cells, lines, follow, answers),
            Request::Restart { cells } => {
                let names = if cells.is_empty() {
                    self.roster.serving()
                } else {
                    // One that need not run does from now on.
                    self.roster.want(&cells);
                    cells
                };
                let fleet = self.fleet.clone();
                tokio::spawn(async move {
                    for name in names {
                        let answer = match fleet.restart(&name).await {
                            Ok(()) => serde_json::json!({"restarted": name}),
                            Err(reason) => {
                                serde_json::json!({"error": format!("cannot restart `{name}`: {reason}")})
                            }
                        };
                        let _ = answers.send(answer).await;
                    }
                });
            }
            Request::Stop { cells } => self.rest(&cells, answers).await,
            Request::Measure => {
                self.fleet.measure();
                let _ = answers.try_send(serde_json::json!({"measuring": true}));
            }
            Request::Events { past, after } => {
                self.hub.recent.follow(past.then_some(after), answers);
            }
            Request::Up { cells, past } => {
                self.add(&cells).await;
                self.hub.recent.follow(past.then_some(0), answers.clone());
                self.waiting.push((cells, answers));
            }
            Request::Rebuild => {
                self.act(Happened::Changed { workspace: true }).await;
                let _ = answers.try_send(serde_json::json!({"building": true}));
            }
            Request::Down => {
                if !self.state.is_stopping() {
                    self.sink.send(Event::Stopping {
                        by: "cargo cell down".to_owned(),
                    });
                    self.act(Happened::Stop).await;
                }
                self.hub.until_stopped(answers);
            }
        }
    }

    /// Cells are to stop, and everything else to go on.
    async fn rest(&mut self, cells: &[String], answers: Answers) {
        let known = self.fleet.status().await;
        for name in cells {
            if !known.iter().any(|cell| cell.name == *name) {
                let wrong = format!("there is no cell `{name}` to stop");
                // Whoever asked may be gone.
                let _ = answers.try_send(serde_json::json!({"error": wrong}));
                continue;
            }
            self.roster.rest(name);
            let stopped = self.fleet.rest(name);
            let (name, answers) = (name.clone(), answers.clone());
            tokio::spawn(async move {
                stopped.await;
                let _ = answers.send(serde_json::json!({"stopped": name})).await;
            });
        }
    }

    /// Cells that do not run are to run; all where none is named.
    async fn add(&mut self, cells: &[String]) {
        if self.state.is_stopping() {
            return;
        }
        self.roster.want(cells);
        for status in self.fleet.status().await {
            let wanted = cells.is_empty() || cells.contains(&status.name);
            if wanted && status.generation.is_none() {
                self.roster.is_down(&status.name);
            }
        }
        self.start_what_is_down().await;
    }

    /// Somebody calls a cell that does not run.
    pub(super) async fn called(&mut self, name: String) {
        if self.state.is_stopping() {
            return;
        }
        self.roster.want(std::slice::from_ref(&name));
        self.roster.is_down(&name);
        self.called.push(name);
        self.start_what_is_down().await;
    }

    /// Starts what is to run and does not; builds first where there is no build.
    async fn start_what_is_down(&mut self) {
        let gone = |name: &String| {
            let binary = self.roster.binary(name);
            binary.is_none_or(|binary| !binary.exists())
        };
        let missing = self.called.iter().any(gone) || self.state.last_batch() == 0;
        if self.state.building().is_some() {
            return;
        }
        if missing {
            self.act(Happened::Changed { workspace: false }).await;
        } else {
            self.swap(self.state.last_batch()).await;
        }
    }

    /// Tells those who wait for cells to run what came of it, once nothing is under way.
    pub(super) async fn answer_waiting(&mut self) {
        let busy = self.state.building().is_some() || self.swapping > 0;
        if self.waiting.is_empty() || busy || self.state.is_stopping() {
            return;
        }
        let status = self.fleet.status().await;
        for (cells, answers) in std::mem::take(&mut self.waiting) {
            let wanted = |cell: &&Status| {
                let named = cells.contains(&cell.name) || cells.contains(&cell.package);
                // One that need not run and is not named is no failure.
                named || (cells.is_empty() && cell.state != "idle")
            };
            let (serving, failed): (Vec<&Status>, Vec<&Status>) = status
                .iter()
                .filter(wanted)
                .partition(|cell| cell.generation.is_some() && cell.ready_ms.is_some());
            let name = |cell: &&Status| cell.name.clone();
            let answer = serde_json::json!({"up": {
                "pid": std::process::id(),
                "serving": serving.iter().map(name).collect::<Vec<_>>(),
                "failed": failed.iter().map(name).collect::<Vec<_>>(),
            }});
            // The events before it may fill the channel: this one must not be lost.
            tokio::spawn(async move {
                let _ = answers.send(answer).await;
            });
        }
    }
}
