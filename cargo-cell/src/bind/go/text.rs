//! Lines of Go as gofmt would write them.

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
            self.text.extend(std::iter::repeat_n('\t', self.indent));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// Writes a line and indents what follows.
    pub(super) fn open(&mut self, line: &str) {
        self.line(line);
        self.indent += 1;
    }

    /// Ends an indentation with a line.
    pub(super) fn close(&mut self, line: &str) {
        self.indent = self.indent.saturating_sub(1);
        self.line(line);
    }

    /// Ends an indentation without a line, such as that of a `case`.
    pub(super) fn dedent(&mut self) {
        self.indent = self.indent.saturating_sub(1);
    }

    /// Writes lines with names in front, so that what follows the names stands in a column.
    pub(super) fn columns<'a>(&mut self, rows: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
        let widest = rows.clone().map(|(name, _)| name.len()).max();
        let width = widest.unwrap_or_default();
        for (name, rest) in rows {
            self.line(&format!("{name:width$} {rest}"));
        }
    }

    /// Whether nothing is written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends the lines of another text at the indentation in force.
    pub(super) fn insert(&mut self, other: &Text) {
        other.text.lines().for_each(|line| self.line(line));
    }

    /// Appends another text and an empty line.
    pub(super) fn append(&mut self, other: Text) {
        self.text.push_str(&other.finish());
        self.text.push('\n');
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        let mut text = self.text.trim_end().to_owned();
        text.push('\n');
        text
    }

    /// A documentation comment. What a stranger wrote stays one, in a form in which gofmt leaves it.
    pub(super) fn docs(&mut self, docs: &str) {
        let mut blank = true;
        for line in lines(docs) {
            match line.is_empty() {
                true if blank => continue,
                true => self.line("//"),
                false if line.starts_with('\t') => self.line(&format!("//{line}")),
                false => self.line(&format!("// {line}")),
            }
            blank = line.is_empty();
        }
    }
}

/// Whether documentation says anything.
pub(super) fn has_docs(docs: &str) -> bool {
    lines(docs).iter().any(|line| !line.is_empty())
}

/// The lines of a comment: paragraphs without indentation, and what stood between fences behind a tab, which is how Go's
/// documentation marks code. Ends without an empty line.
fn lines(docs: &str) -> Vec<String> {
    let docs = docs.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<String> = Vec::new();
    let mut code: Option<Vec<String>> = None;
    for line in docs.split('\n') {
        let line: String = line.trim_end().chars().map(visible).collect();
        let is_fence = line.trim_start().starts_with("```");
        match (&mut code, is_fence) {
            (None, true) => code = Some(Vec::new()),
            (None, false) => lines.push(paragraph(&line)),
            (Some(_), true) => block(code.take().unwrap_or_default(), &mut lines),
            (Some(code), false) => code.push(line),
        }
    }
    block(code.take().unwrap_or_default(), &mut lines);
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// A line of text: nothing that Go would take for a list, a link's definition, a heading or a build constraint.
fn paragraph(line: &str) -> String {
    let line = line.trim();
    let line = match line.trim_start_matches('#') {
        title if title.len() < line.len() && title.starts_with(' ') => title.trim_start(),
        _ => line,
    };
    if line.starts_with("+build") {
        return quoted(&format!("- {line}"));
    }
    match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
    {
        Some((name, rest)) => quoted(&format!("{name}: {}", rest.trim_start())),
        None => quoted(line),
    }
}

/// Doubled quotes as gofmt writes them in documentation.
fn quoted(line: &str) -> String {
    let mut quoted = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        let (taken, text) = match ticks {
            // Somebody means Markdown. What gofmt makes of so many hangs on where in its paragraph they stand.
            3.. => (ticks, "`"),
            2 => (2, "\u{201c}"),
            _ if rest.starts_with("''") => (2, "\u{201d}"),
            _ => (c.len_utf8(), &rest[..c.len_utf8()]),
        };
        quoted.push_str(text);
        rest = &rest[taken..];
    }
    quoted
}

/// Code, with empty lines around it.
fn block(code: Vec<String>, lines: &mut Vec<String>) {
    let is_blank = |line: &&String| line.trim().is_empty();
    let first = code.iter().take_while(is_blank).count();
    let behind = code.iter().rev().take_while(is_blank).count();
    let Some(code) = code.get(first..code.len().saturating_sub(behind)) else {
        return;
    };
    let indent = |line: &String| line.len() - line.trim_start().len();
    let common = code
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(indent)
        .min();
    // A comment does not begin with code.
    if lines.iter().all(String::is_empty) && !code.is_empty() {
        lines.push("Example:".to_owned());
    }
    lines.push(String::new());
    for line in code {
        let line = line.get(common.unwrap_or_default()..).unwrap_or_default();
        // A list to Go, were it indented.
        let is_list = line.trim_start().starts_with(['-', '*', '+', '•'])
            || line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        match (line.is_empty(), is_list) {
            (true, _) => lines.push(String::new()),
            (false, true) => lines.push(format!("\t| {line}")),
            (false, false) => lines.push(format!("\t{line}")),
        }
    }
    lines.push(String::new());
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
