//! The terminal UI: a model, a view, and this file, which owns the terminal. It is redrawn only when something changed.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the terminal UI"
)]

mod keys;
mod logs;
mod model;
mod sample;
#[cfg(test)]
mod tests;
mod view;

use std::io::{self, Stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{self, Event as Input, KeyEventKind};
use crossterm::{execute, terminal};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::{Ask, Asker};
use crate::event::Event;
use crate::supervisor::SupervisorEvent;
use model::{Effect, Model};
pub(super) use view::Look;

/// How often usage is measured, and at most so often is a busy log drawn: 30 times a second.
const SAMPLE: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(33);

/// What reaches the UI.
enum Message {
    Event(Box<Event>),
    Input(Input),
    /// Something that was asked for did not work.
    Word(String),
    /// Who calls whom, by name.
    Calls(Vec<(String, Vec<String>)>),
    /// Leave the terminal as it was; say when that is done.
    End(Sender<()>),
}

/// The UI's end for the reporter.
pub(super) struct Tui {
    messages: Sender<Message>,
}

impl Tui {
    /// Takes the terminal. An error leaves it as it was.
    pub(super) fn start(asker: Asker, look: Look) -> io::Result<Tui> {
        let screen = Screen::open()?;
        let (messages, received) = channel();
        let inputs = messages.clone();
        std::thread::Builder::new()
            .name("tui-keys".into())
            .spawn(move || {
                // Ends with the process, or when nobody listens any more.
                while let Ok(input) = event::read() {
                    if inputs.send(Message::Input(input)).is_err() {
                        return;
                    }
                }
            })?;
        let back = messages.clone();
        std::thread::Builder::new()
            .name("tui".into())
            .spawn(move || run(screen, &received, &back, &asker, look))?;
        Ok(Tui { messages })
    }

    pub(super) fn event(&self, event: &Event) {
        // A screen that is gone shows nothing.
        let _ = self.messages.send(Message::Event(Box::new(event.clone())));
    }

    /// Gives the terminal back.
    pub(super) fn finish(&self) {
        let (done, ended) = channel();
        if self.messages.send(Message::End(done)).is_ok() {
            let _ = ended.recv();
        }
    }
}

/// The terminal in our hands; dropping it gives it back, also when a thread panics.
struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    fn open() -> io::Result<Screen> {
        terminal::enable_raw_mode()?;
        let opened = execute!(io::stdout(), terminal::EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        if opened.is_err() {
            restore();
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        opened.map(Screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// What cannot be given back is gone with the terminal.
fn restore() {
    let _ = terminal::disable_raw_mode();
    let _ = execute!(
        io::stdout(),
        terminal::LeaveAlternateScreen,
        crossterm::cursor::Show
    );
}

fn run(
    mut screen: Screen,
    received: &Receiver<Message>,
    back: &Sender<Message>,
    asker: &Asker,
    look: Look,
) {
    let mut model = Model::new();
    let mut sampler = sample::Sampler::default();
    let (mut page, mut dirty) = (10, true);
    let (mut drawn, mut sampled) = (Instant::now() - FRAME, Instant::now());
    loop {
        if dirty && drawn.elapsed() >= FRAME {
            let frame = screen
                .0
                .draw(|frame| page = view::draw(frame, &model, look));
            if frame.is_err() {
                return;
            }
            (drawn, dirty) = (Instant::now(), false);
        }
        let wait = match dirty {
            true => FRAME.saturating_sub(drawn.elapsed()),
            false => SAMPLE.saturating_sub(sampled.elapsed()),
        };
        match received.recv_timeout(wait) {
            Ok(Message::Event(event)) => {
                if let Event::Cell(said @ SupervisorEvent::Measured { .. }) = &*event {
                    dirty |= sampler.calls(&mut model, said, Instant::now());
                    continue;
                }
                model.event(&event);
                dirty = true;
                if matches!(*event, Event::Swapped { .. }) {
                    ask(Ask::Calls, back, asker);
                }
            }
            Ok(Message::Calls(calls)) => {
                model.calls(calls);
                dirty = true;
            }
            Ok(Message::Input(Input::Key(key))) if key.kind != KeyEventKind::Release => {
                if let Some(effect) = keys::press(&mut model, key, page) {
                    perform(effect, back, asker);
                }
                dirty = true;
            }
            Ok(Message::Input(Input::Resize(..))) => dirty = true,
            Ok(Message::Input(_)) => {}
            Ok(Message::Word(word)) => {
                model.word = Some(word);
                dirty = true;
            }
            Ok(Message::End(done)) => {
                drop(screen);
                let _ = done.send(());
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if sampled.elapsed() >= SAMPLE {
            sampled = Instant::now();
            dirty |= sampler.take(&mut model, sampled);
            if model.cells.values().any(|row| row.pid.is_some()) {
                ask(Ask::Measure, back, asker);
            }
        }
    }
}

/// Does what a key asks for.
fn perform(effect: Effect, back: &Sender<Message>, asker: &Asker) {
    match effect {
        Effect::Ask(what) => ask(what, back, asker),
        Effect::Copy(text) => {
            let copied = execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text));
            let word = match copied {
                Ok(()) => "copied, where the terminal allows it (OSC 52)".to_owned(),
                Err(error) => format!("not copied: {error}"),
            };
            let _ = back.send(Message::Word(word));
        }
    }
}

/// Asks without making the screen wait; what goes wrong is said.
fn ask(what: Ask, back: &Sender<Message>, asker: &Asker) {
    let (back, asker) = (back.clone(), asker.clone());
    std::thread::spawn(move || {
        let message = match asker(&what) {
            Ok(calls) if what == Ask::Calls => Message::Calls(calls),
            Ok(_) => return,
            Err(why) => Message::Word(why),
        };
        // The screen may be gone.
        let _ = back.send(message);
    });
}
