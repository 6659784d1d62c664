//! The loop's control socket, `$run_dir/stem.control`: JSON lines for the commands that talk to a loop that runs.
//!
//! A request is one line, an answer one or more lines and the end of the stream.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the loop's control socket"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{self, UnboundedSender};

use super::event_loop::Input;
use crate::error::{Context, Error, Result};

/// The file name in the run folder.
pub const NAME: &str = "stem.control";
/// Answers that wait for a slow reader.
pub(super) const ANSWERS_MAX: usize = 4096;
/// No request is longer.
const REQUEST_MAX: u64 = 64 << 10;
/// A loop that lives answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked of a running loop.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Every cell's state.
    Status,
    /// What cells printed.
    Logs {
        /// Only these cells; all when empty.
        cells: Vec<String>,
        /// How many past lines of each.
        lines: usize,
        /// Go on with what comes.
        follow: bool,
    },
    /// New generations of the same binaries.
    Restart {
        /// These cells; all when empty.
        cells: Vec<String>,
    },
    /// These cells are to stop; a call, a restart or `up` starts them again.
    Stop {
        /// The cells.
        cells: Vec<String>,
    },
    /// Every cell is to say how many calls it answers, as an event.
    Measure,
    /// Every event from now on.
    Events {
        /// First what happened lately.
        past: bool,
        /// But only what came after the event of this number.
        #[serde(default)]
        after: u64,
    },
    /// These cells are to run; all when empty. Answered with events until they do or cannot, and then with what came of it.
    Up {
        /// The cells.
        cells: Vec<String>,
        /// First what happened lately.
        past: bool,
    },
    /// Build again, although nothing changed.
    Rebuild,
    /// Stop everything and leave.
    Down,
}

/// Where answers go; dropping it ends the stream.
pub type Answers = mpsc::Sender<Value>;

/// The bound socket; it is unlinked when dropped.
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Binds the socket in the run folder and passes requests to the loop. Refuses when another loop answers there.
    pub fn bind(run_dir: &Path, inputs: UnboundedSender<Input>) -> Result<Self> {
        let path = run_dir.join(NAME);
        if UnixStream::connect(&path).is_ok() {
            return Err(Error::environment(
                "this workspace is run by another `cargo cell` already",
            )
            .hint("stop it with `cargo cell down`, or look at it with `cargo cell status`"));
        }
        // What does not answer was left behind.
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::environment(format!(
                    "cannot remove the dead socket `{}`",
                    path.display()
                ))
                .because(cause));
            }
            _ => {}
        }
        let listener = tokio::net::UnixListener::bind(&path)
            .environment(|| format!("cannot bind the control socket `{}`", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .environment(|| format!("cannot protect the control socket `{}`", path.display()))?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, inputs.clone()));
            }
        });
        Ok(Control { path })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(stream: tokio::net::UnixStream, inputs: UnboundedSender<Input>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(read.take(REQUEST_MAX));
    if reader.read_line(&mut line).await.is_err() {
        return;
    }
    let (answers, mut lines) = mpsc::channel(ANSWERS_MAX);
    match serde_json::from_str(&line) {
        Ok(request) => {
            if inputs.send(Input::Asked(request, answers)).is_err() {
                return;
            }
        }
        Err(cause) => {
            let _ = answers.try_send(
                serde_json::json!({"error": format!("the request cannot be read: {cause}")}),
            );
            drop(answers);
        }
    }
    // A reader that went away ends `logs --follow`.
    let mut gone = [0_u8; 1];
    loop {
        tokio::select! {
            answer = lines.recv() => match answer {
                Some(answer) => {
                    if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
            read = reader.read(&mut gone) => if matches!(read, Ok(0) | Err(_)) {
                return;
            },
        }
    }
}

/// Asks the loop that runs in this folder; `each` takes the answers and says whether to go on. `Ok(false)` when no loop
/// runs there.
pub fn ask(run_dir: &Path, request: &Request, each: &mut dyn FnMut(Value) -> bool) -> Result<bool> {
    let Ok(mut stream) = UnixStream::connect(run_dir.join(NAME)) else {
        return Ok(false);
    };
    let trouble = || "lost the connection to the tool that runs this workspace".to_owned();
    let text = serde_json::to_string(request).environment(trouble)?;
    // Following logs and stopping may take any time; everything else is answered at once.
    if matches!(request, Request::Status) {
        stream
            .set_read_timeout(Some(PATIENCE))
            .environment(trouble)?;
    }
    stream
        .write_all(format!("{text}\n").as_bytes())
        .environment(trouble)?;
    for line in BufReader::new(stream).lines() {
        let line = line.environment(trouble)?;
        let value: Value = serde_json::from_str(&line).environment(|| {
            "the tool that runs this workspace gave an answer that cannot be read".to_owned()
        })?;
        if let Some(message) = value["error"].as_str() {
            return Err(Error::environment(message.to_owned()));
        }
        if !each(value) {
            break;
        }
    }
    Ok(true)
}
