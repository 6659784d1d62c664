//! What cells write: always drained, kept in a file of bounded size and a short memory, and passed on line by line.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor for logs"
)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc::UnboundedSender;

use super::types::{Stream, SupervisorEvent};

/// A log file grows to this and is then moved aside once: a cell takes at most twice as much.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// A longer line is cut into several.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Lines that are remembered of each cell.
const LINES_MAX: usize = 500;
/// What one cell may pass on each second; the rest is in the file only. Nobody reads faster, and a cell that floods must
/// neither wait nor fill the memory.
const PASSED_ON_MAX: usize = 4 << 20;

/// The log of one cell over all its generations.
#[derive(Debug, Clone)]
pub(super) struct Log {
    cell: Arc<str>,
    inner: Arc<Mutex<Inner>>,
    events: UnboundedSender<SupervisorEvent>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    ring: VecDeque<(u64, Stream, String)>,
    second: Instant,
    passed_on: usize,
    withheld: u64,
}

impl Log {
    pub(super) fn new(cell: &str, folder: &Path, events: UnboundedSender<SupervisorEvent>) -> Self {
        let path = folder.join(format!("{cell}.log"));
        // Without a file the lines are still passed on.
        let _ = std::fs::create_dir_all(folder);
        let file = File::options().create(true).append(true).open(&path).ok();
        let written = file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .map_or(0, |metadata| metadata.len());
        Log {
            cell: cell.into(),
            events,
            inner: Arc::new(Mutex::new(Inner {
                path,
                file,
                written,
                ring: VecDeque::new(),
                second: Instant::now(),
                passed_on: 0,
                withheld: 0,
            })),
        }
    }

    /// Reads a stream to its end.
    pub(super) async fn drain(self, generation: u64, stream: Stream, mut from: Receiver) {
        let mut buffer = vec![0_u8; 64 << 10];
        let mut rest: Vec<u8> = Vec::new();
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let mut taken: Vec<&[u8]> = Vec::new();
            let mut whole = std::mem::take(&mut rest);
            whole.extend_from_slice(&buffer[..count]);
            let mut start = 0;
            while let Some(end) = whole[start..].iter().position(|byte| *byte == b'\n') {
                taken.extend(whole[start..start + end].chunks(LINE_BYTES_MAX));
                if end == 0 {
                    taken.push(b"");
                }
                start += end + 1;
            }
            while whole.len() - start >= LINE_BYTES_MAX {
                taken.push(&whole[start..start + LINE_BYTES_MAX]);
                start += LINE_BYTES_MAX;
            }
            self.take(generation, stream, &taken);
            rest = whole[start..].to_vec();
        }
        if !rest.is_empty() {
            self.take(generation, stream, &[&rest]);
        }
    }

    /// The last lines of a generation, or of all.
    pub(super) fn last(&self, generation: Option<u64>, count: usize) -> Vec<(Stream, String)> {
        let inner = self.lock();
        let mut lines: Vec<(Stream, String)> = inner
            .ring
            .iter()
            .rev()
            .filter(|(of, _, _)| generation.is_none_or(|wanted| wanted == *of))
            .take(count)
            .map(|(_, stream, line)| (*stream, line.clone()))
            .collect();
        lines.reverse();
        lines
    }

    fn take(&self, generation: u64, stream: Stream, lines: &[&[u8]]) {
        let mut inner = self.lock();
        let now = Instant::now();
        // One write for all of them, and none is remembered that would be forgotten at once: a flood costs little.
        let mut text = Vec::new();
        let forgotten = lines.len().saturating_sub(LINES_MAX);
        for (at, bytes) in lines.iter().enumerate() {
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            let line = String::from_utf8_lossy(bytes);
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
            if at >= forgotten {
                if inner.ring.len() == LINES_MAX {
                    inner.ring.pop_front();
                }
                inner
                    .ring
                    .push_back((generation, stream, line.clone().into_owned()));
            }
            if let Some(withheld) = inner.may_pass_on(line.len(), now) {
                if withheld > 0 {
                    self.pass_on(
                        stream,
                        format!("({withheld} lines more are in {})", inner.path.display()),
                    );
                }
                self.pass_on(stream, line.into_owned());
            }
        }
        inner.write(&text);
    }

    fn pass_on(&self, stream: Stream, line: String) {
        let cell = self.cell.to_string();
        // Nobody may be listening any more.
        let _ = self
            .events
            .send(SupervisorEvent::Log { cell, stream, line });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Lines are whole or not there: what a panic leaves behind is sound.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, text: &[u8]) {
        if self.written > 0 && self.written + text.len() as u64 > FILE_BYTES_MAX {
            // Where moving it aside fails, it starts again from nothing: bounded either way.
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            self.file = File::create(&self.path).ok();
            self.written = 0;
        }
        if let Some(file) = &mut self.file
            && file.write_all(text).is_ok()
        {
            self.written += text.len() as u64;
        }
    }

    /// How many lines were withheld before this one, if this one may be passed on.
    fn may_pass_on(&mut self, len: usize, now: Instant) -> Option<u64> {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.passed_on = 0;
        }
        // A short line costs as much as its event.
        self.passed_on += len + 128;
        if self.passed_on > PASSED_ON_MAX {
            self.withheld += 1;
            return None;
        }
        Some(std::mem::take(&mut self.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_is_drained_and_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let (events, mut received) = tokio::sync::mpsc::unbounded_channel();
        let log = Log::new("x", folder.path(), events);
        let (read, write) = nix::unistd::pipe().expect("a pipe");
        let flood = std::thread::spawn(move || {
            let mut file = File::from(write);
            file.write_all(b"first\n\xff\xfe\n\n").expect("read");
            let line = [b'x'; 1000];
            for _ in 0..20_000 {
                file.write_all(&line).expect("read");
                file.write_all(b"\n").expect("read");
            }
            file.write_all(&[b'y'; 3 * LINE_BYTES_MAX]).expect("read");
        });
        log.clone()
            .drain(
                1,
                Stream::Stdout,
                Receiver::from_owned_fd(read).expect("a pipe"),
            )
            .await;
        flood.join().expect("no panic");
        let mut passed_on = Vec::new();
        while let Ok(SupervisorEvent::Log { line, .. }) = received.try_recv() {
            passed_on.push(line);
        }
        assert_eq!(passed_on[..3], ["first", "\u{fffd}\u{fffd}", ""]);
        assert!(passed_on.len() < 20_000, "{}", passed_on.len());
        let size: u64 = ["x.log", "x.log.1"]
            .map(|name| std::fs::metadata(folder.path().join(name)).map_or(0, |m| m.len()))
            .iter()
            .sum();
        assert!(size <= 2 * FILE_BYTES_MAX, "{size}");
        let last = log.last(Some(1), 3);
        assert!(
            last.iter().all(|(_, line)| line.starts_with('y')),
            "{last:?}"
        );
        assert!(log.last(Some(2), 3).is_empty());
    }
}
