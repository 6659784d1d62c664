//! Lines of TypeScript as Prettier would write them. Where it is not worth repeating its rules (a name or a type that is
//! longer than a line), what would be changed is marked so that it is left alone.

use crate::bind::MARK;

/// What Prettier fills a line up to.
pub(super) const WIDTH: usize = 80;

/// Source text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Text {
    done: String,
    /// The top-level item in work.
    item: String,
    indent: usize,
}

impl Text {
    /// A text whose first line says where it comes from, and what it is.
    pub(super) fn headed(what: &str) -> Self {
        let mut text = Text::default();
        text.line(&format!("// @{MARK}: {what}; do not edit."));
        text.end_item();
        text
    }

    /// Writes a line at the indentation in force; an empty one gets none.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.item.push_str(&"  ".repeat(self.indent));
            self.item.push_str(line);
        }
        self.item.push('\n');
    }

    /// Writes a line and indents what follows.
    pub(super) fn open(&mut self, line: &str) {
        self.line(line);
        self.indent += 1;
    }

    /// Indents what follows.
    pub(super) fn indent(&mut self) {
        self.indent += 1;
    }

    /// Ends an indentation.
    pub(super) fn dedent(&mut self) {
        self.indent = self.indent.saturating_sub(1);
    }

    /// Ends an indentation with a line.
    pub(super) fn close(&mut self, line: &str) {
        self.dedent();
        self.line(line);
    }

    /// An empty text at the same indentation.
    pub(super) fn nested(&self) -> Text {
        Text {
            indent: self.indent,
            ..Text::default()
        }
    }

    /// Whether nothing has been written since the last item.
    pub(super) fn is_empty(&self) -> bool {
        self.item.is_empty()
    }

    /// Takes over the lines of a nested text.
    pub(super) fn append(&mut self, nested: &Text) {
        self.item.push_str(&nested.item);
    }

    /// Ends an indentation with a line that begins another one.
    pub(super) fn reopen(&mut self, line: &str) {
        self.close(line);
        self.indent += 1;
    }

    /// Whether a line fits at the indentation in force.
    pub(super) fn fits(&self, line: &str) -> bool {
        self.indent * 2 + line.chars().count() <= WIDTH
    }

    /// `head(a, b)tail`, on one line where it fits, else one item a line.
    pub(super) fn list(&mut self, head: &str, items: &[String], tail: &str) {
        let flat = format!("{head}({}){tail}", items.join(", "));
        if items.is_empty() || self.fits(&flat) {
            return self.line(&flat);
        }
        self.open(&format!("{head}("));
        for item in items {
            self.line(&format!("{item},"));
        }
        self.close(&format!("){tail}"));
    }

    /// Writes an expression between a head and a tail.
    pub(super) fn expr(&mut self, head: &str, expr: &Expr, tail: &str) {
        self.hanging(head, expr, tail, 0);
    }

    /// Writes an expression whose lines behind the first are indented by so much more.
    fn hanging(&mut self, head: &str, expr: &Expr, tail: &str, more: usize) {
        let flat = format!("{head}{}{tail}", expr.flat());
        if self.fits(&flat) {
            return self.line(&flat);
        }
        let (open, close) = match expr {
            Expr::Text(_) => return self.line(&flat),
            Expr::Call(name, _) => (format!("{head}{name}("), ")"),
            Expr::Object(_) => (format!("{head}{{"), "}"),
            Expr::Array(_) => (format!("{head}["), "]"),
            Expr::If(condition, then, otherwise) => {
                self.open(&format!("{head}{condition}"));
                self.hanging("? ", then, "", 1);
                self.hanging(": ", otherwise, tail, 1);
                return self.dedent();
            }
        };
        self.line(&open);
        self.indent += more + 1;
        match expr {
            Expr::Call(_, args) => args.iter().for_each(|arg| self.line(&format!("{arg},"))),
            Expr::Object(fields) => {
                for (name, value) in fields {
                    self.expr(&format!("{name}: "), value, ",");
                }
            }
            Expr::Array(items) => items.iter().for_each(|item| self.expr("", item, ",")),
            Expr::Text(_) | Expr::If(..) => {}
        }
        self.dedent();
        self.line(&format!("{close}{tail}"));
        self.indent -= more;
    }

    /// Writes a statement that calls something.
    pub(super) fn call(&mut self, name: &str, args: &[Expr]) {
        let Some((last, others)) = args.split_last() else {
            return self.line(&format!("{name}();"));
        };
        let others: String = others.iter().map(|arg| arg.flat() + ", ").collect();
        let head = format!("{name}({others}");
        let flat = format!("{head}{});", last.flat());
        let opens = matches!(last, Expr::Object(_) | Expr::Array(_));
        if self.fits(&flat) || (opens && self.fits(&format!("{head}["))) {
            return self.expr(&head, last, ");");
        }
        self.open(&format!("{name}("));
        for arg in args {
            self.expr("", arg, ",");
        }
        self.close(");");
    }

    /// A documentation comment: what a stranger wrote stays one.
    pub(super) fn docs(&mut self, docs: &str) {
        let docs = docs.replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<String> = docs.trim().split('\n').map(safe).collect();
        match lines.as_slice() {
            [] => {}
            [only] if only.is_empty() => {}
            [only] => self.line(&format!("/** {only} */")),
            lines => {
                self.line("/**");
                for line in lines {
                    let line = format!(" * {line}");
                    self.line(line.trim_end());
                }
                self.line(" */");
            }
        }
    }

    /// Ends a top-level item and puts an empty line behind it. One with a line that is too wide is left as it is: how
    /// Prettier would break a long name or type is not worth repeating here.
    pub(super) fn end_item(&mut self) {
        let item = std::mem::take(&mut self.item);
        let is_wide = |line: &str| {
            // Neither comments nor templates are ever broken.
            let is_kept = line.trim_start().starts_with(['*', '/']) || line.contains('`');
            !is_kept && line.chars().count() > WIDTH
        };
        if item.lines().any(is_wide) {
            self.done.push_str("// prettier-ignore\n");
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
}

/// An expression that may take several lines.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// On one line.
    Text(String),
    /// `name(a, b)`
    Call(String, Vec<String>),
    /// `{ a: x }`
    Object(Vec<(String, Expr)>),
    /// `[x, y]`
    Array(Vec<Expr>),
    /// `condition ? a : b`
    If(String, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// On one line.
    pub(super) fn flat(&self) -> String {
        match self {
            Expr::Text(text) => text.clone(),
            Expr::Call(name, args) => format!("{name}({})", args.join(", ")),
            Expr::Object(fields) if fields.is_empty() => "{}".to_owned(),
            Expr::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.flat()))
                    .collect();
                format!("{{ {} }}", fields.join(", "))
            }
            Expr::Array(items) => {
                let items: Vec<String> = items.iter().map(Expr::flat).collect();
                format!("[{}]", items.join(", "))
            }
            Expr::If(condition, then, otherwise) => {
                format!("{condition} ? {} : {}", then.flat(), otherwise.flat())
            }
        }
    }
}

/// A string literal.
pub(super) fn quoted(text: &str) -> String {
    // Identifiers, type expressions and nothing else come here.
    format!("\"{}\"", text.escape_default())
}

/// A line of a comment: it cannot end the comment, is no tag and no directive, and reads as it is written.
fn safe(line: &str) -> String {
    let line: String = line.trim_end().chars().map(visible).collect();
    let line = line.strip_prefix(' ').unwrap_or(&line);
    let line = line.replace("*/", "*\\/");
    match line.trim_start().starts_with(['@', '*', '/']) {
        true => format!("\\{}", line.trim_start()),
        false => line,
    }
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
