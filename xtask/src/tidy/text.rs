//! Every text file: its size, and what must not be in it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::shell;

const LINES_MAX: usize = 500;
/// Homes and temporary folders of whoever wrote a line; split so that this file does not hold them.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

/// Returns what is wrong.
pub fn check(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in files {
        // Bytes that are no text (test vectors, images) have no lines.
        let Ok(text) = shell::read(&shell::root().join(file)) else {
            continue;
        };
        let shown = file.display();
        let lines = text.lines().count();
        if lines > LINES_MAX && is_code(file) {
            wrong.push(format!("{shown}: {lines} lines; {LINES_MAX} is the most"));
        }
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            if let Some(path) = MACHINE_PATHS.iter().find(|path| line.contains(**path))
                && !line.contains("example")
            {
                wrong.push(format!("{shown}:{number}: `{path}` belongs to one machine"));
            }
            if is_code(file) && line.ends_with([' ', '\t']) {
                wrong.push(format!("{shown}:{number}: blanks at the end of the line"));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') && is_code(file) {
            wrong.push(format!("{shown}: no newline at the end"));
        }
    }
    Ok(wrong)
}

fn is_code(file: &Path) -> bool {
    let generated = file.iter().any(|part| part == "cells" || part == "schema");
    !generated && file.extension().is_some_and(|kind| kind == "rs")
}
