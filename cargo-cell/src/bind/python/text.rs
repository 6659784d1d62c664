//! Lines of Python as `ruff format` would write them.
//!
//! What fits is on one line; what does not is opened up with a comma behind its last part, which the formatter then leaves.
//! An item that no layout makes fit stands between `# fmt: off` and `# fmt: on`.

/// The width of a line.
const WIDTH: usize = 88;

/// Source text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    indent: usize,
}

impl Text {
    /// Writes a line at the indentation in force; an empty one gets none.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n(' ', self.indent * 4));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// Writes a line and indents what follows.
    pub(super) fn open(&mut self, line: &str) {
        self.line(line);
        self.indent += 1;
    }

    /// Ends a group of imports, where there is one.
    pub(super) fn imported(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Indents what follows.
    pub(super) fn open_body(&mut self) {
        self.indent += 1;
    }

    /// A statement that may have an indentation of its own. A call that does not fit is opened up.
    pub(super) fn statement(&mut self, statement: &str) {
        let code = statement.trim_start();
        let levels = (statement.len() - code.len()) / 4;
        self.indent += levels;
        match code.split_once('(') {
            Some((head, rest)) if !self.fits(code) && rest.ends_with(')') => {
                let args = arguments(&rest[..rest.len() - 1]);
                self.list(&format!("{head}("), &args, ")");
            }
            _ => self.line(code),
        }
        self.indent -= levels;
    }

    /// A comprehension: on one line, or opened up, or with its loop on a line of its own.
    pub(super) fn comprehension(&mut self, head: &str, value: &str, walk: &str, tail: &str) {
        let inside = format!("{value} {walk}");
        let line = format!("{head}{inside}{tail}");
        if self.fits(&line) {
            return self.line(&line);
        }
        self.open(head);
        if self.fits(&inside) {
            self.line(&inside);
        } else {
            self.line(value);
            self.line(walk);
        }
        self.dedent();
        self.line(tail);
    }

    /// Ends an indentation.
    pub(super) fn dedent(&mut self) {
        self.indent = self.indent.saturating_sub(1);
    }

    /// Whether a line fits.
    pub(super) fn fits(&self, line: &str) -> bool {
        self.indent * 4 + line.chars().count() <= WIDTH
    }

    /// A list in brackets: on one line where it fits, otherwise one part a line.
    pub(super) fn list(&mut self, head: &str, parts: &[String], tail: &str) {
        let line = format!("{head}{}{tail}", parts.join(", "));
        if parts.is_empty() || self.fits(&line) {
            return self.line(&line);
        }
        self.open(head);
        for part in parts {
            self.line(&format!("{part},"));
        }
        self.dedent();
        self.line(tail);
    }

    /// Operands with an operator between them, as the value of a statement.
    pub(super) fn operands(&mut self, head: &str, operands: &[String], operator: &str) {
        let joined = operands.join(&format!(" {operator} "));
        let line = format!("{head}{joined}");
        if operands.len() < 2 || self.fits(&line) {
            return self.line(&line);
        }
        self.open(&format!("{head}("));
        if self.fits(&joined) {
            self.line(&joined);
        } else {
            for (index, operand) in operands.iter().enumerate() {
                match index {
                    0 => self.line(operand),
                    _ => self.line(&format!("{operator} {operand}")),
                }
            }
        }
        self.dedent();
        self.line(")");
    }

    /// Documentation. What a stranger wrote stays inside of its quotes.
    pub(super) fn docs(&mut self, docs: &str) {
        let lines = lines(docs);
        match lines.as_slice() {
            [] => {}
            [only] => self.line(&format!("\"\"\"{}\"\"\"", closed(only))),
            [first, rest @ ..] => {
                self.line(&format!("\"\"\"{first}"));
                rest.iter().for_each(|line| self.line(line));
                self.line("\"\"\"");
            }
        }
    }

    /// Writes an item of its own, with two empty lines in front. One that is wider than a line is left as it is.
    pub(super) fn item(&mut self, write: impl FnOnce(&mut Text)) {
        let mut item = Text::default();
        write(&mut item);
        self.text.push_str("\n\n");
        self.put(item);
    }

    /// Appends what another text holds.
    pub(super) fn put(&mut self, other: Text) {
        match other.is_wide() {
            true => {
                self.text.push_str("# fmt: off\n");
                self.text.push_str(&other.text);
                self.text.push_str("# fmt: on\n");
            }
            false => self.text.push_str(&other.text),
        }
    }

    /// Whether some line of code is wider than it may be.
    fn is_wide(&self) -> bool {
        let mut in_docs = false;
        self.text.lines().any(|line| {
            let quotes = line.matches("\"\"\"").count() - line.matches("\\\"\"\"").count();
            let is_docs = in_docs || quotes > 0;
            if quotes % 2 == 1 {
                in_docs = !in_docs;
            }
            !is_docs && !line.trim_start().starts_with('#') && line.chars().count() > WIDTH
        })
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        let mut text = self.text.trim_end().to_owned();
        text.push('\n');
        text
    }

    /// What was written so far.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// The lines of a docstring, indented as little as they are: without empty ones at the ends.
fn lines(docs: &str) -> Vec<String> {
    let docs = docs.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> = docs
        .split('\n')
        .map(|line| {
            let line: String = line.chars().map(visible).collect();
            line.trim_end().to_owned()
        })
        .collect();
    let first = lines.iter().take_while(|line| line.is_empty()).count();
    let behind = lines
        .iter()
        .rev()
        .take_while(|line| line.is_empty())
        .count();
    let lines = lines.get(first..lines.len().saturating_sub(behind));
    let lines = lines.unwrap_or_default();
    let indent = |line: &String| line.len() - line.trim_start().len();
    let rest = lines.iter().skip(1).filter(|line| !line.is_empty());
    let common = rest.map(indent).min().unwrap_or_default();
    let mut shown = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let line = match index {
            0 => line.trim_start(),
            _ => line.get(common..).unwrap_or_default(),
        };
        shown.push(line.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\""));
    }
    // Quotes at the start would be the docstring's own.
    if let Some(first) = shown.first_mut()
        && first.starts_with('"')
    {
        first.insert(0, '\\');
    }
    shown
}

/// A line that its quotes may follow.
fn closed(line: &str) -> String {
    match line.strip_suffix('"') {
        Some(start) if !start.ends_with('\\') => format!("{start}\\\""),
        _ => line.to_owned(),
    }
}

/// Control characters and those that turn the direction of text could make a comment read as something else.
fn visible(c: char) -> char {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    match c {
        '\t' => ' ',
        _ if turns || c.is_control() => '\u{fffd}',
        _ if c.is_whitespace() => ' ',
        _ => c,
    }
}

/// The arguments of a call.
fn arguments(list: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut depth = 0_usize;
    for c in list.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (c, depth, arguments.last_mut()) {
            (',', 0, _) => arguments.push(String::new()),
            (c, _, Some(last)) if c != ' ' || !last.is_empty() => last.push(c),
            _ => {}
        }
    }
    arguments
}
