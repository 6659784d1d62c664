//! One file a command: `Args`, whose doc comment is the help, and a thin call into the part that does the work.

pub mod attach;
pub mod bind;
pub mod build;
pub mod call;
mod call_items;
pub mod check;
pub mod clean;
pub mod completions;
pub mod dev;
pub mod doctor;
pub mod down;
pub mod keys;
pub mod lock;
pub mod logs;
pub mod new;
pub mod relay;
pub mod restart;
pub mod schema;
pub mod status;
pub mod top;
pub mod up;

use std::os::fd::AsFd;
use std::path::Path;

use serde_json::Value;

use crate::cli::Context;
use crate::dev::control::{Request, ask};
use crate::error::{Error, Result};
use crate::schema_files::find::Shelves;
use crate::workspace::{Dirs, Workspace, metadata};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The workspace that a command is about, and its folders.
fn place(context: &Context) -> Result<(Workspace, Dirs)> {
    let workspace = metadata::load(
        context.global.manifest_path.as_deref(),
        &metadata::current_dir()?,
    )?;
    let dirs = Dirs::new(&context.home, &workspace.root);
    Ok((workspace, dirs))
}

/// Where snapshots may lie, and the workspace that a command runs in, if there is one.
fn shelves(context: &Context) -> Result<(Shelves, Option<Workspace>)> {
    let current = metadata::current_dir()?;
    let manifest = context.global.manifest_path.as_deref();
    let workspace = match metadata::load(manifest, &current) {
        Ok(workspace) => Some(workspace),
        // A snapshot is enough: neither a workspace nor cargo must be there.
        Err(_) if manifest.is_none() && !metadata::has_manifest(&current) => None,
        Err(error) => return Err(error),
    };
    let here = workspace.as_ref().map(|workspace| {
        let schema_dir = Dirs::new(&context.home, &workspace.root).schema;
        (workspace.root.join("schema"), schema_dir)
    });
    let home = context.home.join("schema");
    Ok((Shelves { here, home }, workspace))
}

/// What the loop that runs says of its cells; nothing where none runs.
fn status_of(run_dir: &Path) -> Result<Option<Value>> {
    let mut status = None;
    ask(run_dir, &Request::Status, &mut |answer| {
        status = Some(answer);
        false
    })?;
    Ok(status)
}

fn nothing_runs() -> Error {
    Error::environment("nothing runs in this workspace")
        .hint("start it with `cargo cell dev`, or in the background with `cargo cell up`")
}

/// Rows with their columns two spaces apart.
/// Whether nobody reads what this process prints any more, as behind `| head`: what follows something ends then.
fn nobody_reads() -> bool {
    let stdout = std::io::stdout();
    let mut ends = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    // What cannot be asked is read.
    poll(&mut ends, PollTimeout::ZERO).is_ok()
        && ends[0]
            .revents()
            .is_some_and(|found| found.intersects(gone))
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}", width = *width))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}
