//! Model → frame. Everything is said in words as well as in colours.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row as TableRow, Table, TableState, Wrap};

use super::keys::{KEYS, LEAVE};
use super::model::{Model, Pane, Row, Work};
use crate::usage::{bytes, micros};

/// Whether colours are used; a word says the same.
#[derive(Debug, Clone, Copy)]
pub(in crate::reporter) struct Look {
    pub(in crate::reporter) colour: bool,
    /// Whether `q` leaves what runs behind; else it stops everything.
    pub(in crate::reporter) leaves: bool,
}

impl Look {
    fn of(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }
}

/// Draws everything; returns how many lines the lower half shows.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, look: Look) -> usize {
    let rows = model.cells.len() as u16;
    let half = frame.area().height / 2;
    let [head, table, pane, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length((rows + 1).clamp(2, half.max(2))),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(model, look), head);
    cells(frame, model, look, table);
    let block = Block::new().borders(Borders::TOP).title(title(model));
    let inner = block.inner(pane);
    frame.render_widget(block, pane);
    lower(frame, model, look, inner);
    frame.render_widget(footer(model, look), foot);
    usize::from(inner.height)
}

fn header(model: &Model, look: Look) -> Line<'_> {
    let ready = model.cells.values().filter(|row| row.state == "ready");
    let name = model.root.rsplit('/').next().unwrap_or_default();
    let mut spans = vec![
        Span::styled(
            format!(" {name} "),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        Span::raw(format!(
            " {}/{} cells serve ",
            ready.count(),
            model.cells.len()
        )),
    ];
    spans.push(match &model.work {
        Work::Nothing => Span::raw(""),
        Work::Building(line) => Span::styled(format!(" building: {line}"), look.of(Color::Cyan)),
        Work::Built { ms } => {
            Span::styled(format!(" built in {} ", span(*ms)), look.of(Color::Green))
        }
        Work::Failed { packages } => Span::styled(
            format!(" BUILD FAILED: {} ", packages.join(", ")),
            look.of(Color::Red).add_modifier(Modifier::BOLD),
        ),
        Work::Stopping { by } => Span::styled(format!(" stopping ({by}) "), look.of(Color::Yellow)),
    });
    let errors = model.errors();
    if errors > 0 {
        spans.push(Span::styled(
            format!(" {errors} wrong (e) "),
            look.of(Color::Red),
        ));
    }
    Line::from(spans)
}

const HEADINGS: [&str; 9] = [
    "CELL", "STATE", "GEN", "SANDBOX", "CPU", "MEMORY", "CALLS/S", "P99", "RESTARTS",
];

fn cells(frame: &mut Frame<'_>, model: &Model, look: Look, area: Rect) {
    let rows = model.cells.iter().map(|(name, row)| {
        let state = Cell::new(row.state).style(look.of(colour(row)));
        let usage = row.usage.unwrap_or_default();
        let shown = |there: bool, text: String| if there { text } else { "-".to_owned() };
        let measured = row.usage.is_some();
        TableRow::new([
            Cell::new(name.as_str()),
            state,
            Cell::new(row.generation.map_or("-".to_owned(), |g| g.to_string())),
            Cell::new(sandbox(row)),
            Cell::new(shown(
                measured,
                format!("{:.1}%", f64::from(usage.cpu) / 10.0),
            )),
            Cell::new(shown(measured, bytes(usage.memory))),
            Cell::new(
                usage
                    .calls
                    .map_or("-".to_owned(), |calls| format!("{calls:.0}")),
            ),
            Cell::new(usage.p99_us.map_or("-".to_owned(), micros)),
            Cell::new(row.restarts.to_string()),
        ])
    });
    let widest = model.cells.keys().map(String::len).max().unwrap_or(4);
    let widths = [
        // What the other columns and the gaps between them leave.
        Constraint::Length((widest.max(4) as u16).min(area.width.saturating_sub(65))),
        Constraint::Length(11),
        Constraint::Length(4),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(8),
    ];
    let heading = TableRow::new(HEADINGS).style(Style::new().add_modifier(Modifier::BOLD));
    let table = Table::new(rows, widths)
        .header(heading)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(Some(model.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn sandbox(row: &Row) -> String {
    match (&row.sandbox, &row.weaker) {
        (None, _) => "-".to_owned(),
        (Some(kind), None) => kind.clone(),
        // The reason is said where there is room, with the cell's other words.
        (Some(kind), Some(_)) => format!("{kind}!"),
    }
}

fn colour(row: &Row) -> Color {
    match row.state {
        "ready" => Color::Green,
        "unavailable" | "backoff" => Color::Red,
        "starting" | "swapping" => Color::Yellow,
        _ => Color::Reset,
    }
}

fn title(model: &Model) -> Line<'static> {
    let text = match model.pane {
        Pane::Problems => " what is wrong ".to_owned(),
        Pane::Logs => {
            let of = model.logs.cell.as_deref().unwrap_or("all cells");
            let found = match model.logs.search.is_empty() {
                true => String::new(),
                false => format!(", with `{}`", model.logs.search),
            };
            let place = match model.scroll {
                0 => "following".to_owned(),
                back => format!("{back} lines back"),
            };
            format!(" logs of {of}{found}, {place} ")
        }
        Pane::Graph => " who calls whom ".to_owned(),
        Pane::Timings => " where the time of the last save went ".to_owned(),
        Pane::Help => " keys ".to_owned(),
    };
    Line::from(text)
}

fn lower(frame: &mut Frame<'_>, model: &Model, look: Look, area: Rect) {
    match model.pane {
        Pane::Logs => frame.render_widget(Paragraph::new(logs(model, look, area)), area),
        Pane::Problems => {
            let text = problems(model, look);
            let scroll = model.scroll.min(text.lines.len().saturating_sub(1)) as u16;
            let shown = Paragraph::new(text)
                .wrap(Wrap { trim: false })
                .scroll((scroll, 0));
            frame.render_widget(shown, area);
        }
        Pane::Graph | Pane::Timings | Pane::Help => {
            let lines = match model.pane {
                Pane::Graph => graph(model),
                Pane::Timings => timings(model),
                _ => help(look),
            };
            let scroll = model.scroll.min(lines.len().saturating_sub(1)) as u16;
            frame.render_widget(Paragraph::new(lines).scroll((scroll, 0)), area);
        }
    }
}

fn logs<'a>(model: &'a Model, look: Look, area: Rect) -> Vec<Line<'a>> {
    let widest = model.cells.keys().map(String::len).max().unwrap_or(0);
    let lines = model.logs.newest_first().skip(model.scroll);
    let mut shown: Vec<Line<'a>> = lines
        .take(usize::from(area.height))
        .map(|line| {
            let name = format!("{:widest$} ", line.cell);
            Line::from(vec![
                Span::styled(name, look.of(Color::Cyan)),
                Span::raw(line.text.as_str()),
            ])
        })
        .collect();
    shown.reverse();
    shown
}

fn problems(model: &Model, look: Look) -> Text<'_> {
    let mut lines = Vec::new();
    for problem in model.problems() {
        let colour = if problem.error {
            Color::Red
        } else {
            Color::Yellow
        };
        for (index, line) in problem.text.lines().enumerate() {
            let style = match index {
                0 => look.of(colour).add_modifier(Modifier::BOLD),
                _ => Style::new(),
            };
            lines.push(Line::styled(line, style));
        }
        lines.push(Line::default());
    }
    if lines.is_empty() {
        lines.push(Line::from("nothing is wrong"));
    }
    Text::from(lines)
}

fn graph(model: &Model) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for (name, row) in &model.cells {
        let callers: Vec<&str> = model
            .cells
            .iter()
            .filter(|(_, other)| other.calls.contains(name))
            .map(|(other, _)| other.as_str())
            .collect();
        let list = |names: &[&str]| match names.is_empty() {
            true => "nobody".to_owned(),
            false => names.join(", "),
        };
        let calls: Vec<&str> = row.calls.iter().map(String::as_str).collect();
        lines.push(Line::from(format!(
            "{name} → {}   (called by {})",
            list(&calls),
            list(&callers)
        )));
        for why in row.why.iter().chain(&row.weaker) {
            lines.push(Line::from(format!("    {why}")));
        }
    }
    lines
}

fn timings(model: &Model) -> Vec<Line<'_>> {
    let Some(t) = &model.timings else {
        return vec![Line::from("nothing was saved yet")];
    };
    let row = |what: &str, ms: f64| Line::from(format!("{what:<34}{ms:>9.1} ms"));
    vec![
        Line::from(format!("swapped: {}", t.cells.join(", "))),
        row("last write until it was seen", t.write_to_seen_ms),
        row("until it had settled and differed", t.decided_ms),
        row("until cargo ran", t.cargo_spawned_ms - t.decided_ms),
        row("cargo", t.cargo_ms),
        row(
            "records, schemas and bindings",
            t.schema_done_ms - t.cargo_done_ms,
        ),
        row(
            "until the new code served",
            t.swap_done_ms - t.schema_done_ms,
        ),
        row("all of it, without cargo", t.overhead_ms),
    ]
}

fn help(look: Look) -> Vec<Line<'static>> {
    KEYS.iter()
        .map(|(key, what)| match (look.leaves, *key) {
            (true, LEAVE) => Line::from(format!("  {key:<12}leave; what runs goes on")),
            _ => Line::from(format!("  {key:<12}{what}")),
        })
        .collect()
}

fn footer(model: &Model, look: Look) -> Line<'_> {
    let end = if look.leaves { "leave" } else { "stop" };
    match (&model.typing, &model.word) {
        (Some(typed), _) => Line::from(format!("/{typed}▏")),
        (None, Some(word)) => Line::from(format!(" ? keys  q {end}  {word}")),
        (None, None) => Line::from(format!(
            " ? keys  e wrong  l logs  g graph  r restart  b build  q {end}"
        )),
    }
}

fn span(ms: f64) -> String {
    match ms {
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}
