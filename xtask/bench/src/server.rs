//! The other side of a measurement: a process of its own, pinned to a core, that ends with this one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::pin;

/// Says that the server can be called.
pub fn say_ready() {
    println!("ready");
}

/// Ends this process with its parent, also while it is stopped.
pub fn end_with_parent() -> Result<()> {
    // SAFETY: the call takes plain numbers.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}

pub struct Server {
    child: Child,
    /// What it serves on.
    pub place: PathBuf,
}

impl Server {
    /// Starts this program again as the server of `kind` on a core.
    pub fn start(kind: &str, folder: &Path, cpu: usize) -> Result<Server> {
        let place = folder.join(format!("{}-{cpu}", kind.replace([' ', '.', ','], "-")));
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", kind])
            .arg(&place)
            .arg(cpu.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        if line.trim() != "ready" {
            let _ = child.kill();
            let status = child.wait()?;
            bail!("the server of `{kind}` did not come up: {status}");
        }
        Ok(Server { child, place })
    }

    /// Starts a cell beside this program; it binds `NAME.sock` in a folder of its own.
    pub fn cell(name: &str, folder: &Path, cpu: usize, env: &[(&str, &str)]) -> Result<Server> {
        let run = folder.join(format!("{name}-{cpu}-{}", env.len()));
        std::fs::create_dir_all(&run)?;
        let place = run.join(format!("{name}.sock"));
        let program = std::env::current_exe()?.with_file_name(name);
        let before = pin::current()?;
        // A child starts where its parent runs.
        pin::to_core(cpu)?;
        let child = Command::new(&program)
            .env("CELL_RUN", &run)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start `{}`", program.display()));
        pin::restore(&before)?;
        let mut server = Server {
            child: child?,
            place,
        };
        while std::os::unix::net::UnixStream::connect(&server.place).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("the cell `{name}` did not come up: {status}");
            }
            std::thread::yield_now();
        }
        Ok(server)
    }

    /// Starts a cell that serves the network, on a port that the system picks.
    pub fn remote_cell(name: &str, cpu: usize, env: &[(&str, &str)]) -> Result<Server> {
        let program = std::env::current_exe()?.with_file_name(name);
        let before = pin::current()?;
        pin::to_core(cpu)?;
        let child = Command::new(&program)
            .arg("127.0.0.1:0")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", program.display()));
        pin::restore(&before)?;
        let mut child = child?;
        let mut line = String::new();
        if let Some(out) = child.stderr.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.split(' ').find(|word| word.starts_with("127.0.0.1:"));
        let Some(place) = address.map(PathBuf::from) else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the cell `{name}` did not come up: {line}");
        };
        Ok(Server { child, place })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it run, or not: one that asks again and again would take its core from the others.
    pub fn run(&self, runs: bool) -> Result<()> {
        let signal = if runs { libc::SIGCONT } else { libc::SIGSTOP };
        let pid = libc::pid_t::try_from(self.pid())?;
        // SAFETY: the child has not been waited for, so the number is still its own.
        if unsafe { libc::kill(pid, signal) } != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(())
    }

    /// Waits for a server that was told to end.
    pub fn wait(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.place);
    }
}
