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
    let before = super::status_of(&dirs.run)?.map(|status| ready(&status));
    let outcome = match wait(context, &dirs.run, args, false)? {
        Some(outcome) => {
            if let Some(sandbox) = &args.sandbox {
                let message = format!(
                    "`--sandbox {sandbox}` changes nothing: what runs keeps what it was started with; `cargo cell down` stops it"
                );
                context.reporter.event(&Event::Warning { message });
            }
            outcome
        }
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
    told(context, &outcome, before.as_deref())
}

/// The cells that serve.
fn ready(status: &Value) -> Vec<String> {
    let cells = status["cells"].as_array().into_iter().flatten();
    let serve = cells.filter(|cell| cell["state"] == "ready");
    serve
        .filter_map(|cell| cell["name"].as_str().map(str::to_owned))
        .collect()
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

fn told(context: &Context, outcome: &Value, before: Option<&[String]>) -> Result<()> {
    let failed: Vec<&str> = outcome["failed"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let pid = outcome["pid"].as_u64().unwrap_or_default();
    if failed.is_empty() {
        let serving = outcome["serving"].as_array().into_iter().flatten();
        let serving: Vec<&str> = serving.filter_map(Value::as_str).collect();
        let message = said(&serving, pid, before);
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

/// What became of it: started, found running, or added to what ran. `before` are the cells that served already, where a
/// supervisor ran.
fn said(serving: &[&str], pid: u64, before: Option<&[String]>) -> String {
    let count = match serving.len() {
        1 => "1 cell runs".to_owned(),
        cells => format!("{cells} cells run"),
    };
    let help = "`cargo cell attach` shows what happens, `cargo cell down` stops it";
    let Some(before) = before else {
        return format!("{count} in the background (pid {pid}); {help}");
    };
    let is_new = |cell: &&&str| !before.iter().any(|old| old == **cell);
    let added: Vec<String> = serving
        .iter()
        .filter(is_new)
        .map(|cell| format!("`{cell}`"))
        .collect();
    match added.is_empty() {
        true => format!(
            "{count} already in the background (pid {pid}), nothing was to be started; {help}"
        ),
        false => format!(
            "added {} to what runs in the background (pid {pid}): {count}; {help}",
            added.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_whether_it_started_attached_or_added() {
        let ran = ["a".to_owned()];
        type Case<'a> = (&'a [&'a str], Option<&'a [String]>, &'a str);
        let table: [Case<'_>; 5] = [
            (&["a", "b"], None, "2 cells run in the background (pid 7); "),
            (&[], None, "0 cells run in the background (pid 7); "),
            (
                &["a"],
                Some(&ran),
                "1 cell runs already in the background (pid 7), nothing was to be started; ",
            ),
            (
                &["a", "b"],
                Some(&ran),
                "added `b` to what runs in the background (pid 7): 2 cells run; ",
            ),
            (
                &["a", "b"],
                Some(&[]),
                "added `a`, `b` to what runs in the background (pid 7): 2 cells run; ",
            ),
        ];
        for (serving, before, start) in table {
            let said = said(serving, 7, before);
            assert!(said.starts_with(start), "{said}");
        }
    }
}
