//! A fence before the parser. naga goes one call deeper for each operator of an expression and for each declaration that needs another, without a
//! limit of its own, and a stack that overflows ends the process. People stay far below these limits.

/// Brackets that are open at once.
const BRACKETS_MAX: usize = 256;
/// Words and signs that belong to expressions and statements which are not over, in all open brackets together.
const PENDING_MAX: usize = 8192;
/// Declarations of a shader.
const DECLARATIONS_MAX: usize = 8192;

/// Where a text goes beyond a limit, and which.
pub(super) fn beyond(text: &str) -> Option<(usize, String)> {
    let mut levels = vec![0_usize];
    let mut pending = 0;
    let mut declarations = 0;
    let mut closed = false;
    for (at, word) in Words::of(text) {
        let top = levels.len() - 1;
        // A block ends a statement, unless `else` goes on with it.
        if std::mem::take(&mut closed) && word != "else" {
            pending -= std::mem::take(&mut levels[top]);
        }
        match word {
            "(" | "[" | "{" => levels.push(0),
            ")" | "]" | "}" if top > 0 => {
                pending -= levels.pop().unwrap_or(0);
                closed = word == "}";
            }
            "," | ";" => pending -= std::mem::take(&mut levels[top]),
            _ => {}
        }
        if let Some(level) = levels.last_mut() {
            *level += 1;
            pending += 1;
        }
        declarations += usize::from(levels.len() == 1 && matches!(word, ";" | "}"));
        let what = if levels.len() > BRACKETS_MAX {
            format!("more than {BRACKETS_MAX} open brackets")
        } else if pending > PENDING_MAX {
            format!("more than {PENDING_MAX} words and signs without an end")
        } else if declarations > DECLARATIONS_MAX {
            format!("more than {DECLARATIONS_MAX} declarations")
        } else {
            continue;
        };
        return Some((at, what));
    }
    None
}

/// The words and signs of a text, without its comments.
pub(super) struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// The words of a text, with their places.
    pub(super) fn of(text: &'a str) -> Words<'a> {
        Words { text, at: 0 }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let rest = self.text.get(self.at..)?;
            let first = rest.chars().next()?;
            let begins = self.at;
            let long = if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
                continue;
            } else if rest.starts_with("/*") {
                self.at += comment(rest);
                continue;
            } else if first.is_whitespace() {
                self.at += first.len_utf8();
                continue;
            } else if first == '_' || first.is_alphanumeric() {
                rest.find(|c: char| c != '_' && !c.is_alphanumeric())
                    .unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            self.at += long;
            return Some((begins, &rest[..long]));
        }
    }
}

/// How long a comment with its comments is.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_is_not_deep() {
        let many = |piece: &str, count: usize| piece.repeat(count);
        let good = [
            format!("const a = array({});", many("1.0 + 2.0, ", 50_000)),
            format!("fn f() {{ {} }}", many("if b { a = a + 1; } ", 50_000)),
            format!("/* {} /* */ */ fn f() {{}}", many("( word ", 50_000)),
            format!("// {}\nfn f() {{}}", many("( word ", 50_000)),
            many("fn f(a: u32) -> u32 { return max(a, a); }\n", 8000),
            ")]}".to_owned(),
        ];
        for text in good {
            assert_eq!(beyond(&text), None, "{}", &text[..40.min(text.len())]);
        }
        let bad = [
            (many("(", 300), "open brackets"),
            (many("-", 10_000), "without an end"),
            (format!("x{}", many("+max(1,1)", 5000)), "without an end"),
            (
                format!("if b {{}} {}", many("else if b {}", 5000)),
                "without an end",
            ),
            (many("const a = 1;", 10_000), "declarations"),
        ];
        for (text, what) in bad {
            let (at, why) = beyond(&text).expect("it is too much");
            assert!(why.contains(what) && at < text.len(), "{why}");
        }
    }
}
