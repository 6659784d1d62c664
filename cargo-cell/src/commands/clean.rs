//! `cargo cell clean`
#![expect(clippy::disallowed_methods, reason = "it removes what was left behind")]

use std::path::PathBuf;

use crate::cli::Context;
use crate::error::Result;
use crate::event::Event;
use crate::supervisor::session;
use crate::workspace::{Dirs, metadata};

/// Reap what a crash or a power cut left behind
///
/// Only what a dead `cargo cell dev` left: processes, sockets, leases. Refused while one runs. What cells keep in their
/// data folders is never touched.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also remove the copies of schemas and binaries of this workspace
    #[arg(long)]
    pub all: bool,
}

/// Runs the command: for the workspace that it runs in, or else for every workspace.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let manifest = context.global.manifest_path.as_deref();
    let folders = match metadata::load(manifest, &metadata::current_dir()?) {
        Ok(workspace) => {
            let dirs = Dirs::new(&context.home, &workspace.root);
            clean(context, &dirs.run)?;
            if args.all {
                let kept = [dirs.bin, dirs.log, dirs.schema, dirs.run.join("schema")];
                for folder in kept {
                    // What is not there needs no removing.
                    let _ = std::fs::remove_dir_all(folder);
                }
            }
            return Ok(());
        }
        Err(error) if manifest.is_some() => return Err(error),
        Err(_) => every(context),
    };
    for folder in folders {
        if let Err(error) = clean(context, &folder) {
            // One that runs is no reason to leave the others as they are.
            context.reporter.event(&Event::Note {
                message: error.to_string(),
            });
        }
    }
    Ok(())
}

fn clean(context: &Context, folder: &std::path::Path) -> Result<()> {
    let cleaned = session::clean(folder)?;
    let message = if cleaned == session::Cleaned::default() {
        format!("nothing was left in `{}`", folder.display())
    } else {
        format!(
            "removed {} and {} in `{}`",
            counted(cleaned.processes.len(), "process", "processes"),
            counted(cleaned.sockets.len(), "socket", "sockets"),
            folder.display()
        )
    };
    context.reporter.event(&Event::Note { message });
    Ok(())
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn every(context: &Context) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(context.home.join("run"))
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}
