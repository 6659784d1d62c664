//! watchexec and bacon, as their users run a server: build it and start it again when a source changes.
#![expect(clippy::disallowed_methods, reason = "it starts and ends processes")]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::shell;

/// A plain build and run of the cell that is edited, with the very cargo that everybody else here uses.
fn build_and_run() -> Vec<String> {
    let cargo = shell::cargo();
    let words = ["run", "--quiet", "--package", "button"].map(str::to_owned);
    std::iter::once(cargo.get_program().to_string_lossy().into_owned())
        .chain(words)
        .collect()
}

/// How long a watcher may take to end what it started.
const PATIENCE: Duration = Duration::from_secs(5);

/// A watcher that runs. It ends with this value, and so does all that it started.
pub(super) struct Rival {
    child: Child,
    target: PathBuf,
}

/// Who is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Watchexec,
    Bacon,
}

impl Who {
    /// All of them.
    pub(super) const ALL: [Who; 2] = [Who::Watchexec, Who::Bacon];

    /// Its name, which is its program's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Who::Watchexec => "watchexec",
            Who::Bacon => "bacon",
        }
    }

    /// Starts it in a workspace, with its own defaults where they make sense for a server.
    pub(super) fn start(
        self,
        programs: &Path,
        workspace: &Path,
        home: &Path,
        target: &Path,
    ) -> Result<Rival> {
        let mut command = Command::new(programs.join(self.name()));
        match self {
            Who::Watchexec => {
                command.args(["--restart", "--shell=none", "--quiet"]);
                command.args(["--watch", "button", "--exts", "rs,toml", "--"]);
                command.args(build_and_run());
            }
            Who::Bacon => {
                let job = format!(
                    "[jobs.button]\ncommand = {:?}\nneed_stdout = true\nbackground = false\non_change_strategy = \"kill_then_restart\"\n",
                    build_and_run()
                );
                shell::write(&workspace.join("bacon.toml"), &job)?;
                command.args(["--headless", "--job", "button"]);
            }
        }
        let child = command
            .current_dir(workspace)
            .env("CARGO_TARGET_DIR", target)
            .env("CELL_HOME", home)
            .env_remove("CELL_RUN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name()))?;
        Ok(Rival {
            child,
            target: target.to_owned(),
        })
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let group = -(self.child.id() as i32);
        // SAFETY: the group of a child that is not reaped, so that its number is its own.
        unsafe { libc::kill(group, libc::SIGTERM) };
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > PATIENCE {
                // SAFETY: as above.
                unsafe { libc::kill(group, libc::SIGKILL) };
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Not everybody ends what it started. What runs out of its target folder is nobody else's.
        for pid in running(&self.target) {
            // SAFETY: it takes numbers only.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}

/// The processes whose executable lies in a folder.
fn running(folder: &Path) -> Vec<i32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter(|process| {
            std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe.starts_with(folder))
        })
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .collect()
}
