//! Folders of bindings: what is there, what must be, and the work in between.
//!
//! A file is ours when its first line bears our mark; nothing else is ever overwritten or removed. [`compare`] is pure;
//! `disk` looks and writes; `memory` is which folders there are.

mod disk;
mod memory;
mod refresh;
mod store;
mod text_diff;

use std::collections::BTreeMap;

pub use disk::{apply, is_of_package, is_there, look, place, real};
pub(crate) use memory::unknown_language;
pub use memory::{Binding, Memory, declared};
pub use refresh::{generate, locks};
pub use store::FILE;
pub use text_diff::unified;

use crate::bind::{Language, MARK, Owned, UNMARKED, Wanted};
use crate::error::{Error, Result};

/// What lies in a folder, by path relative to it: the wanted files that are there, and ours that are not wanted.
pub type Folder = BTreeMap<String, Found>;

/// A file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file of ours.
    Ours(Vec<u8>),
    /// Somebody else's file.
    Foreign(Vec<u8>),
    /// A folder, a link, or what else cannot be written to.
    Obstacle(&'static str),
}

/// What must happen to a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Files that are missing or differ: what they must hold, and what they hold.
    pub writes: Vec<Change>,
    /// Files of ours that nothing wants any more.
    pub removes: Vec<Change>,
    /// How many files are as they must be.
    pub unchanged: usize,
    /// Package files that are there already and are not ours to change.
    pub kept: Vec<String>,
}

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative to the folder.
    pub path: String,
    /// What it holds.
    pub old: Option<Vec<u8>>,
    /// What it must hold; nothing when it must go.
    pub new: Option<Vec<u8>>,
    /// The cell that it belongs to.
    pub cell: Option<String>,
}

impl Work {
    /// Everything is as it must be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.writes.is_empty() && self.removes.is_empty()
    }

    /// What changes, in order of the paths.
    #[must_use]
    pub fn changes(&self) -> Vec<&Change> {
        let mut changes: Vec<&Change> = self.writes.iter().chain(&self.removes).collect();
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
    }
}

/// Whether a file is ours, by its name and how it starts.
#[must_use]
pub fn is_ours(path: &str, bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let head = &first[..first.len().min(256)];
    String::from_utf8_lossy(head).contains(MARK) || (path.ends_with(".lock") && is_rust_lock(bytes))
}

/// A Rust lock is a fingerprint and nothing else: the compiler reads it as it is.
fn is_rust_lock(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_end();
    text.len() == 18 && text.starts_with(b"0x") && text[2..].iter().all(u8::is_ascii_hexdigit)
}

/// Whether a file may be empty and still be ours, where one of ours lies beside it.
fn may_be_unmarked(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    UNMARKED.contains(&name)
}

/// Whether a path belongs to a cell: it lies in the cell's folder, or is named like it where a language has no folders.
#[must_use]
pub fn belongs(language: &dyn Language, cell: &str, path: &str) -> bool {
    let lock = language
        .lock(cell, cell_runtime::schema::Fingerprint(0))
        .path;
    match lock.rsplit_once('/') {
        Some((folder, _)) => path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/')),
        None => path.rsplit_once('.').is_some_and(|(stem, _)| stem == cell),
    }
}

/// What must happen, or which files stand in the way. What `keep` names is left even when it is not wanted.
pub fn compare(
    wanted: &Wanted,
    folder: &Folder,
    keep: &dyn Fn(&str) -> bool,
    shown: &dyn Fn(&str) -> String,
) -> Result<Work> {
    let mut work = Work::default();
    let mut in_the_way = Vec::new();
    for Owned { file, cell } in &wanted.files {
        let new = file.text.as_bytes();
        let old = match folder.get(&file.path) {
            Some(Found::Ours(bytes) | Found::Foreign(bytes)) if bytes == new => {
                work.unchanged += 1;
                continue;
            }
            None => None,
            Some(Found::Ours(bytes)) => Some(bytes.clone()),
            Some(Found::Foreign(_)) => {
                in_the_way.push(format!("`{}` is not ours", shown(&file.path)));
                continue;
            }
            Some(Found::Obstacle(what)) => {
                in_the_way.push(format!("`{}` is {what}", shown(&file.path)));
                continue;
            }
        };
        work.writes.push(Change {
            path: file.path.clone(),
            old,
            new: Some(new.to_vec()),
            cell: cell.clone(),
        });
    }
    for file in &wanted.package {
        match folder.get(&file.path) {
            Some(Found::Foreign(bytes) | Found::Ours(bytes)) if *bytes == file.text.as_bytes() => {
                work.unchanged += 1;
            }
            Some(_) => work.kept.push(file.path.clone()),
            None => work.writes.push(Change {
                path: file.path.clone(),
                old: None,
                new: Some(file.text.clone().into_bytes()),
                cell: None,
            }),
        }
    }
    let is_wanted = |path: &String| {
        let mut files = wanted.files.iter().map(|owned| &owned.file);
        files.any(|file| file.path == *path) || wanted.package.iter().any(|f| f.path == *path)
    };
    for (path, found) in folder {
        if let Found::Ours(bytes) = found
            && !keep(path)
            && !is_wanted(path)
        {
            work.removes.push(Change {
                path: path.clone(),
                old: Some(bytes.clone()),
                new: None,
                cell: None,
            });
        }
    }
    if in_the_way.is_empty() {
        return Ok(work);
    }
    Err(Error::user(match in_the_way.len() {
        1 => "a file stands in the way of a binding".to_owned(),
        count => format!("{count} files stand in the way of bindings"),
    })
    .because(in_the_way.join(", "))
    .hint(format!(
        "move it away or choose another `--out`; only files whose first line says `{MARK}` are overwritten, and nothing was written"
    )))
}

#[cfg(test)]
mod tests;
