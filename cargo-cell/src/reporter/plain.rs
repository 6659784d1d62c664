//! Events as lines for people, on stderr, with cargo's right-aligned verbs.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Write};

use anstream::AutoStream;

use super::Settings;
use super::progress::Progress;
use crate::error::Error;
use crate::event::{Event, Level, Timings};
use crate::supervisor::SupervisorEvent;

const GREEN: &str = "\x1b[1;32m";
const CYAN: &str = "\x1b[1;36m";
const YELLOW: &str = "\x1b[1;33m";
const RED: &str = "\x1b[1;31m";
const RESET: &str = "\x1b[0m";

/// Lines of a cell that starts; one that serves is not listened to for long.
const SAID_MAX: usize = 64;

pub(super) struct Plain {
    err: AutoStream<std::io::Stderr>,
    settings: Settings,
    progress: Progress,
    /// Warnings wait for the end of a build: errors come first.
    warnings: Vec<String>,
    /// Cargo replays the warnings of what it did not rebuild: each is shown once.
    shown: HashSet<String>,
    /// In a dev loop the message of a broken build is the first thing on the screen.
    clears: bool,
    cleared: bool,
    /// What each cell printed since it was started, as far as it may explain why it did not come up.
    said: HashMap<String, Vec<String>>,
    /// Where the time of each save went is wanted.
    pub(super) timings: bool,
}

impl Plain {
    pub(super) fn new(err: AutoStream<std::io::Stderr>, settings: Settings) -> Self {
        Plain {
            err,
            settings,
            progress: Progress::new(settings.quiet == 0 && settings.verbose < 2 && !settings.json),
            warnings: Vec::new(),
            shown: HashSet::new(),
            clears: false,
            cleared: false,
            said: HashMap::new(),
            timings: false,
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        let chatty = self.settings.quiet == 0;
        match event {
            Event::CellsFound { cells, .. } => {
                let names: Vec<_> = cells.iter().map(|cell| cell.package.as_str()).collect();
                self.status(
                    chatty,
                    GREEN,
                    "Found",
                    &format!("{} ({})", count(cells.len(), "cell"), names.join(", ")),
                );
            }
            Event::Cycle { cells } => {
                let text = format!(
                    "cells call each other in a circle: {}; started all the same",
                    cells.join(" → ")
                );
                self.labelled(YELLOW, "warning", &text);
            }
            Event::Note { message } => self.labelled_if(chatty, CYAN, "note", message),
            Event::Warning { message } => self.labelled(YELLOW, "warning", message),
            Event::Failure { message, hints } => {
                self.labelled(RED, "error", message);
                self.hints(hints);
            }
            Event::Watching { folders } => {
                self.clears = std::io::stderr().is_terminal();
                self.status(chatty, GREEN, "Watching", &count(*folders, "folder"));
            }
            Event::ChangeSeen { paths } => self.status(chatty, CYAN, "Changed", &shortened(paths)),
            Event::ShaderSeen { path } => {
                self.status(
                    chatty,
                    CYAN,
                    "Shader",
                    &format!("{path} changed; nothing is rebuilt or restarted for it"),
                );
            }
            Event::ShaderPushed { .. } => {}
            Event::ShaderApplied { path, cell, ms, .. } => {
                let text = format!("{path} in {cell}, {ms:.0} ms after the save");
                self.status(chatty, GREEN, "Shader", &text);
            }
            Event::ShaderRefused {
                path,
                cell,
                message,
                ..
            } => {
                let text = format!("`{cell}` cannot use {path}: {message}");
                self.labelled(RED, "error", &text);
            }
            Event::ShaderRejected { rendered, kept, .. } => {
                self.raw(&format!("{}\n", rendered.trim_end()));
                if kept.is_some() {
                    let text = "the cells that hold it go on with the last good one";
                    self.status(chatty, YELLOW, "Kept", text);
                }
            }
            Event::BuildStarted { .. } => {
                self.cleared = false;
                self.progress.start();
            }
            Event::CargoStatus { line } => {
                self.progress.line(line);
                let important = line.starts_with("Blocking");
                if important || self.settings.verbose >= 2 {
                    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
                    self.status(chatty, CYAN, verb, rest.trim_start());
                }
            }
            Event::Diagnostic(diagnostic) => self.diagnostic(diagnostic),
            Event::BuildFinished {
                success,
                cargo_ms,
                failed,
                ..
            } => {
                self.progress.stop();
                for warning in std::mem::take(&mut self.warnings) {
                    self.raw(&warning);
                }
                if *success {
                    self.status(chatty, GREEN, "Built", &format!("in {}", span(*cargo_ms)));
                } else {
                    self.status(
                        true,
                        RED,
                        "Failed",
                        &format!("{} after {}", failed.join(", "), span(*cargo_ms)),
                    );
                }
            }
            Event::SchemaWritten { path, why } => {
                self.status(chatty, GREEN, "Wrote", &format!("{path} ({why})"))
            }
            Event::Bound {
                out,
                lang,
                cells,
                written,
                removed,
                ..
            } => {
                let mut done = vec![match written {
                    0 => "nothing to write".to_owned(),
                    written => format!("{} written", count(*written, "file")),
                }];
                done.extend((*removed > 0).then(|| format!("{} removed", count(*removed, "file"))));
                let text = format!(
                    "{} in {lang} to {out}: {}",
                    cells.join(", "),
                    done.join(", ")
                );
                self.status(chatty, GREEN, "Bound", &text);
            }
            Event::Held {
                blocker,
                cells,
                message,
            } => {
                self.clear_once();
                self.labelled(RED, "blocked", &format!("{blocker}: {message}"));
                self.status(
                    true,
                    YELLOW,
                    "Held",
                    &format!("{} on the old code", cells.join(", ")),
                );
            }
            Event::Unchanged { .. } => self.status(
                chatty,
                GREEN,
                "Unchanged",
                "no binary is different; nothing restarts",
            ),
            Event::Swapped { cells, .. } => {
                self.status(chatty, GREEN, "Serving", &cells.join(", "))
            }
            Event::SwapFailed { cells, culprit, .. } => {
                // Why it did not start was said when it failed.
                let others: Vec<&str> = cells
                    .iter()
                    .filter(|cell| *cell != culprit)
                    .map(String::as_str)
                    .collect();
                if !others.is_empty() {
                    let text = format!(
                        "{} on the old code, because `{culprit}` did not start",
                        others.join(", ")
                    );
                    self.status(true, YELLOW, "Held", &text);
                }
            }
            Event::Cell(event) => self.cell(chatty, event),
            Event::Timings(timings) => self.timings(chatty, timings),
            Event::Stopping { by } => self.status(chatty, CYAN, "Stopping", by),
            Event::Stopped => self.status(chatty, GREEN, "Stopped", "all cells"),
        }
    }

    fn cell(&mut self, chatty: bool, event: &SupervisorEvent) {
        let verbose = self.settings.verbose > 0;
        match event {
            // For whoever asked.
            SupervisorEvent::Measured { .. } => {}
            // The loop says what became of it.
            SupervisorEvent::Shader { .. } => {}
            SupervisorEvent::Starting { cell, generation } => {
                self.said.remove(cell);
                self.status(
                    chatty && verbose,
                    CYAN,
                    "Starting",
                    &format!("{cell}, generation {generation}"),
                );
            }
            SupervisorEvent::Ready {
                cell,
                generation,
                pid,
                sandbox,
            } => {
                self.said.remove(cell);
                let text = format!(
                    "{cell}, generation {generation}, pid {pid}, sandbox {}",
                    sandbox.kind
                );
                self.status(chatty, GREEN, "Ready", &text);
            }
            SupervisorEvent::Draining { cell, generation } => {
                self.status(
                    chatty && verbose,
                    CYAN,
                    "Draining",
                    &format!("{cell}, generation {generation}"),
                );
            }
            SupervisorEvent::Stopped { cell, generation } => {
                self.status(
                    chatty && verbose,
                    CYAN,
                    "Stopped",
                    &format!("{cell}, generation {generation}"),
                );
            }
            SupervisorEvent::Exited {
                cell,
                exit,
                last_log_lines,
                ..
            } => {
                self.labelled(RED, "error", &format!("`{cell}` {exit}"));
                self.said.remove(cell);
                self.explain(cell, last_log_lines);
            }
            SupervisorEvent::StartFailed {
                cell,
                reason,
                last_log_lines,
                old_serves,
                ..
            } => {
                self.clear_once();
                self.labelled(RED, "error", &format!("`{cell}` did not start: {reason}"));
                self.explain(cell, last_log_lines);
                if *old_serves {
                    self.status(
                        chatty,
                        YELLOW,
                        "Held",
                        &format!("{cell} serves on with the old code"),
                    );
                }
            }
            SupervisorEvent::Unavailable {
                cell,
                reason,
                last_log_lines,
            } => {
                self.status(chatty, YELLOW, "Unavailable", &format!("{cell}: {reason}"));
                if !last_log_lines.is_empty() {
                    self.explain(cell, last_log_lines);
                }
            }
            SupervisorEvent::Called { cell } => self.status(chatty, CYAN, "Called", cell),
            SupervisorEvent::Restarting { cell, in_ms } => {
                self.status(
                    chatty,
                    YELLOW,
                    "Restarting",
                    &format!("{cell} in {}", span(*in_ms as f64)),
                );
            }
            SupervisorEvent::Log { cell, line, .. } => {
                let said = self.said.entry(cell.clone()).or_default();
                if said.len() < SAID_MAX {
                    said.push(line.clone());
                }
                // A cell's own colours and cursor movements would tear the screen apart; colours alone are kept.
                self.raw(&format!("{CYAN}{cell:>12}{RESET} | {}\n", printable(line)));
            }
            SupervisorEvent::SandboxInForce { cell, sandbox } => {
                if let Some(weaker) = &sandbox.weaker {
                    self.labelled(
                        YELLOW,
                        "warning",
                        &format!("`{cell}` runs with sandbox {}: {weaker}", sandbox.kind),
                    );
                }
            }
            SupervisorEvent::Warning { message } => self.labelled(YELLOW, "warning", message),
        }
    }

    /// Repeats what a cell said about its end: it may be far above by now.
    fn explain(&mut self, cell: &str, last: &[String]) {
        let said = self.said.remove(cell).unwrap_or_else(|| last.to_vec());
        for line in essence(&said) {
            self.raw(&format!("{:>12} | {}\n", "", printable(line)));
        }
    }

    pub(super) fn error(&mut self, error: &Error) {
        self.labelled(RED, "error", &error.to_string());
        self.hints(&error.hints);
    }

    pub(super) fn line(&mut self, text: &str) {
        self.raw(&format!("{text}\n"));
    }

    pub(super) fn finish(&mut self) {
        self.progress.stop();
    }

    fn diagnostic(&mut self, diagnostic: &crate::event::Diagnostic) {
        match diagnostic.level {
            Level::Error => {
                self.clear_once();
                self.raw(&diagnostic.rendered);
            }
            _ if self.settings.quiet > 0 => {}
            _ => {
                if self.shown.insert(diagnostic.rendered.clone()) {
                    self.warnings.push(diagnostic.rendered.clone());
                }
            }
        }
    }

    fn timings(&mut self, chatty: bool, timings: &Timings) {
        if self.settings.verbose == 0 && !self.timings {
            return;
        }
        let text = format!(
            "seen +{:.0}, decided {:.0}, cargo {:.0}..{:.0}, schema {:.0}, serving {:.0} ms (overhead {:.0} ms)",
            timings.write_to_seen_ms,
            timings.decided_ms,
            timings.cargo_spawned_ms,
            timings.cargo_done_ms,
            timings.schema_done_ms,
            timings.swap_done_ms,
            timings.overhead_ms,
        );
        self.status(chatty, CYAN, "Timings", &text);
    }

    /// Clears the screen at the first bad news of a batch, so that the message is the first thing on it.
    fn clear_once(&mut self) {
        if self.clears && !self.cleared {
            self.raw("\x1b[2J\x1b[H");
        }
        self.cleared = true;
    }

    fn status(&mut self, show: bool, color: &str, verb: &str, text: &str) {
        if show {
            self.raw(&format!("{color}{verb:>12}{RESET} {text}\n"));
        }
    }

    fn labelled_if(&mut self, show: bool, color: &str, label: &str, text: &str) {
        if show {
            self.labelled(color, label, text);
        }
    }

    fn labelled(&mut self, color: &str, label: &str, text: &str) {
        self.raw(&format!("{color}{label}{RESET}: {text}\n"));
    }

    fn hints(&mut self, hints: &[String]) {
        for hint in hints {
            self.labelled(CYAN, "help", hint);
        }
    }

    fn raw(&mut self, text: &str) {
        let err = &mut self.err;
        // Nothing is left to do when stderr is closed.
        self.progress.suspend(|| {
            let _ = err.write_all(text.as_bytes());
            let _ = err.flush();
        });
    }
}

/// The panic's message without its backtrace, or else the last lines.
fn essence(lines: &[String]) -> &[String] {
    const LAST: usize = 8;
    match lines.iter().position(|line| line.contains("panicked at")) {
        Some(start) => {
            let end = lines[start..]
                .iter()
                .position(|line| line.starts_with("stack backtrace") || line.starts_with("note:"));
            &lines[start..end.map_or(lines.len(), |end| start + end).min(start + LAST)]
        }
        None => &lines[lines.len().saturating_sub(LAST)..],
    }
}

fn printable(line: &str) -> String {
    line.chars()
        .filter(|c| *c == '\t' || !c.is_control())
        .collect()
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

fn shortened(paths: &[String]) -> String {
    match paths {
        [a, b, c, rest @ ..] if !rest.is_empty() => {
            format!("{a}, {b}, {c} and {} more", rest.len())
        }
        _ => paths.join(", "),
    }
}

fn span(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_without_its_backtrace() {
        let lines = |text: &[&str]| {
            text.iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        let all = lines(&[
            "hello",
            "thread 'main' panicked at src/main.rs:1:1:",
            "no luck",
            "stack backtrace:",
            "0: x",
        ]);
        assert_eq!(essence(&all), &all[1..3]);
        let none = lines(&["a", "b"]);
        assert_eq!(essence(&none), &none[..]);
    }

    #[test]
    fn lists_are_cut_short() {
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(shortened(&names(3)), "0, 1, 2");
        assert_eq!(shortened(&names(500)), "0, 1, 2 and 497 more");
        assert_eq!(count(1, "cell"), "1 cell");
        assert_eq!(span(1534.0), "1.53 s");
    }
}
