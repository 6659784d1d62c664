//! What cells printed: bounded, filtered, searched.

use std::collections::VecDeque;

/// Lines that are kept, of all cells together.
const LINES_MAX: usize = 10_000;
/// Bytes that are kept; a cell that prints without an end costs no more.
const BYTES_MAX: usize = 4 << 20;
/// What is kept of a line.
const LINE_BYTES_MAX: usize = 4096;

/// The lines, and which of them are shown.
#[derive(Debug, Default)]
pub(super) struct Logs {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines have been dropped.
    pub(super) dropped: u64,
    /// Only this cell's.
    pub(super) cell: Option<String>,
    /// Only lines with this text, whatever their case.
    pub(super) search: String,
}

/// A line of a cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) cell: String,
    pub(super) text: String,
}

impl Logs {
    pub(super) fn push(&mut self, cell: &str, text: &str) {
        let plain = anstream::adapter::strip_str(text).to_string();
        let mut text: String = plain.replace('\t', "    ");
        text.retain(|c| !c.is_control());
        if text.len() > LINE_BYTES_MAX {
            let end = (0..=LINE_BYTES_MAX)
                .rev()
                .find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or(0));
        }
        self.bytes += text.len();
        self.lines.push_back(Line {
            cell: cell.to_owned(),
            text,
        });
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            if let Some(line) = self.lines.pop_front() {
                self.bytes -= line.text.len();
                self.dropped += 1;
            }
        }
    }

    /// The lines that pass the filter, from the last one back.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Line> {
        let wanted = self.search.to_lowercase();
        self.lines.iter().rev().filter(move |line| {
            self.cell.as_ref().is_none_or(|cell| *cell == line.cell)
                && (wanted.is_empty() || line.text.to_lowercase().contains(&wanted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filtered_searched_and_bounded() {
        let mut logs = Logs::default();
        logs.push("a", "one \u{1b}[31mred\u{1b}[0m\tcell");
        logs.push("b", "Two");
        let shown = |logs: &Logs| -> Vec<String> {
            logs.newest_first().map(|line| line.text.clone()).collect()
        };
        assert_eq!(shown(&logs), ["Two", "one red    cell"]);
        logs.search = "RED".to_owned();
        assert_eq!(shown(&logs), ["one red    cell"]);
        logs.search.clear();
        logs.cell = Some("b".to_owned());
        assert_eq!(shown(&logs), ["Two"]);
        for _ in 0..LINES_MAX {
            logs.push("a", "x");
        }
        assert_eq!((logs.lines.len(), logs.dropped), (LINES_MAX, 2));
        logs.push("a", &"é".repeat(BYTES_MAX));
        assert!(
            logs.lines
                .back()
                .is_some_and(|line| line.text.len() <= LINE_BYTES_MAX)
        );
        for _ in 0..2 * BYTES_MAX / LINE_BYTES_MAX {
            logs.push("a", &"y".repeat(LINE_BYTES_MAX));
        }
        assert!(logs.bytes <= BYTES_MAX);
    }
}
