//! `cargo cell check`

use cell_runtime::schema::Impact;
use serde_json::{Value, json};

use super::build;
use crate::build::{Batch, Writes};
use crate::cli::Context;
use crate::error::{Error, Result};
use crate::schema_files::baseline::{self, Schemas};
use crate::schema_files::changes::{CellChanges, changes};

/// Compile and say how the schemas differ from the committed ones
///
/// Explains each change field by field: breaking on the wire (the bytes of the same message differ), in the source only
/// (names or containers changed), or none.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fail where a committed snapshot, lock or binding is not what a build would write
    #[arg(long)]
    pub locked: bool,
    /// Compare with the snapshots in a folder, or with those that a git revision has committed
    #[arg(long, value_name = "DIR|GIT-REV")]
    pub against: Option<String>,
    /// Fail where a schema has changed on the wire, or at least in the source
    #[arg(long, value_enum, value_name = "IMPACT")]
    pub deny: Option<Deny>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// From which impact on a change is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Deny {
    /// The bytes of the same message differ
    Wire,
    /// Names or containers changed, too
    Source,
}

impl Deny {
    fn from(self) -> Impact {
        match self {
            Deny::Wire => Impact::BreakingOnTheWire,
            Deny::Source => Impact::SourceOnly,
        }
    }
}

/// Runs the command. Nothing is written.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    // A name that means nothing is said before anything is compiled.
    let (workspace, _) = super::place(context)?;
    let old = match &args.against {
        Some(what) => baseline::against(what, &workspace.root)?,
        None => baseline::committed(&workspace.root)?,
    };
    let (_, batch) = build::batch(context, Writes::Nothing, Vec::new())?;
    let new: Schemas = batch
        .built
        .values()
        .filter_map(|built| built.snapshot.as_deref())
        .map(|snapshot| (snapshot.name.clone(), snapshot.clone()))
        .collect();
    // What did not compile is not gone.
    let cells = changes(&old, &new, batch.success);
    if args.json || context.reporter.is_json() {
        context
            .reporter
            .result(&as_json(args, &batch, &cells).to_string());
    } else {
        context
            .reporter
            .result(as_text(args, &batch, &cells).trim_end());
    }
    build::succeed(&batch)?;
    if let Some(deny) = args.deny {
        denied(deny, &cells)?;
    }
    let (own, bound) = (batch.differences.len(), batch.bound_differences.len());
    if args.locked && own + bound > 0 {
        let files = if own + bound == 1 {
            "file is"
        } else {
            "files are"
        };
        let mut error = Error::user(format!(
            "{} committed {files} not what a build would write",
            own + bound
        ));
        if own > 0 {
            error = error.hint("run `cargo cell build` and commit what it writes");
        }
        if bound > 0 {
            error = error.hint("run `cargo cell bind` and commit what it writes");
        }
        return Err(error);
    }
    Ok(())
}

fn denied(deny: Deny, cells: &[CellChanges]) -> Result<()> {
    let denied: Vec<String> = cells
        .iter()
        .filter(|cell| cell.impact() >= deny.from())
        .map(|cell| format!("`{}`: {}", cell.cell, cell.impact()))
        .collect();
    if denied.is_empty() {
        return Ok(());
    }
    let what = denied.join(", ");
    Err(
        Error::user(format!("schemas have changed, which is denied: {what}"))
            .hint("take the change back, or run the check without `--deny`"),
    )
}

fn as_json(args: &Args, batch: &Batch, cells: &[CellChanges]) -> Value {
    let file = |(path, what): &(String, String)| json!({"path": path, "what": what});
    let differences = batch.differences.iter().chain(&batch.bound_differences);
    let impact = cells.iter().map(|cell| cell.impact()).max();
    json!({
        "compiles": batch.success,
        "against": args.against,
        "impact": impact,
        "cells": cells.iter().map(CellChanges::to_json).collect::<Vec<_>>(),
        "differences": differences.map(file).collect::<Vec<_>>(),
    })
}

fn as_text(args: &Args, batch: &Batch, cells: &[CellChanges]) -> String {
    let mut text: String = cells.iter().map(ToString::to_string).collect();
    if cells.is_empty() && batch.success {
        text.push_str("no schema has changed\n");
    }
    // Beside another revision's schemas the state of the committed files matters to those who ask for it alone.
    if args.against.is_none() || args.locked {
        for (path, what) in batch.differences.iter().chain(&batch.bound_differences) {
            let what = what.lines().next().unwrap_or_default();
            text.push_str(&format!("{path}: {what}\n"));
        }
    }
    text
}
