//! Cargo's dep-info (`target/debug/<bin>.d`) → the files that a binary is made of.

use std::path::PathBuf;

/// Parses a dep-info file: `target: file file …`, a space in a name written `\ `.
#[must_use]
pub fn parse(text: &str) -> Vec<PathBuf> {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, files)| words(files))
        .map(PathBuf::from)
        .collect()
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&' ') => {
                chars.next();
                word.push(' ');
            }
            ' ' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_with_their_spaces() {
        let text = "/t/debug/a: /w/src/main.rs /w/my\\ dir/x.rs  /w/s.sql\n\n";
        assert_eq!(
            parse(text),
            ["/w/src/main.rs", "/w/my dir/x.rs", "/w/s.sql"].map(PathBuf::from)
        );
        assert!(parse("").is_empty());
        assert!(parse("nothing").is_empty());
    }
}
