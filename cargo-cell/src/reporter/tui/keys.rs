//! Keys → what changes in the model and what is to be done.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::Ask;
use super::model::{Effect, Model, Pane};

/// The keys, as the help and the last line of the screen show them.
pub(super) const KEYS: [(&str, &str); 16] = [
    ("↑ ↓  k j", "choose a cell"),
    ("e", "what is wrong"),
    ("l", "logs of all cells"),
    ("Enter", "logs of the chosen cell"),
    ("g", "who calls whom"),
    ("/", "search the logs; Esc ends it"),
    ("PgUp PgDn", "scroll"),
    ("f End", "follow"),
    ("r", "restart the chosen cell"),
    ("R", "restart all cells"),
    ("s", "stop the chosen cell until it is called"),
    ("b", "build again"),
    ("y", "copy what is shown"),
    ("w", "where the time of the last save went"),
    (LEAVE, "stop everything; again: at once"),
    ("?", "this help"),
];

/// What stops everything, or leaves the view of what runs elsewhere.
pub(super) const LEAVE: &str = "q Ctrl-C";

/// Takes a key; `page` is how many lines the lower half shows.
pub(super) fn press(model: &mut Model, key: KeyEvent, page: usize) -> Option<Effect> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    if ctrl && matches!(key.code, KeyCode::Char('c' | 'd')) {
        return Some(Effect::Ask(Ask::Stop));
    }
    if let Some(typed) = &mut model.typing {
        match key.code {
            KeyCode::Char(c) if !ctrl => typed.push(c),
            KeyCode::Backspace => {
                typed.pop();
            }
            KeyCode::Esc => {
                model.typing = None;
                model.logs.search.clear();
                return None;
            }
            KeyCode::Enter => {
                model.typing = None;
                return None;
            }
            _ => return None,
        }
        model.logs.search.clone_from(typed);
        model.scroll = 0;
        return None;
    }
    match key.code {
        KeyCode::Char('q') => return Some(Effect::Ask(Ask::Stop)),
        KeyCode::Char('r') => {
            return model
                .chosen()
                .map(|cell| Effect::Ask(Ask::Restart(vec![cell.to_owned()])));
        }
        KeyCode::Char('R') => return Some(Effect::Ask(Ask::Restart(Vec::new()))),
        KeyCode::Char('s') => {
            return model
                .chosen()
                .map(|cell| Effect::Ask(Ask::Rest(cell.to_owned())));
        }
        KeyCode::Char('b') => return Some(Effect::Ask(Ask::Rebuild)),
        KeyCode::Char('y') => return Some(Effect::Copy(shown(model))),
        KeyCode::Up | KeyCode::Char('k') => choose(model, model.selected.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => choose(model, model.selected + 1),
        KeyCode::Char('e') => model.show(Pane::Problems),
        KeyCode::Char('l') => {
            model.logs.cell = None;
            model.show(Pane::Logs);
        }
        KeyCode::Enter => {
            model.logs.cell = model.chosen().map(str::to_owned);
            model.show(Pane::Logs);
        }
        KeyCode::Char('g') => model.show(Pane::Graph),
        KeyCode::Char('w') => model.show(Pane::Timings),
        KeyCode::Char('?' | 'h') => model.show(Pane::Help),
        KeyCode::Char('/') => {
            model.show(Pane::Logs);
            model.typing = Some(model.logs.search.clone());
        }
        KeyCode::Esc => {
            model.logs.search.clear();
            model.show(Pane::Logs);
        }
        KeyCode::PageUp => scroll(model, page as isize, true),
        KeyCode::PageDown => scroll(model, page as isize, false),
        KeyCode::Char('f') | KeyCode::End => model.scroll = 0,
        _ => {}
    }
    None
}

/// Logs are scrolled from their end, everything else from its start.
fn scroll(model: &mut Model, by: isize, up: bool) {
    let back = (model.pane == Pane::Logs) == up;
    let by = if back { by } else { -by };
    model.scroll = model.scroll.saturating_add_signed(by);
}

fn choose(model: &mut Model, row: usize) {
    model.selected = row.min(model.cells.len().saturating_sub(1));
    if model.pane == Pane::Logs && model.logs.cell.is_some() {
        model.logs.cell = model.chosen().map(str::to_owned);
        model.scroll = 0;
    }
}

/// The text of the lower half.
fn shown(model: &Model) -> String {
    match model.pane {
        Pane::Problems => {
            let texts: Vec<&str> = model
                .problems()
                .map(|problem| problem.text.as_str())
                .collect();
            texts.join("\n\n")
        }
        _ => {
            let lines = model.logs.newest_first().take(1000);
            let mut lines: Vec<String> = lines
                .map(|line| format!("{}: {}", line.cell, line.text))
                .collect();
            lines.reverse();
            lines.join("\n")
        }
    }
}
