//! The loop without a terminal: started by `cargo cell up`, stopped by `cargo cell down`.
//!
//! The process in the background says on its stdout, one line of JSON, that it can be asked, or why it cannot; then it lets
//! go of everything that it has from the one that started it.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of starting a process in the background"
)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Options, start as start_loop};
use crate::cli::Context;
use crate::error::{Context as _, Error, Kind, Result};
use crate::workspace::sandbox::SandboxMode;
use crate::workspace::{Dirs, Workspace};

/// What the background process says itself, beside the logs of the cells.
pub const LOG: &str = "stem.log";

/// The right to start the background process; given back when dropped.
pub struct Turn {
    _file: File,
}

/// Waits until nobody else is starting one.
pub fn turn(dirs: &Dirs) -> Result<Turn> {
    let cannot = || format!("cannot use the run folder `{}`", dirs.run.display());
    cell_runtime::discovery::create_private_dir(&dirs.run).environment(cannot)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(dirs.run.join("up.lock"))
        .environment(cannot)?;
    file.lock().environment(cannot)?;
    Ok(Turn { _file: file })
}

/// Starts the background process and returns once it can be asked.
pub fn start(home: &Path, workspace: &Workspace, dirs: &Dirs, arguments: &[String]) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let cannot = || "cannot start the process in the background".to_owned();
    std::fs::create_dir_all(&dirs.log).environment(cannot)?;
    let path = dirs.log.join(LOG);
    let log = File::create(&path).environment(cannot)?;
    // The executable as it is now: a build may replace the one of this name.
    let mut child = Command::new("/proc/self/exe")
        .arg0("cargo-cell")
        .args(["up", "--serve", "--ui", "plain", "--color", "never"])
        .arg("--home")
        .arg(home)
        .arg("--manifest-path")
        .arg(&workspace.root)
        .args(arguments)
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .environment(cannot)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .environment(cannot)?;
    }
    let said: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
    if said["serving"] == true {
        return Ok(());
    }
    let strings = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect()
    };
    let mut error = match said["message"].as_str() {
        Some(message) => Error::new(kind(&said["code"]), message),
        None => Error::environment("the process in the background ended at once")
            .hint(format!("`{}` has its last words", path.display())),
    };
    error.causes = strings(&said["causes"]);
    error.hints.extend(strings(&said["hints"]));
    Err(error)
}

fn kind(code: &Value) -> Kind {
    let kinds = [Kind::User, Kind::Usage, Kind::Environment, Kind::Bug];
    let code = code.as_u64().unwrap_or_default();
    let found = kinds
        .into_iter()
        .find(|kind| u64::from(kind.exit_code()) == code);
    found.unwrap_or(Kind::Environment)
}

/// Is the process in the background.
pub fn serve(
    context: &Context,
    workspace: Workspace,
    sandbox: Option<SandboxMode>,
    only: Option<Vec<String>>,
) -> Result<()> {
    // A session of its own: neither the end of the terminal nor its Ctrl-C are meant for it. One that leads a session
    // already cannot, and need not.
    let _ = nix::unistd::setsid();
    let manifest = workspace.root.clone();
    let options = Options {
        workspace,
        manifest,
        sandbox,
        only,
        detached: Some(Box::new(|| say(&json!({"serving": true})))),
    };
    let outcome = start_loop(context, options);
    if let Err(error) = &outcome {
        say(&json!({
            "code": error.kind.exit_code(), "message": error.message, "causes": error.causes, "hints": error.hints,
        }));
    }
    outcome
}

/// Says the one line, and hangs up.
fn say(value: &Value) {
    let mut stdout = std::io::stdout();
    // Whoever started it may be gone.
    let _ = writeln!(stdout, "{value}").and_then(|()| stdout.flush());
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(null);
    }
}
