//! Reads records from binaries, and snapshots, bindings and locks from disk; writes what a plan says.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of schema files"
)]

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cell_runtime::schema::limits::{SECTION_BYTES_MAX, SNAPSHOT_BYTES_MAX};
use cell_runtime::schema::records::SECTION;
use cell_runtime::schema::{self, Records, Snapshot};
use object::read::{ReadCache, ReadRef};
use object::{Object as _, ObjectSection as _};

use super::{Difference, FileWrite};
use crate::bind::MARK;
use crate::error::{Context as _, Error, Result};

/// The records in an executable, which is read but not run. One without the section has none.
pub fn read_binary(path: &Path) -> Result<Records> {
    let cannot = || format!("cannot read the schema records in `{}`", path.display());
    let file = fs::File::open(path).environment(cannot)?;
    let cache = ReadCache::new(file);
    let section = section(&cache).environment(cannot)?;
    Records::parse(&section).map_err(|error| told(cannot(), &error))
}

fn section<'a>(data: impl ReadRef<'a>) -> std::result::Result<Vec<u8>, String> {
    let file = object::File::parse(data).map_err(|cause| cause.to_string())?;
    let mut bytes = Vec::new();
    // A linker joins input sections of one name into one; a partial link may leave several.
    for section in file.sections() {
        if section.name_bytes() != Ok(SECTION.as_bytes()) {
            continue;
        }
        if section.size() > SECTION_BYTES_MAX as u64 {
            return Err(format!("the section `{SECTION}` is too large"));
        }
        let data = section.data().map_err(|cause| cause.to_string())?;
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// A snapshot from a file that may come from a stranger.
pub fn read_snapshot(path: &Path) -> Result<Snapshot> {
    let cannot = || format!("cannot read the snapshot `{}`", path.display());
    let file = fs::File::open(path).environment(cannot)?;
    let mut json = Vec::new();
    file.take(SNAPSHOT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut json)
        .environment(cannot)?;
    parse_snapshot(json, &path.display().to_string())
}

/// A snapshot from bytes that come from a place.
pub(super) fn parse_snapshot(json: Vec<u8>, place: &str) -> Result<Snapshot> {
    let cannot = || format!("cannot read the snapshot `{place}`");
    let json = String::from_utf8(json).map_err(|_| {
        Error::user(cannot())
            .because("it is not text")
            .hint("a snapshot is the JSON file `schema/<cell>.json` that `cargo cell build` writes")
    })?;
    Snapshot::from_json(&json).map_err(|error| told(cannot(), &error))
}

fn told(message: String, error: &schema::Error) -> Error {
    let mut shown = Error::user(message).because(error.message());
    if let Some(help) = error.help() {
        shown = shown.hint(help);
    }
    shown
}

/// The cells that a package has generated bindings of. A package without any has no `cells` folder.
#[must_use]
pub fn bindings_of(package_dir: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(package_dir.join("cells")) else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let cell = path.file_name()?.to_str()?.strip_suffix(".rs")?.to_owned();
            (schema::is_identifier(&cell) && is_ours(&path)).then_some(cell)
        })
        .collect()
}

/// Whether a file bears our mark in its first line.
fn is_ours(path: &Path) -> bool {
    let mut head = [0; 256];
    let Ok(mut file) = fs::File::open(path) else {
        return false;
    };
    let Ok(len) = file.read(&mut head) else {
        return false;
    };
    let first = head[..len].split(|byte| *byte == b'\n').next();
    first.is_some_and(|line| String::from_utf8_lossy(line).contains(MARK))
}

/// Writes what differs and returns it.
pub fn apply(files: &[FileWrite]) -> Result<Vec<FileWrite>> {
    let mut written = Vec::new();
    for file in files {
        let cannot = || format!("cannot write {} to `{}`", file.why, file.path.display());
        if on_disk(&file.path).environment(cannot)?.as_ref() == Some(&file.bytes) {
            continue;
        }
        overwrite(&file.path, &file.bytes).environment(cannot)?;
        written.push(file.clone());
    }
    Ok(written)
}

fn on_disk(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// In place, one write and then the new length: editors miss the event of a rename, and a reader in between sees the
/// new text, at worst with the old one's tail.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

/// What differs between a plan and the disk; nothing is written.
pub fn check(files: &[FileWrite]) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for file in files {
        let cannot = || format!("cannot read `{}`", file.path.display());
        let found = on_disk(&file.path).environment(cannot)?;
        if found.as_ref() == Some(&file.bytes) {
            continue;
        }
        differences.push(Difference {
            path: file.path.clone(),
            what: match found {
                None => format!("{} is missing", file.why),
                Some(found) => explain(&found, file),
            },
        });
    }
    Ok(differences)
}

/// How a file that is there differs: a snapshot is compared as a schema.
fn explain(found: &[u8], file: &FileWrite) -> String {
    let snapshot = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        Snapshot::from_json(text).ok()
    };
    match (snapshot(found), snapshot(&file.bytes)) {
        (Some(old), Some(new)) => {
            let changes = schema::diff(&old, &new);
            let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
            match lines.is_empty() {
                true => format!("{} is older in documentation alone", file.why),
                false => format!("{} differs\n{}", file.why, lines.join("\n")),
            }
        }
        _ => format!("{} differs", file.why),
    }
}
