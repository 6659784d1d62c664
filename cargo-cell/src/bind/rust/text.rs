//! Lines of Rust as rustfmt would write them.

/// What rustfmt fills a line up to.
const WIDTH: usize = 100;
/// What rustfmt puts on one line of arguments.
const LIST_WIDTH: usize = 60;

/// Source text that grows item by item.
#[derive(Debug, Default)]
pub(super) struct Text {
    done: String,
    item: String,
    indent: usize,
    /// rustfmt is to leave the item alone.
    skip: bool,
}

impl Text {
    /// Writes a line at the indentation in force; an empty one gets none.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.item.push_str(&"    ".repeat(self.indent));
            self.item.push_str(line);
        }
        self.item.push('\n');
    }

    /// Writes a line and indents what follows.
    pub(super) fn open(&mut self, line: &str) {
        self.line(line);
        self.open_block();
    }

    /// Indents what follows a line that opened a block.
    pub(super) fn open_block(&mut self) {
        self.indent += 1;
    }

    /// Ends an indentation with a line.
    pub(super) fn close(&mut self, line: &str) {
        self.indent = self.indent.saturating_sub(1);
        self.line(line);
    }

    /// An empty text at the same indentation.
    pub(super) fn nested(&self) -> Text {
        Text {
            indent: self.indent,
            ..Text::default()
        }
    }

    /// How many lines the item in work has.
    pub(super) fn lines(&self) -> usize {
        self.item.lines().count()
    }

    /// Tells rustfmt to leave the item in work alone.
    pub(super) fn skip(&mut self) {
        self.skip = true;
    }

    /// Ends a top-level item and puts an empty line behind it.
    pub(super) fn end_item(&mut self) {
        let item = std::mem::take(&mut self.item);
        let skip = |line: &str| {
            !line.trim_start().starts_with("//")
                && (line.chars().count() > WIDTH || has_wide_tuple(line))
        };
        if std::mem::take(&mut self.skip) || item.lines().any(skip) {
            self.done.push_str("#[rustfmt::skip]\n");
        }
        self.done.push_str(&item);
        self.done.push('\n');
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.end_item();
        let mut text = self.done.trim_end().to_owned();
        text.push('\n');
        text
    }

    /// `head(a, b)tail` on one line where it fits, else one item a line.
    pub(super) fn list(&mut self, head: &str, items: &[String], tail: &str, limit: Limit) {
        let (before, after) = match limit {
            Limit::Tuple if items.len() == 1 => ("(", ",)"),
            Limit::Tuple | Limit::Types | Limit::Line => ("(", ")"),
        };
        let joined = items.join(", ");
        let one_line = format!("{head}{before}{joined}{after}{tail}");
        let wide = match limit {
            Limit::Line => false,
            Limit::Tuple | Limit::Types => items.len() > 1 && joined.len() > LIST_WIDTH,
        };
        if !wide && self.fits(&one_line) {
            return self.line(&one_line);
        }
        if items.is_empty() {
            // Nothing to break at but the brace of a function.
            return match one_line.strip_suffix(" {") {
                Some(signature) if self.fits(signature) => {
                    self.line(signature);
                    self.line("{");
                }
                _ => self.line(&one_line),
            };
        }
        self.open(&format!("{head}{before}"));
        for item in items {
            self.line(&format!("{item},"));
        }
        let last = format!("){tail}");
        // Near the edge the brace goes to a line of its own, by rules that are not worth repeating here.
        self.skip |= self.indent * 4 + last.chars().count() > WIDTH - 10;
        self.close(&last);
    }

    /// Whether a line fits at the indentation in force.
    pub(super) fn fits(&self, line: &str) -> bool {
        self.indent * 4 + line.chars().count() <= WIDTH
    }

    /// A documentation comment: what a stranger wrote stays one.
    pub(super) fn docs(&mut self, docs: &str) {
        let docs = docs.replace("\r\n", "\n").replace('\r', "\n");
        for line in docs.trim_end().split('\n') {
            if docs.trim().is_empty() {
                return;
            }
            let line: String = line.trim_end().chars().map(visible).collect();
            match line.is_empty() {
                true => self.line("///"),
                // A space apart; four slashes in a row would make it a plain comment.
                false => self.line(&format!("/// {}", line.strip_prefix(' ').unwrap_or(&line))),
            }
        }
    }
}

/// What bounds a list on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// The line's width.
    Line,
    /// The line's width, and rustfmt's width of a list: the types of a struct or a variant.
    Types,
    /// The same, for a tuple expression, where one item needs a comma.
    Tuple,
}

/// Whether a tuple type in the line is wider than rustfmt leaves on one.
fn has_wide_tuple(line: &str) -> bool {
    let mut open = Vec::new();
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match c {
            // Behind a name it is a list of arguments.
            '(' => open.push((at, !(before.is_alphanumeric() || before == '_'))),
            ')' => match open.pop() {
                Some((start, true)) if at - start - 1 > LIST_WIDTH => return true,
                _ => {}
            },
            _ => {}
        }
        before = c;
    }
    false
}

/// Control characters and those that turn the direction of text could make a comment read as something else.
fn visible(c: char) -> char {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}');
    match c {
        '\t' => ' ',
        _ if turns || c.is_control() => '\u{fffd}',
        _ => c,
    }
}
