//! A client of the cell that is edited: it calls until the new code answers, whoever started that code.
#![expect(
    clippy::disallowed_methods,
    reason = "it starts a process and reads the clock"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Only something that is stuck takes longer.
const WATCHDOG: Duration = Duration::from_secs(120);

const MANIFEST: &str = r#"[workspace]

[package]
name = "probe"
version = "0.1.0"
edition = "2024"

[dependencies]
cell-sdk = { package = "cell-runtime", path = "RUNTIME" }
tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }

[profile.dev]
debug = "line-tables-only"
"#;

/// A call that takes long is given up and made again: the client waits longer and longer between its own tries, and that is no
/// time of whoever is measured. It does not call more often because a call takes processor time from the compiler, where it is
/// answered: five times as many slowed the build of the only side that answers meanwhile by a tenth.
const SOURCE: &str = r#"use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cell_sdk::cell;

cell::client!("button_service");

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for line in std::io::stdin().lines() {
        let wanted: f32 = line.expect("a line").parse().expect("a number");
        let (mut silence, mut failed, mut heard) = (Duration::ZERO, 0, Instant::now());
        loop {
            let call = button_service::get_state("probe".into());
            match tokio::time::timeout(Duration::from_millis(10), call).await {
                Ok(Ok(state)) => {
                    silence = silence.max(heard.elapsed());
                    heard = Instant::now();
                    if state.hover_t == wanted {
                        break;
                    }
                }
                Ok(Err(_)) => failed += 1,
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date");
        println!("{} {} {failed}", at.as_micros(), silence.as_micros());
    }
}
"#;

/// The program, built.
pub(super) struct Program(PathBuf);

/// A probe that runs. It ends with this value.
pub(super) struct Probe {
    child: Child,
    wanted: ChildStdin,
    answers: Receiver<String>,
}

/// When the new code answered, and what a caller noticed until then.
pub(super) struct Answered {
    /// Since 1970.
    pub(super) at: Duration,
    /// The longest time without an answer.
    pub(super) silence: Duration,
    /// Calls that failed.
    pub(super) failed: u64,
}

impl Program {
    /// Builds the probe beside a workspace of the template `hello`.
    pub(super) fn build(folder: &Path, hello: &Path, target: &Path) -> Result<Self> {
        let runtime = shell::root().join("cell-runtime");
        let manifest = MANIFEST.replace("RUNTIME", &runtime.to_string_lossy());
        for inner in ["src", "cells"] {
            std::fs::create_dir_all(folder.join(inner))?;
        }
        shell::write(&folder.join("Cargo.toml"), &manifest)?;
        shell::write(&folder.join("src/main.rs"), SOURCE)?;
        for file in ["button_service.rs", "button_service.lock"] {
            let binding = hello.join("panel/cells").join(file);
            std::fs::copy(&binding, folder.join("cells").join(file))
                .with_context(|| format!("cannot copy `{}`", binding.display()))?;
        }
        // The versions that the workspace has: what is built for it is built.
        std::fs::copy(hello.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let mut cargo = shell::cargo();
        cargo.current_dir(folder).args(["build", "--quiet"]);
        shell::run(cargo.env("CARGO_TARGET_DIR", target))?;
        Ok(Program(target.join("debug/probe")))
    }

    /// Starts it against the cells of a home.
    pub(super) fn start(&self, home: &Path) -> Result<Probe> {
        let mut child = Command::new(&self.0)
            .env("CELL_HOME", home)
            .env_remove("CELL_RUN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the probe")?;
        let (Some(wanted), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the probe has no pipes");
        };
        let (lines, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Probe {
            child,
            wanted,
            answers,
        })
    }
}

impl Probe {
    /// From now on it calls, until this is the answer.
    pub(super) fn want(&mut self, value: &str) -> Result<()> {
        writeln!(self.wanted, "{value}").context("the probe has ended")
    }

    /// Waits until what was wanted last is the answer.
    pub(super) fn answered(&mut self) -> Result<Answered> {
        let line = self
            .answers
            .recv_timeout(WATCHDOG)
            .context("the new code never answered")?;
        let numbers: Vec<u64> = line
            .split(' ')
            .map_while(|word| word.parse().ok())
            .collect();
        let [at, silence, failed] = numbers[..] else {
            bail!("the probe says `{line}`");
        };
        Ok(Answered {
            at: Duration::from_micros(at),
            silence: Duration::from_micros(silence),
            failed,
        })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The time since 1970, on the clock that the probe reads too.
pub(super) fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}
