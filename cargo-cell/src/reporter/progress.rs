//! What a build is doing, on a terminal, once it takes longer than a second.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Short builds draw nothing: a bar that only flashes is noise.
const PATIENCE: Duration = Duration::from_secs(1);

/// A spinner that appears late.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Option<Instant>,
    wanted: bool,
}

impl Progress {
    pub(super) fn new(wanted: bool) -> Self {
        let wanted = wanted && std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        Progress {
            bar: ProgressBar::hidden(),
            started: None,
            wanted,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "how long a bar waits is a matter of drawing, not of a decision"
    )]
    pub(super) fn start(&mut self) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        let late = self
            .started
            .is_some_and(|started| started.elapsed() >= PATIENCE);
        if !self.wanted || !late {
            return;
        }
        if self.bar.is_hidden() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) =
                ProgressStyle::with_template("{spinner:.green} {elapsed:>4} {wide_msg}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = bar;
        }
        self.bar.set_message(line.to_owned());
    }

    /// Draws what `print` prints above the bar.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub(super) fn stop(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
        self.started = None;
    }
}
