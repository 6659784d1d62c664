//! Events → lines for people or JSON. Nobody else prints: results go to stdout, status to stderr, JSON events to stdout.

mod json;
mod plain;
mod progress;
mod tui;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use clap::ColorChoice;

use crate::error::Error;
use crate::event::Event;
use crate::supervisor::SupervisorEvent;

/// A terminal that stands still must not stop the loop or a cell: beyond this many events what cells print is dropped,
/// and how much of it is said.
const BACKLOG_MAX: usize = 10_000;

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

/// A handle to the one who prints, a thread of its own; cheap to clone.
#[derive(Clone)]
pub struct Reporter {
    orders: Sender<Order>,
    backlog: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
    settings: Settings,
}

/// What the terminal UI asks of the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// New generations of these cells; of all where there is none.
    Restart(Vec<String>),
    /// This cell is to stop until it is called or restarted.
    Rest(String),
    /// Build again, although nothing changed.
    Rebuild,
    /// Stop everything; asked again, at once.
    Stop,
    /// Every cell is to say how many calls it answers, as an event.
    Measure,
    /// Who calls whom.
    Calls,
}

/// What there is to say to an [`Ask`].
pub type Answer = std::result::Result<Vec<(String, Vec<String>)>, String>;

/// Answers what the terminal UI asks; it may block.
pub type Asker = Arc<dyn Fn(&Ask) -> Answer + Send + Sync>;

enum Order {
    Event(Box<Event>, f64),
    Result(String),
    BadResult(String),
    Error(Error, f64),
    Screen(Asker, bool),
    ShowTimings,
    Finish(std::sync::mpsc::SyncSender<()>),
}

impl Reporter {
    /// A reporter on this process's stdout and stderr.
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        let (orders, received) = channel();
        let reporter = Reporter {
            orders,
            backlog: Arc::default(),
            lost: Arc::default(),
            settings,
        };
        let (backlog, lost) = (reporter.backlog.clone(), reporter.lost.clone());
        std::thread::spawn(move || print(settings, &received, &backlog, &lost));
        reporter
    }

    /// Shows an event.
    pub fn event(&self, event: &Event) {
        let full = self.backlog.load(Ordering::Relaxed) >= BACKLOG_MAX;
        if full && matches!(event, Event::Cell(SupervisorEvent::Log { .. })) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.order(Order::Event(Box::new(event.clone()), json::now_ms()));
    }

    /// Prints a command's result.
    pub fn result(&self, text: &str) {
        self.order(Order::Result(text.to_owned()));
    }

    /// Prints a result that is an error, for scripts, on stderr.
    pub fn bad_result(&self, text: &str) {
        self.order(Order::BadResult(text.to_owned()));
    }

    /// Shows the error that ends a command.
    pub fn error(&self, error: &Error) {
        self.order(Order::Error(error.clone(), json::now_ms()));
    }

    /// Prints where the time of each save went.
    pub fn show_timings(&self) {
        self.order(Order::ShowTimings);
    }

    /// Shows events on the whole terminal from now on; `asker` answers what its keys ask. `leaves` says whether the key that
    /// ends it leaves what runs behind.
    pub fn take_screen(&self, asker: Asker, leaves: bool) {
        self.order(Order::Screen(asker, leaves));
    }

    /// Whether JSON events are asked for.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.settings.json
    }

    /// Returns once everything is printed.
    pub fn finish(&self) {
        let (done, printed) = sync_channel(1);
        self.order(Order::Finish(done));
        // A printer that is gone has nothing left to print.
        let _ = printed.recv();
    }

    fn order(&self, order: Order) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        // The printer ends with the process.
        let _ = self.orders.send(order);
    }
}

fn print(settings: Settings, orders: &Receiver<Order>, backlog: &AtomicUsize, lost: &AtomicU64) {
    let choice = match settings.color {
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
        ColorChoice::Auto => color_of_cargo(std::env::var("CARGO_TERM_COLOR").ok().as_deref()),
    };
    let mut plain = plain::Plain::new(
        anstream::AutoStream::new(std::io::stderr(), choice),
        settings,
    );
    let mut stdout = anstream::AutoStream::new(std::io::stdout(), choice);
    let silent = settings.quiet >= 2;
    let mut screen: Option<tui::Tui> = None;
    while let Ok(order) = orders.recv() {
        let left = backlog.fetch_sub(1, Ordering::Relaxed);
        if left < BACKLOG_MAX / 2 {
            let lines = lost.swap(0, Ordering::Relaxed);
            if lines > 0 {
                let message =
                    format!("{lines} lines of cells are not shown: the terminal was too slow");
                show(
                    settings,
                    &mut plain,
                    &mut stdout,
                    &Event::Warning { message },
                    json::now_ms(),
                );
            }
        }
        match order {
            Order::ShowTimings => plain.timings = true,
            Order::Screen(asker, leaves) => {
                let colour = colours(choice);
                match tui::Tui::start(asker, tui::Look { colour, leaves }) {
                    Ok(tui) => screen = Some(tui),
                    Err(cause) => {
                        let message = format!("no terminal UI: {cause}");
                        plain.event(&Event::Warning { message });
                    }
                }
            }
            Order::Event(event, _) if let Some(screen) = &screen => screen.event(&event),
            Order::Event(event, at_ms) => show(settings, &mut plain, &mut stdout, &event, at_ms),
            Order::Result(text) => result(&mut stdout, &text),
            Order::BadResult(text) => plain.line(&text),
            Order::Error(error, at_ms) if settings.json => json::error(&mut stdout, &error, at_ms),
            Order::Error(error, _) => {
                leave(&mut screen);
                if !error.shown && !silent {
                    plain.error(&error);
                }
            }
            Order::Finish(done) => {
                leave(&mut screen);
                plain.finish();
                let _ = done.send(());
            }
        }
    }
}

/// What comes next is for a terminal as it was.
fn leave(screen: &mut Option<tui::Tui>) {
    if let Some(screen) = screen.take() {
        screen.finish();
    }
}

/// Whether this choice means colours on a terminal.
fn colours(choice: anstream::ColorChoice) -> bool {
    let no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match choice {
        anstream::ColorChoice::Never => false,
        anstream::ColorChoice::Auto => !no,
        _ => true,
    }
}

type Stdout = anstream::AutoStream<std::io::Stdout>;

fn show(
    settings: Settings,
    plain: &mut plain::Plain,
    stdout: &mut Stdout,
    event: &Event,
    at_ms: f64,
) {
    if settings.json {
        json::event(stdout, event, at_ms);
    } else if settings.quiet < 2 {
        plain.event(event);
    }
}

fn result(stdout: &mut Stdout, text: &str) {
    use std::io::Write;
    // A closed pipe (`| head`) is not an error of ours: the reader has what it wanted.
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

fn color_of_cargo(setting: Option<&str>) -> anstream::ColorChoice {
    match setting {
        Some("always") => anstream::ColorChoice::Always,
        Some("never") => anstream::ColorChoice::Never,
        _ => anstream::ColorChoice::Auto,
    }
}
