//! A command's output, line by line, to its end, but not for ever: a process that a test left behind holds the pipe open,
//! and a test that hangs never closes it. Both are named, killed and counted as failures.
#![expect(
    clippy::disallowed_methods,
    reason = "tasks run commands and look into /proc"
)]

use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often one looks whether the command has ended while it says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Looks after the command's end before those who still hold its output are taken for leftovers.
const LOOKS_AFTER_END: u32 = 10;

/// Looks without a line before the command is taken to hang: 20 minutes, where the whole suite takes less than 30.
const LOOKS_IN_SILENCE: u32 = 1200;

/// Where a line came from.
#[derive(Clone, Copy)]
pub enum From {
    Out,
    Err,
}

/// How a command ended.
pub struct Followed {
    pub success: bool,
    /// Those who had to be killed, with the reason, for people.
    pub killed: Vec<String>,
}

/// Runs a command and hands on every line that it and its descendants say.
pub fn follow(command: &mut Command, each: impl FnMut(From, &str)) -> Result<Followed> {
    follow_with(command, LOOK, each)
}

fn follow_with(
    command: &mut Command,
    look: Duration,
    mut each: impl FnMut(From, &str),
) -> Result<Followed> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", command.get_program().display()))?;
    let (lines, inbox) = channel();
    let out = child.stdout.take().context("no output")?;
    let err = child.stderr.take().context("no output")?;
    let pipes = [pipe_of(&out)?, pipe_of(&err)?];
    read(out, From::Out, lines.clone());
    read(err, From::Err, lines);
    let killed = drain(&inbox, &mut child, look, &pipes, &mut each);
    Ok(Followed {
        success: child.wait()?.success(),
        killed,
    })
}

fn read(from: impl Read + Send + 'static, which: From, to: Sender<(From, String)>) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        // Bytes, since a test may print what is no text.
        while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line);
            if to.send((which, text.trim_end().to_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

fn drain(
    inbox: &Receiver<(From, String)>,
    child: &mut Child,
    look: Duration,
    pipes: &[PathBuf],
    each: &mut impl FnMut(From, &str),
) -> Vec<String> {
    let mut killed = Vec::new();
    let (mut silent, mut over) = (0, 0);
    loop {
        match inbox.recv_timeout(look) {
            Ok((which, line)) => {
                silent = 0;
                each(which, &line);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return killed,
            Err(RecvTimeoutError::Timeout) => silent += 1,
        }
        let why = if child.try_wait().is_ok_and(|status| status.is_some()) {
            over += 1;
            (over == LOOKS_AFTER_END).then_some("outlived the tests and held their output")
        } else {
            (silent == LOOKS_IN_SILENCE).then_some("said nothing for 20 minutes")
        };
        if let Some(why) = why {
            killed.extend(kill_holders(pipes, why));
        }
    }
}

/// What `/proc` calls the pipe behind a descriptor.
fn pipe_of(end: &impl AsRawFd) -> Result<PathBuf> {
    let link = format!("/proc/self/fd/{}", end.as_raw_fd());
    std::fs::read_link(&link).with_context(|| format!("cannot read `{link}`"))
}

/// Kills everybody else who holds one of the pipes: they are ours, and only descendants of the command can.
fn kill_holders(pipes: &[PathBuf], why: &str) -> Vec<String> {
    let folders = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut killed = Vec::new();
    for process in folders(PathBuf::from("/proc")) {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let holds = |path: PathBuf| std::fs::read_link(path).is_ok_and(|to| pipes.contains(&to));
        let mut fds = folders(process.path().join("fd"));
        if pid == std::process::id() as i32 || !fds.any(|fd| holds(fd.path())) {
            continue;
        }
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        killed.push(format!("process {pid}, `{}`, {why}", command.trim_end()));
        // SAFETY: takes numbers only; the process has just held our pipe.
        #[expect(unsafe_code, reason = "libc::kill has no safe form here")]
        unsafe {
            libc::kill(pid, libc::SIGKILL);
        }
    }
    killed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(script: &str) -> (Followed, Vec<String>) {
        let mut said = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let followed = follow_with(&mut shell, Duration::from_millis(20), |_, line| {
            said.push(line.to_owned());
        });
        (followed.expect("sh runs"), said)
    }

    /// One test, since a child of another one that is just being started would hold our pipes for a moment.
    #[test]
    fn output_is_followed_to_its_end_and_who_holds_it_longer_is_named_and_killed() {
        let (ended, mut said) = followed("printf 'a\\nno text \\377'; echo b >&2; exit 3");
        said.sort();
        assert_eq!(said, ["a", "b", "no text \u{fffd}"]);
        assert!(!ended.success && ended.killed.is_empty());

        let (ended, said) = followed("sleep 4711 & kill -STOP $!; echo $!");
        assert!(ended.success);
        let [killed] = &ended.killed[..] else {
            panic!("one was left: {:?}", ended.killed);
        };
        // Frozen before it has become `sleep` it is still a copy of the shell.
        let expected = format!("process {}, `", said[0]);
        assert!(
            killed.starts_with(&expected) && killed.contains("outlived"),
            "{killed}"
        );

        let mut shell = Command::new("sleep");
        let ended = follow_with(shell.arg("4712"), Duration::from_millis(1), |_, _| {});
        let ended = ended.expect("sleep runs");
        assert!(!ended.success);
        assert_eq!(ended.killed.len(), 1, "{:?}", ended.killed);
    }
}
