//! `cargo cell up`

use std::path::Path;

use serde_json::Value;

use super::attach;
use crate::cli::Context;
use crate::dev::control::{Request, ask};
use crate::dev::detached;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::workspace::sandbox::{self, SandboxMode};
use crate::workspace::{Workspace, metadata};

/// Build and run every cell in the background
///
/// The loop of `dev` without a terminal: it goes on until `cargo cell down`. Returns when every cell serves, or has failed
/// to. Where the workspace runs already, this starts what does not run. A cell that is not named starts with its first call.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these cells; the others start when they are called [default: all]
    pub cells: Vec<String>,
    /// Build and start nothing before it is called
    #[arg(long, conflicts_with = "cells")]
    pub lazy: bool,
    /// How cells are confined: auto, bwrap or none
    #[arg(long, value_name = "KIND", value_parser = sandbox::NAMES)]
    pub sandbox: Option<String>,
    /// Stay and show what happens; Ctrl-C leaves the view
    #[arg(long)]
    pub attach: bool,
    /// Be the process in the background
    #[arg(long, hide = true)]
    pub serve: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let manifest = context.global.manifest_path.clone();
    let workspace = metadata::load(manifest.as_deref(), &metadata::current_dir()?)?;
    if workspace.cells.is_empty() {
        return Err(super::build::no_cells(&workspace));
    }
    let sandbox = args
        .sandbox
        .as_deref()
        .map(|name| SandboxMode::named(name, "--sandbox"))
        .transpose()?;
    if args.serve {
        let only = (args.lazy || !args.cells.is_empty()).then(|| args.cells.clone());
        return detached::serve(context, workspace, sandbox, only);
    }
    let run_dir = crate::workspace::Dirs::new(&context.home, &workspace.root).run;
    start(context, &workspace, args)?;
    if args.attach {
        attach::follow(context, &run_dir)?;
    }
    Ok(())
}

fn start(context: &Context, workspace: &Workspace, args: &Args) -> Result<()> {
    let dirs = crate::workspace::Dirs::new(&context.home, &workspace.root);
    // Two at once: the second waits here until the first can be asked.
    let turn = detached::turn(&dirs)?;
    let outcome = match wait(context, &dirs.run, args, false)? {
        Some(outcome) => outcome,
        None => {
            let mut arguments = args.cells.clone();
            if args.lazy {
                arguments.push("--lazy".to_owned());
            }
            if let Some(sandbox) = &args.sandbox {
                arguments.extend(["--sandbox".to_owned(), sandbox.clone()]);
            }
            detached::start(&context.home, workspace, &dirs, &arguments)?;
            drop(turn);
            wait(context, &dirs.run, args, true)?.ok_or_else(ended)?
        }
    };
    told(context, &outcome)
}

/// Waits until every cell serves or has failed to; nothing when no loop runs.
fn wait(context: &Context, run_dir: &Path, args: &Args, past: bool) -> Result<Option<Value>> {
    if args.lazy {
        // Nobody is to run: it is enough that it can be asked.
        let status = super::status_of(run_dir)?;
        return Ok(status.map(|status| serde_json::json!({"pid": status["pid"]})));
    }
    let mut outcome = None;
    let request = Request::Up {
        cells: args.cells.clone(),
        past,
    };
    let answered = ask(run_dir, &request, &mut |answer| {
        attach::show(context, &answer);
        if answer["up"].is_object() {
            outcome = Some(answer["up"].clone());
        }
        outcome.is_none()
    })?;
    match (answered, outcome) {
        (false, _) => Ok(None),
        (true, Some(outcome)) => Ok(Some(outcome)),
        (true, None) => Err(ended()),
    }
}

fn ended() -> Error {
    Error::environment("it ended before every cell served")
        .hint("`cargo cell dev` shows what happens in this terminal")
}

fn told(context: &Context, outcome: &Value) -> Result<()> {
    let failed: Vec<&str> = outcome["failed"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let pid = outcome["pid"].as_u64().unwrap_or_default();
    if failed.is_empty() {
        let cells = outcome["serving"].as_array().map_or(0, Vec::len);
        let message = format!(
            "{cells} {} in the background (pid {pid}); `cargo cell attach` shows what happens, `cargo cell down` stops it",
            if cells == 1 { "cell runs" } else { "cells run" }
        );
        context.reporter.event(&Event::Note { message });
        return Ok(());
    }
    let names: Vec<String> = failed.iter().map(|name| format!("`{name}`")).collect();
    let verb = if failed.len() == 1 { "does" } else { "do" };
    let error = format!(
        "{} {verb} not serve; the others go on in the background (pid {pid})",
        names.join(", ")
    );
    Err(Error::user(error).hint("`cargo cell status` says why; `cargo cell down` stops everything"))
}
