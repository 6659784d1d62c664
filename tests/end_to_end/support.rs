//! A workspace in a temporary folder, and a `cargo cell dev` that runs in it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a cold build on a slow machine; a hang still ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A workspace made by `cargo cell new`, with a `CELL_HOME` of its own.
pub(crate) struct Workspace {
    dir: TempDir,
    name: &'static str,
}

impl Workspace {
    /// Makes one from a template, as a user does.
    pub(crate) fn new(template: &'static str) -> Workspace {
        // A short path: the sockets' folder lies below it.
        let dir = tempfile::Builder::new()
            .prefix("ce")
            .tempdir_in("/tmp")
            .unwrap();
        let workspace = Workspace { dir, name: "w" };
        let mut new = workspace.bare_command(["new", workspace.name, "--template", template]);
        success(new.current_dir(workspace.dir.path()).output().unwrap());
        workspace.take_a_version_of_its_own();
        workspace
    }

    /// Cargo tells a workspace's packages apart by their path in it, their name and their version: in the build folder
    /// that all workspaces of the suite share, equal ones would overwrite each other.
    fn take_a_version_of_its_own(&self) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let version = format!("version = \"0.{}.{number}\"", std::process::id());
        for entry in std::fs::read_dir(self.root()).unwrap().flatten() {
            let manifest = entry.path().join("Cargo.toml");
            if let Ok(text) = std::fs::read_to_string(&manifest) {
                assert!(text.contains("version = \"0.1.0\""), "{text}");
                std::fs::write(manifest, text.replacen("version = \"0.1.0\"", &version, 1))
                    .unwrap();
            }
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join(self.name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("h")
    }

    /// What every process that this workspace starts has in its environment or its arguments.
    pub(crate) fn marker(&self) -> &Path {
        self.dir.path()
    }

    fn bare_command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-cell"));
        command
            .args(args)
            .env("CELL_HOME", self.home())
            .stdin(Stdio::null());
        self.prepare(&mut command);
        command
    }

    /// Compiled dependencies are shared by all workspaces of the suite; what is linked is not.
    pub(crate) fn prepare(&self, command: &mut Command) {
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end-to-end-build");
        command
            .env("CARGO_BUILD_BUILD_DIR", shared)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CELL_RUN");
    }

    /// `cargo-cell ARGS` in the workspace.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.bare_command(args);
        command.current_dir(self.root());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.command(args).output().unwrap()
    }

    /// Plain `cargo ARGS` in the workspace.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.cargo_in(&self.root(), args)
    }

    /// Plain `cargo ARGS` in a folder.
    pub(crate) fn cargo_in<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Output {
        let mut command = Command::new(env!("CARGO"));
        command.args(args).current_dir(folder).stdin(Stdio::null());
        self.prepare(&mut command);
        command.output().unwrap()
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root().join(path), text).unwrap();
    }

    /// Replaces `from`, which must be there, in a file.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(
            text.contains(from),
            "{path} does not contain {from:?}:\n{text}"
        );
        self.write(path, &text.replacen(from, to, 1));
    }

    /// `cargo cell call`: the printed JSON, or the message.
    pub(crate) fn call(&self, args: &[&str]) -> Result<Value, String> {
        let output = self.run(["call"].iter().chain(args));
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The rows of `cargo cell status --json`.
    pub(crate) fn status(&self) -> Vec<Value> {
        let output = success(self.run(["status", "--json"]));
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        status["cells"].as_array().cloned().unwrap_or_default()
    }

    /// The pid of each cell.
    pub(crate) fn pids(&self) -> Vec<(String, u64)> {
        let row = |cell: &Value| Some((cell["name"].as_str()?.to_owned(), cell["pid"].as_u64()?));
        self.status().iter().filter_map(row).collect()
    }

    /// The folder of the sockets.
    pub(crate) fn run_dir(&self) -> PathBuf {
        cell_runtime::discovery::run_dir(&self.home(), &self.root().canonicalize().unwrap())
    }

    /// The socket files that exist.
    pub(crate) fn sockets(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.home().join("run")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                use std::os::unix::fs::FileTypeExt;
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_socket() => found.push(entry.path()),
                    _ => {}
                }
            }
        }
        found
    }

    /// The processes that belong to this workspace, as `pid: command line`.
    pub(crate) fn processes(&self) -> Vec<String> {
        let marker = self.marker().to_str().unwrap().as_bytes();
        let own = std::process::id().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().into_string().unwrap_or_default();
            if !pid.bytes().all(|byte| byte.is_ascii_digit()) || pid == own {
                continue;
            }
            let file = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            let (environ, arguments) = (file("environ"), file("cmdline"));
            let holds = |bytes: &[u8]| bytes.windows(marker.len()).any(|window| window == marker);
            if holds(&environ) || holds(&arguments) {
                found.push(format!(
                    "{pid}: {}",
                    String::from_utf8_lossy(&arguments).replace('\0', " ")
                ));
            }
        }
        found
    }

    /// Starts `cargo cell dev` and waits until every cell is ready.
    pub(crate) fn dev(&self) -> Dev<'_> {
        self.dev_with(&[])
    }

    pub(crate) fn dev_with(&self, args: &[&str]) -> Dev<'_> {
        let mut dev = self.dev_unready(args);
        dev.wait("every cell to serve", |event| {
            event["reason"] == "timings" && event["batch"] == 1
        });
        dev
    }

    /// Starts `cargo cell dev` without waiting for anything.
    pub(crate) fn dev_unready(&self, args: &[&str]) -> Dev<'_> {
        self.dev_with_command(|command| {
            command.args(args);
        })
    }

    /// Starts `cargo cell dev` as `change` has it, without waiting for anything.
    pub(crate) fn dev_with_command(&self, change: impl FnOnce(&mut Command)) -> Dev<'_> {
        let mut command = self.command(["dev", "--ui", "json"]);
        change(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, events) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(stderr)
                .lines()
                .map_while(Result::ok)
                .for_each(|line| eprintln!("dev: {line}"))
        });
        Dev {
            workspace: self,
            child,
            events,
            seen: Vec::new(),
        }
    }
}

/// A running `cargo cell dev`.
pub(crate) struct Dev<'a> {
    workspace: &'a Workspace,
    pub(crate) child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Dev<'_> {
    /// The next event that `matches`; those before it are kept for messages.
    pub(crate) fn wait(&mut self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            match self
                .events
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if matches(&event) {
                        return event;
                    }
                }
                Err(cause) => {
                    let why = if cause == RecvTimeoutError::Timeout {
                        "nothing for too long"
                    } else {
                        "it ended"
                    };
                    panic!(
                        "waiting for {what}: {why}; the last events:\n{}",
                        self.last_events()
                    );
                }
            }
        }
    }

    /// The event that `matches`, be it one that came already: of events without an order among them.
    pub(crate) fn sees(&mut self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        match self.seen.iter().find(|event| matches(event)) {
            Some(event) => event.clone(),
            None => self.wait(what, matches),
        }
    }

    fn last_events(&self) -> String {
        let lines: Vec<String> = self
            .seen
            .iter()
            .rev()
            .take(40)
            .rev()
            .map(Value::to_string)
            .collect();
        lines.join("\n")
    }

    /// Waits for the end of a batch: it swapped, changed nothing, failed or was held.
    pub(crate) fn batch_end(&mut self) -> Value {
        self.wait("the end of a batch", |event| {
            ["swapped", "unchanged", "swap-failed", "held"]
                .iter()
                .any(|reason| event["reason"] == *reason)
                || (event["reason"] == "build-finished" && event["success"] == false)
        })
    }

    pub(crate) fn swapped(&mut self, cell: &str) -> Value {
        self.wait(&format!("the swap of {cell}"), |event| {
            event["reason"] == "swapped"
                && event["cells"]
                    .as_array()
                    .is_some_and(|cells| cells.iter().any(|name| name == cell))
        })
    }

    /// The events that have arrived and were not waited for.
    pub(crate) fn drain(&mut self) -> Vec<Value> {
        let events: Vec<Value> = self.events.try_iter().collect();
        self.seen.extend(events.iter().cloned());
        events
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the child is ours and has not been waited for, so its pid is its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }
}

impl Drop for Dev<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(libc::SIGTERM);
            let _ = self.child.wait();
        }
        if !std::thread::panicking() {
            eventually("nothing to be left", || {
                let (processes, sockets) = (self.workspace.processes(), self.workspace.sockets());
                if processes.is_empty() && sockets.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{processes:?} {sockets:?}"))
                }
            });
        }
    }
}

/// Waits for something that gives no notice, such as a process of somebody else's that ends.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match check() {
            Ok(value) => return value,
            Err(why) if Instant::now() >= end => panic!("waited for {what}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The output of a command that succeeded.
pub(crate) fn success(output: Output) -> Output {
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The exit code and everything that was printed.
pub(crate) fn outcome(output: &Output) -> (Option<i32>, String) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), text)
}

/// How many rounds a torture test takes: few in CI, more on demand.
pub(crate) fn rounds(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .map_or(default, |text| text.parse().unwrap())
}
