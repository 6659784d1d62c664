//! Events → lines for people or JSON. Nobody else prints: results go to stdout, status to stderr, JSON events to stdout.

mod json;
mod plain;
mod progress;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::ColorChoice;

use crate::error::Error;
use crate::event::Event;

/// How to show events.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// One JSON object a line instead of lines for people.
    pub json: bool,
    /// `-q`: results and errors only; `-qq`: nothing.
    pub quiet: u8,
    /// `-v`: more; `-vv`: cargo's own lines.
    pub verbose: u8,
    /// When to colour.
    pub color: ColorChoice,
}

/// A handle to the one who prints; cheap to clone.
#[derive(Clone)]
pub struct Reporter {
    inner: Arc<Mutex<Inner>>,
    settings: Settings,
}

struct Inner {
    plain: plain::Plain,
    stdout: anstream::AutoStream<std::io::Stdout>,
}

impl Reporter {
    /// A reporter on this process's stdout and stderr.
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        let choice = match settings.color {
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
            ColorChoice::Auto => color_of_cargo(std::env::var("CARGO_TERM_COLOR").ok().as_deref()),
        };
        let inner = Inner {
            plain: plain::Plain::new(
                anstream::AutoStream::new(std::io::stderr(), choice),
                settings,
            ),
            stdout: anstream::AutoStream::new(std::io::stdout(), choice),
        };
        Reporter {
            inner: Arc::new(Mutex::new(inner)),
            settings,
        }
    }

    /// Shows an event.
    pub fn event(&self, event: &Event) {
        let mut inner = self.lock();
        if self.settings.json {
            json::event(&mut inner.stdout, event);
        } else if self.settings.quiet < 2 {
            inner.plain.event(event);
        }
    }

    /// Prints a command's result.
    pub fn result(&self, text: &str) {
        use std::io::Write;
        let mut inner = self.lock();
        // A closed pipe (`| head`) is not an error of ours: the reader has what it wanted.
        let _ = writeln!(inner.stdout, "{text}");
        let _ = inner.stdout.flush();
    }

    /// Prints a result that is an error, for scripts, on stderr.
    pub fn bad_result(&self, text: &str) {
        self.lock().plain.line(text);
    }

    /// Shows the error that ends a command.
    pub fn error(&self, error: &Error) {
        let mut inner = self.lock();
        if self.settings.json {
            json::error(&mut inner.stdout, error);
        } else if !error.shown && self.settings.quiet < 2 {
            inner.plain.error(error);
        }
    }

    /// Whether JSON events are asked for.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.settings.json
    }

    /// Clears what is drawn over, for example a progress bar.
    pub fn finish(&self) {
        self.lock().plain.finish();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while printing leaves at worst half a line: better to go on than to die a second time.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn color_of_cargo(setting: Option<&str>) -> anstream::ColorChoice {
    match setting {
        Some("always") => anstream::ColorChoice::Always,
        Some("never") => anstream::ColorChoice::Never,
        _ => anstream::ColorChoice::Auto,
    }
}
