//! A running `cargo cell dev`, read through its JSON events.
#![expect(
    clippy::disallowed_methods,
    reason = "tasks run commands and read the clock"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The tool, a workspace and the loop that runs in it. The loop ends with this value.
pub struct Session {
    tool: PathBuf,
    workspace: PathBuf,
    home: PathBuf,
    child: Child,
    events: std::io::Lines<BufReader<ChildStdout>>,
    /// The last batch that an event spoke of.
    batch: u64,
}

/// A cell that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u64,
}

impl Session {
    /// Starts the loop. What it builds goes to `target`.
    pub fn start(tool: &Path, workspace: &Path, home: &Path, target: &Path) -> Result<Self> {
        let mut child = base(tool, workspace, home)
            .args(["--ui", "json", "dev"])
            .env("CARGO_TARGET_DIR", target)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start `cargo cell dev`")?;
        let out = child.stdout.take().context("the loop has no output")?;
        let events = BufReader::new(out).lines();
        Ok(Session {
            tool: tool.to_owned(),
            workspace: workspace.to_owned(),
            home: home.to_owned(),
            child,
            events,
            batch: 0,
        })
    }

    /// The next event.
    pub fn event(&mut self) -> Result<Value> {
        match self.events.next() {
            Some(line) => {
                let line = line?;
                let event: Value =
                    serde_json::from_str(&line).with_context(|| format!("`{line}` is no JSON"))?;
                self.batch = self.batch.max(event["batch"].as_u64().unwrap_or(0));
                Ok(event)
            }
            None => bail!("`cargo cell dev` ended: {}", self.child.wait()?),
        }
    }

    /// Reads events until one is taken.
    pub fn until<T>(&mut self, mut take: impl FnMut(&Value) -> Option<T>) -> Result<T> {
        loop {
            let event = self.event()?;
            if event["reason"] == "error" {
                bail!("`cargo cell dev` failed: {event}");
            }
            if let Some(taken) = take(&event) {
                return Ok(taken);
            }
        }
    }

    /// Makes an edit and reads events until its code serves; earlier batches may still be on their way.
    pub fn edit<T>(
        &mut self,
        cell: &str,
        edit: impl FnOnce() -> Result<T>,
        mut show: impl FnMut(&Value),
    ) -> Result<T> {
        let before = self.batch;
        let done = edit()?;
        self.until(|event| {
            show(event);
            let cells = event["cells"].as_array();
            let serves = event["reason"] == "swapped"
                && cells.is_some_and(|cells| cells.iter().any(|name| name == cell));
            (serves && event["batch"].as_u64() > Some(before)).then_some(())
        })?;
        Ok(done)
    }

    /// Another command of the tool in the same workspace.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = base(&self.tool, &self.workspace, &self.home);
        command.args(args);
        command
    }

    /// Calls a route and returns the JSON that it prints.
    pub fn call(&self, cell: &str, route: &str, arguments: &[&str]) -> Result<String> {
        let mut args = vec!["call", cell, route];
        args.extend(arguments);
        Ok(crate::shell::output(&mut self.command(&args))?
            .trim()
            .to_owned())
    }

    /// The cells that serve, by name.
    pub fn serving(&self) -> Result<Vec<Serving>> {
        let status: Value = serde_json::from_str(&crate::shell::output(
            &mut self.command(&["status", "--json"]),
        )?)?;
        let cells = status["cells"].as_array().cloned().unwrap_or_default();
        let mut serving: Vec<Serving> = cells
            .iter()
            .filter(|cell| cell["state"] == "ready")
            .filter_map(|cell| {
                Some(Serving {
                    name: cell["name"].as_str()?.to_owned(),
                    pid: cell["pid"].as_u64()?,
                })
            })
            .collect();
        serving.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(serving)
    }

    /// Reads events until this many cells serve.
    pub fn until_serving(
        &mut self,
        count: usize,
        mut show: impl FnMut(&Value),
    ) -> Result<Vec<Serving>> {
        loop {
            let event = self.until(|event| {
                show(event);
                let ends = event["what"] == "ready"
                    || ["swapped", "swap-failed", "failure"]
                        .iter()
                        .any(|reason| event["reason"] == **reason);
                ends.then(|| event.clone())
            })?;
            let serving = self.serving()?;
            if serving.len() == count {
                return Ok(serving);
            }
            ensure!(
                event["reason"] != "swap-failed" && event["reason"] != "failure",
                "a cell did not start: {}",
                event["message"]
            );
        }
    }

    /// Waits until the loop ends by itself.
    pub fn wait(mut self) -> Result<()> {
        for line in self.events.by_ref() {
            line?;
        }
        self.child.wait()?;
        Ok(())
    }

    /// Stops the loop as a user would, and checks that it ended well.
    pub fn down(mut self) -> Result<()> {
        crate::shell::output(&mut self.command(&["down"]))?;
        for line in self.events.by_ref() {
            line?;
        }
        let status = self.child.wait()?;
        ensure!(
            status.success(),
            "`cargo cell dev` did not end well: {status}"
        );
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Killing the tool is enough: nothing outlives it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn base(tool: &Path, workspace: &Path, home: &Path) -> Command {
    let mut command = Command::new(tool);
    command.current_dir(workspace).env("CELL_HOME", home);
    command
}
