//! Runs cargo and reads what it says.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of `build` for cargo"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::messages::{self, Binary, Message};
use crate::error::{Error, Result};
use crate::event::{Diagnostic, Event, Sink};
use crate::supervisor::Exit;
use crate::supervisor::process::guarded_command_with;

/// A cargo command.
#[derive(Debug, Clone)]
pub struct Job {
    /// The workspace's root.
    pub root: PathBuf,
    /// Arguments after the fixed ones, for example `--release`.
    pub extra: Vec<String>,
    /// The executable that guards cargo: this one, but for tests.
    pub keeper: PathBuf,
}

/// What a cargo process said.
#[derive(Debug, Default)]
pub struct Said {
    /// The binaries that are up to date.
    pub binaries: Vec<Binary>,
    /// Messages of the compiler with the package's id.
    pub diagnostics: Vec<(String, Diagnostic)>,
    /// Whether everything compiled.
    pub success: bool,
    /// Whether cargo got as far as compiling: otherwise the manifest or the toolchain is at fault.
    pub finished: bool,
    /// What cargo wrote to stderr, without its status lines.
    pub complaints: Vec<String>,
}

/// When a cargo process was spawned and when it was done.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The process exists.
    pub spawned: Instant,
    /// The process has ended.
    pub done: Instant,
}

/// Runs one cargo process over the workspace. Always the same one: other `-p` sets unify features differently and give
/// other binaries. `spawned` is told when it runs, `linked` of each binary as soon as cargo names it.
pub async fn run(
    job: &Job,
    sink: &Sink,
    spawned: &(dyn Fn() + Sync),
    linked: &(dyn Fn(&Binary) + Sync),
) -> Result<(Said, Span)> {
    let cargo = crate::workspace::metadata::cargo();
    let fixed = [
        "build",
        "--workspace",
        "--bins",
        "--keep-going",
        "--message-format=json-diagnostic-rendered-ansi",
    ];
    let mut argv = vec![cargo];
    argv.extend(fixed.iter().map(OsString::from));
    argv.extend(job.extra.iter().map(OsString::from));
    let env = [("CARGO_TERM_COLOR".into(), Some("never".into()))];
    // Dropping the child kills cargo and everything that it started.
    let mut child = guarded_command_with(&job.keeper, &argv, &env, &job.root)
        .await
        .map_err(|error| {
            error
                .hint("install a Rust toolchain from https://rustup.rs, or run `cargo cell doctor`")
        })?;
    let started = Instant::now();
    spawned();
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::bug("cargo was started without pipes"));
    };
    let mut said = Said::default();
    let mut stdout = BufReader::new(stdout).split(b'\n');
    let mut stderr = BufReader::new(stderr).split(b'\n');
    let (mut more_out, mut more_err) = (true, true);
    while more_out || more_err {
        tokio::select! {
            line = stdout.next_segment(), if more_out => match line {
                Ok(Some(line)) => hear(&mut said, &String::from_utf8_lossy(&line), linked),
                _ => more_out = false,
            },
            line = stderr.next_segment(), if more_err => match line {
                Ok(Some(line)) => complain(&mut said, String::from_utf8_lossy(&line).trim_end(), sink),
                _ => more_err = false,
            },
        }
    }
    let exit = child.wait().await?;
    said.success &= exit == Exit::Code(0);
    Ok((
        said,
        Span {
            spawned: started,
            done: Instant::now(),
        },
    ))
}

fn hear(said: &mut Said, line: &str, linked: &dyn Fn(&Binary)) {
    match messages::parse(line) {
        Some(Message::Binary(binary)) => {
            linked(&binary);
            said.binaries.push(binary);
        }
        Some(Message::Diagnostic {
            package_id,
            diagnostic,
        }) => said.diagnostics.push((package_id, diagnostic)),
        Some(Message::Finished { success }) => {
            said.success = success;
            said.finished = true;
        }
        None => {}
    }
}

/// Cargo indents its status lines to twelve columns; anything else on stderr is a complaint.
fn complain(said: &mut Said, line: &str, sink: &Sink) {
    let status = line
        .strip_prefix("   ")
        .map(str::trim_start)
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    match status {
        Some(status) => sink.send(Event::CargoStatus {
            line: status.to_owned(),
        }),
        None if line.trim().is_empty() => {}
        None => said.complaints.push(line.to_owned()),
    }
}
