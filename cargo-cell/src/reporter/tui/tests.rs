//! Frames of a scripted session, which are the screens of `docs/tui.md`, and what keys do.
#![expect(
    clippy::disallowed_methods,
    reason = "one test rewrites the screens of a page"
)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::Ask;
use super::keys::press;
use super::model::{Effect, Model, Pane};
use super::view::{Look, draw};
use crate::event::{CellFound, Diagnostic, Event, Level, Timings};
use crate::supervisor::{Exit, InForce, Stream, SupervisorEvent};
use crate::usage::Usage;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tui.md");

/// The market, up and running.
fn market() -> Model {
    let mut model = Model::new();
    let cells = ["exchange", "ledger", "stats", "trader"].map(|name| CellFound {
        package: name.to_owned(),
        folder: name.to_owned(),
    });
    model.event(&Event::CellsFound {
        root: "/w/market".to_owned(),
        cells: cells.to_vec(),
    });
    build(&mut model, true);
    for (number, cell) in ["ledger", "exchange", "stats", "trader"].iter().enumerate() {
        ready(&mut model, cell, number as u64 + 1);
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    model.calls(vec![
        ("exchange".to_owned(), names(&["ledger"])),
        ("stats".to_owned(), names(&["exchange", "ledger"])),
        ("trader".to_owned(), names(&["exchange"])),
    ]);
    for (cell, line) in [
        ("ledger", "opened ledger.redb, 1,204 trades"),
        ("exchange", "\u{1b}[32mINFO\u{1b}[0m book is empty"),
        ("trader", "the exchange took no order: unavailable"),
        ("trader", "ann buys 5 at 10012"),
    ] {
        log(&mut model, cell, line);
    }
    for (index, row) in model.cells.values_mut().enumerate() {
        row.usage = Some(Usage {
            cpu: 4 + index as u32 * 21,
            memory: (5 << 20) + ((index as u64) << 19),
            calls: (index < 2).then_some(412.0),
            p99_us: (index < 2).then_some(87),
        });
    }
    model
}

fn build(model: &mut Model, success: bool) {
    model.event(&Event::BuildStarted { batch: 1, round: 1 });
    if !success {
        model.event(&Event::Diagnostic(Diagnostic {
            level: Level::Warning,
            package: "stats".to_owned(),
            message: "unused variable: `book`".to_owned(),
            rendered:
                "\u{1b}[33mwarning\u{1b}[0m: unused variable: `book`\n --> stats/src/main.rs:40:9\n"
                    .to_owned(),
            at: None,
        }));
        model.event(&Event::Diagnostic(Diagnostic {
            level: Level::Error,
            package: "stats".to_owned(),
            message: "mismatched types".to_owned(),
            rendered: "\u{1b}[31merror[E0308]\u{1b}[0m: mismatched types\n  --> stats/src/main.rs:41:12\n   |\n41 |         Ok(5)\n   |            ^ expected `String`, found integer\n".to_owned(),
            at: Some("stats/src/main.rs:41".to_owned()),
        }));
    }
    model.event(&Event::BuildFinished {
        batch: 1,
        success,
        cargo_ms: 640.0,
        built: Vec::new(),
        failed: if success {
            Vec::new()
        } else {
            vec!["stats".to_owned()]
        },
    });
}

fn ready(model: &mut Model, cell: &str, generation: u64) {
    model.event(&Event::Cell(SupervisorEvent::Ready {
        cell: cell.to_owned(),
        generation,
        pid: 4000 + generation as u32,
        sandbox: InForce {
            kind: "bwrap".to_owned(),
            weaker: None,
        },
    }));
}

fn log(model: &mut Model, cell: &str, line: &str) {
    model.event(&Event::Cell(SupervisorEvent::Log {
        cell: cell.to_owned(),
        stream: Stream::Stdout,
        line: line.to_owned(),
    }));
}

fn key(model: &mut Model, code: KeyCode) -> Option<Effect> {
    press(model, KeyEvent::new(code, KeyModifiers::NONE), 10)
}

fn frame(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let look = Look {
        colour: false,
        leaves: false,
    };
    terminal
        .draw(|frame| {
            draw(frame, model, look);
        })
        .expect("drawn");
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(width));
    let lines = rows.map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The screens of the page, each by its heading.
fn screens() -> Vec<(&'static str, String)> {
    let running = market();
    let mut broken = market();
    build(&mut broken, false);
    let mut fallen = market();
    fallen.event(&Event::Cell(SupervisorEvent::Exited {
        cell: "exchange".to_owned(),
        generation: 2,
        exit: Exit::Code(101),
        last_log_lines: vec!["thread 'main' panicked at exchange/src/book.rs:9:5".to_owned()],
    }));
    fallen.event(&Event::Cell(SupervisorEvent::Restarting {
        cell: "exchange".to_owned(),
        in_ms: 200,
    }));
    let mut graph = market();
    key(&mut graph, KeyCode::Char('g'));
    let mut search = market();
    key(&mut search, KeyCode::Char('/'));
    "exch".chars().for_each(|c| {
        key(&mut search, KeyCode::Char(c));
    });
    let mut saved = market();
    saved.event(&Event::Timings(Timings {
        batch: 2,
        cells: vec!["stats".to_owned()],
        write_to_seen_ms: 0.4,
        decided_ms: 9.1,
        cargo_spawned_ms: 11.0,
        cargo_done_ms: 651.0,
        schema_done_ms: 658.5,
        swap_done_ms: 676.5,
        cargo_ms: 640.0,
        overhead_ms: 36.9,
        rounds: 1,
    }));
    key(&mut saved, KeyCode::Char('w'));
    vec![
        ("Running", frame(&running, 80, 24)),
        ("A build that fails", frame(&broken, 80, 24)),
        ("A cell that falls over", frame(&fallen, 80, 24)),
        ("Who calls whom", frame(&graph, 80, 24)),
        ("Searching the logs", frame(&search, 80, 24)),
        ("Where the time went", frame(&saved, 80, 24)),
        ("A large terminal", frame(&broken, 200, 50)),
    ]
}

/// The page with these screens in the blocks below their headings.
fn with_screens(page: &str) -> String {
    let mut page = page.to_owned();
    for (heading, screen) in screens() {
        let start = format!("## {heading}\n\n```text\n");
        let at = page.find(&start).unwrap_or_else(|| panic!("no {start:?}")) + start.len();
        let end = at + page[at..].find("```\n").expect("the block's end");
        page.replace_range(at..end, &(screen + "\n"));
    }
    page
}

#[test]
fn the_screens_of_the_page_are_what_is_drawn() {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let drawn = with_screens(&page);
    assert!(
        page == drawn,
        "docs/tui.md is old; `cargo test -p cargo-cell rewrite_the_screens -- --ignored` draws:\n{drawn}"
    );
}

#[test]
#[ignore = "rewrites docs/tui.md"]
fn rewrite_the_screens() {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    std::fs::write(PAGE, with_screens(&page)).expect("written");
}

#[test]
fn errors_come_first_and_stay_until_the_next_result() {
    let mut model = market();
    build(&mut model, false);
    assert_eq!(model.pane, Pane::Problems);
    let first = |model: &Model| model.problems().next().map(|problem| problem.text.clone());
    assert!(first(&model).is_some_and(|text| text.starts_with("error[E0308]")));
    // A new build that has said nothing yet changes nothing.
    model.event(&Event::BuildStarted { batch: 2, round: 1 });
    assert!(first(&model).is_some());
    model.event(&Event::BuildFinished {
        batch: 2,
        success: true,
        cargo_ms: 1.0,
        built: Vec::new(),
        failed: Vec::new(),
    });
    assert_eq!((model.problems().count(), model.pane), (0, Pane::Logs));
}

#[test]
fn what_is_wrong_with_a_cell_goes_when_it_serves() {
    let mut model = market();
    model.event(&Event::Cell(SupervisorEvent::StartFailed {
        cell: "stats".to_owned(),
        generation: 9,
        reason: "it exited with code 3".to_owned(),
        last_log_lines: vec!["no port".to_owned()],
        old_serves: true,
    }));
    build(&mut model, true);
    assert_eq!((model.errors(), model.cells["stats"].state), (1, "ready"));
    ready(&mut model, "stats", 10);
    assert_eq!(model.errors(), 0);
}

#[test]
fn keys_do_what_the_help_says() {
    let mut model = market();
    assert_eq!(
        key(&mut model, KeyCode::Char('r')),
        Some(Effect::Ask(Ask::Restart(vec!["exchange".to_owned()])))
    );
    assert_eq!(
        key(&mut model, KeyCode::Char('s')),
        Some(Effect::Ask(Ask::Rest("exchange".to_owned())))
    );
    for _ in 0..9 {
        key(&mut model, KeyCode::Down);
    }
    assert_eq!(model.chosen(), Some("trader"));
    key(&mut model, KeyCode::Enter);
    assert_eq!(model.logs.cell.as_deref(), Some("trader"));
    key(&mut model, KeyCode::Up);
    assert_eq!(model.logs.cell.as_deref(), Some("stats"));
    key(&mut model, KeyCode::Char('l'));
    key(&mut model, KeyCode::Char('/'));
    // While something is typed letters are letters.
    assert_eq!(key(&mut model, KeyCode::Char('q')), None);
    key(&mut model, KeyCode::Backspace);
    "ANN".chars().for_each(|c| {
        key(&mut model, KeyCode::Char(c));
    });
    key(&mut model, KeyCode::Enter);
    let Some(Effect::Copy(text)) = key(&mut model, KeyCode::Char('y')) else {
        panic!("nothing is copied");
    };
    assert_eq!(text, "trader: ann buys 5 at 10012");
    assert_eq!(
        key(&mut model, KeyCode::Char('b')),
        Some(Effect::Ask(Ask::Rebuild))
    );
    assert_eq!(
        key(&mut model, KeyCode::Char('q')),
        Some(Effect::Ask(Ask::Stop))
    );
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    model.typing = Some(String::new());
    assert_eq!(press(&mut model, ctrl_c, 10), Some(Effect::Ask(Ask::Stop)));
}

#[test]
fn any_size_is_drawn() {
    let mut model = market();
    build(&mut model, false);
    for pane in [
        Pane::Logs,
        Pane::Problems,
        Pane::Graph,
        Pane::Timings,
        Pane::Help,
    ] {
        model.show(pane);
        model.scroll = 5000;
        for (width, height) in [(1, 1), (5, 3), (20, 4), (80, 24), (500, 100)] {
            frame(&model, width, height);
        }
    }
}
