//! Looks at folders of bindings and changes them.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of bound folders"
)]

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use super::{Change, Folder, Found, Work, belongs, is_ours, may_be_unmarked};
use crate::bind::{Language, Place, Wanted, import_path, module_path};
use crate::error::{Context as _, Error, Result};

/// Folders that hold other people's files in great numbers.
const NEVER_OURS: [&str; 4] = ["node_modules", "target", "__pycache__", "vendor"];
/// How deep below a cell's folder a generator may put files.
const DEPTH_MAX: usize = 4;

/// What lies in a folder of bindings. A folder that is not there is empty.
pub fn look(dir: &Path, language: &dyn Language, wanted: &Wanted) -> Result<Folder> {
    let mut folder = Folder::new();
    let owned = wanted.files.iter().map(|owned| &owned.file);
    for file in owned.chain(&wanted.package) {
        let found = one(dir, &file.path)?;
        folder.extend(found.map(|found| (file.path.clone(), found)));
    }
    let flat = !language
        .lock("cell", cell_runtime::schema::Fingerprint(0))
        .path
        .contains('/');
    let mut strays = Strays {
        dir,
        extensions: language.extensions(),
        wanted: &wanted.files.iter().map(|o| o.file.path.as_str()).collect(),
        folder,
    };
    if flat {
        strays.files("")?;
        return Ok(strays.folder);
    }
    for name in entries(dir)?.folders {
        if !name.starts_with('.') && !NEVER_OURS.contains(&name.as_str()) {
            strays.walk(&name, 0)?;
        }
    }
    Ok(strays.folder)
}

/// A wanted file as it is; an obstacle may also be a file where a folder should be.
fn one(dir: &Path, path: &str) -> Result<Option<Found>> {
    let full = dir.join(path);
    let cannot = || format!("cannot read `{}`", full.display());
    let kind = match fs::symlink_metadata(&full) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Ok(Some(Found::Obstacle("below a file")));
        }
        Err(error) => return Err(error).environment(cannot),
    };
    if kind.is_dir() {
        return Ok(Some(Found::Obstacle("a folder")));
    }
    // What a link leads to may be anybody's.
    if !kind.is_file() {
        return Ok(Some(Found::Obstacle("no regular file")));
    }
    let bytes = fs::read(&full).environment(cannot)?;
    let unmarked = may_be_unmarked(path) && bytes.is_empty();
    let ours = is_ours(path, &bytes) || unmarked || is_sum_of_ours(dir, path);
    Ok(Some(match ours {
        true => Found::Ours(bytes),
        false => Found::Foreign(bytes),
    }))
}

/// Whether a file holds the checksums of a Go module of ours. Go lets it hold nothing else; the mark is in the `go.mod` beside it.
fn is_sum_of_ours(dir: &Path, path: &str) -> bool {
    let Some(folder) = path.strip_suffix("/go.sum") else {
        return false;
    };
    let module = format!("{folder}/go.mod");
    fs::read(dir.join(&module)).is_ok_and(|bytes| is_ours(&module, &bytes))
}

/// The search for files of ours that nothing wants.
struct Strays<'a> {
    dir: &'a Path,
    extensions: Vec<String>,
    wanted: &'a BTreeSet<&'a str>,
    folder: Folder,
}

impl Strays<'_> {
    /// A folder below one without any file of ours is none of our business.
    fn walk(&mut self, inside: &str, depth: usize) -> Result<()> {
        let ours = self.files(inside)?;
        let prefix = format!("{inside}/");
        let leads = self.wanted.iter().any(|path| path.starts_with(&prefix));
        if depth >= DEPTH_MAX || !(ours || leads) {
            return Ok(());
        }
        for name in entries(&self.dir.join(inside))?.folders {
            if !NEVER_OURS.contains(&name.as_str()) {
                self.walk(&format!("{prefix}{name}"), depth + 1)?;
            }
        }
        Ok(())
    }

    /// Takes in the files of ours in one folder; says whether there is any.
    fn files(&mut self, inside: &str) -> Result<bool> {
        let mut ours = false;
        let mut empty = Vec::new();
        for name in entries(&self.dir.join(inside))?.files {
            let path = match inside {
                "" => name,
                _ => format!("{inside}/{name}"),
            };
            let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
            let unmarked = may_be_unmarked(&path);
            if !unmarked && !self.extensions.iter().any(|known| known == extension) {
                continue;
            }
            match one(self.dir, &path)? {
                Some(found @ Found::Ours(_)) if unmarked => empty.push((path, found)),
                Some(found @ Found::Ours(_)) => {
                    ours = true;
                    self.folder.insert(path, found);
                }
                _ => {}
            }
        }
        if ours {
            self.folder.extend(empty);
        }
        Ok(ours)
    }
}

#[derive(Default)]
struct Entries {
    files: Vec<String>,
    folders: Vec<String>,
}

fn entries(dir: &Path) -> Result<Entries> {
    let cannot = || format!("cannot read the folder `{}`", dir.display());
    let listed = match fs::read_dir(dir) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entries::default()),
        Err(error) => return Err(error).environment(cannot),
    };
    let mut entries = Entries::default();
    for entry in listed {
        let entry = entry.environment(cannot)?;
        let kind = entry.file_type().environment(cannot)?;
        // Names that are no text are nobody's that we know.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if kind.is_dir() {
            entries.folders.push(name);
        } else if kind.is_file() {
            entries.files.push(name);
        }
    }
    entries.files.sort();
    entries.folders.sort();
    Ok(entries)
}

/// Whether a folder still holds a binding of a cell: its lock, or a file of ours in the cell's folder.
pub fn is_there(dir: &Path, language: &dyn Language, cell: &str) -> bool {
    let lock = language.lock(cell, cell_runtime::schema::Fingerprint(0));
    if dir.join(lock.path).exists() {
        return true;
    }
    match look(dir, language, &Wanted::default()) {
        Ok(folder) => folder.keys().any(|path| belongs(language, cell, path)),
        // What cannot be read is not gone: writing to it says what is wrong.
        Err(_) => true,
    }
}

/// Whether a folder is the `cells` folder of a Rust package: builds write bindings there as well.
pub fn is_of_package(dir: &Path) -> bool {
    let above = dir.parent().map(|package| package.join("Cargo.toml"));
    dir.file_name().is_some_and(|name| name == "cells") && above.is_some_and(|file| file.exists())
}

/// Changes folders: everything, or what was changed is put back and the error returned.
pub fn apply(works: &[(&Path, &Work)]) -> Result<()> {
    let mut done: Vec<(PathBuf, &Change)> = Vec::new();
    let mut made: Vec<PathBuf> = Vec::new();
    for (dir, work) in works {
        for change in work.writes.iter().chain(&work.removes) {
            let path = dir.join(&change.path);
            done.push((path.clone(), change));
            let outcome = match &change.new {
                Some(bytes) => write(&path, change.old.is_some(), bytes, &mut made),
                None => fs::remove_file(&path),
            };
            if let Err(cause) = outcome {
                return Err(undone(&path, change, &cause, &done, &made));
            }
        }
    }
    for (dir, work) in works {
        for change in &work.removes {
            prune(dir, &change.path);
        }
    }
    Ok(())
}

fn undone(
    path: &Path,
    change: &Change,
    cause: &io::Error,
    done: &[(PathBuf, &Change)],
    made: &[PathBuf],
) -> Error {
    let verb = match change.new {
        Some(_) => "write",
        None => "remove",
    };
    let error = Error::environment(format!("cannot {verb} `{}`", path.display())).because(cause);
    match undo(done, made) {
        Ok(()) => error
            .hint("nothing was changed; make the folder writable, or choose another with `--out`"),
        Err(left) => error.hint(format!("`{}` could not be put back", left.display())),
    }
}

/// A file that is there is overwritten in place, one write and then the new length: editors miss the event of a rename.
/// A new one appears whole.
fn write(path: &Path, there: bool, bytes: &[u8], made: &mut Vec<PathBuf>) -> io::Result<()> {
    if there {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.write_all(bytes)?;
        return file.set_len(bytes.len() as u64);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    create_dir(folder, made)?;
    let mut file = tempfile::Builder::new()
        .prefix(".cell-")
        .suffix(".tmp")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

/// Creates a folder and those above it, and notes which.
fn create_dir(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        create_dir(above, made)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => made.push(folder.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Puts back what was there, the last change first; gives the file that could not be.
fn undo(done: &[(PathBuf, &Change)], made: &[PathBuf]) -> Result<(), PathBuf> {
    let mut left = Ok(());
    for (path, change) in done.iter().rev() {
        let now = fs::read(path).ok();
        if now == change.old {
            continue;
        }
        let outcome = match (&change.old, &now) {
            (Some(old), _) => write(path, now.is_some(), old, &mut Vec::new()),
            // Only what this run wrote is taken away again.
            (None, Some(now)) if change.new.as_ref() == Some(now) => fs::remove_file(path),
            (None, _) => Ok(()),
        };
        if outcome.is_err() {
            left = Err(path.clone());
        }
    }
    for folder in made.iter().rev() {
        // One that somebody has put something into stays.
        let _ = fs::remove_dir(folder);
    }
    left
}

/// Removes the folders that a removed file leaves empty, up to the folder of bindings.
fn prune(dir: &Path, path: &str) {
    let mut folder = Path::new(path).parent();
    while let Some(inside) = folder.filter(|inside| !inside.as_os_str().is_empty()) {
        if fs::remove_dir(dir.join(inside)).is_err() {
            return;
        }
        folder = inside.parent();
    }
}

/// An absolute path without links and `..`, of which the end need not exist.
pub fn real(path: &Path) -> Result<PathBuf> {
    let cannot = || format!("`{}` is not a usable path", path.display());
    let path = std::path::absolute(path).map_err(|cause| Error::usage(cannot()).because(cause))?;
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            // The parent of a link's target, as the system itself would have it.
            Component::ParentDir => {
                real.pop();
            }
            Component::CurDir => {}
            other => real.push(other),
        }
        if let Ok(found) = fs::canonicalize(&real) {
            real = found;
        }
    }
    Ok(real)
}

/// What the text of bindings depends on in a folder. Go's import each other by the path of the nearest `go.mod` upwards.
pub fn place(dir: &Path, language: &dyn Language, package: bool) -> Result<Place> {
    let name = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let mut place = Place {
        name: name.unwrap_or_else(|| "bindings".to_owned()),
        import_path: None,
    };
    if !language.needs_import_path() {
        return Ok(place);
    }
    for above in dir.ancestors() {
        let file = above.join("go.mod");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => continue,
            Err(error) => {
                return Err(error).environment(|| format!("cannot read `{}`", file.display()));
            }
        };
        let module = module_path(&text).ok_or_else(|| {
            Error::user(format!(
                "`{}` names no module that Go could import",
                file.display()
            ))
            .hint("write one with `go mod edit -module example.com/name`")
        })?;
        let inside = dir.strip_prefix(above).unwrap_or(Path::new(""));
        place.import_path = Some(import_path(&module, &inside.to_string_lossy())?);
        return Ok(place);
    }
    if package {
        // The folder becomes a module, which the language names.
        return Ok(place);
    }
    Err(Error::usage(format!(
        "no go.mod in `{}` or above it: Go's files could not import each other",
        dir.display()
    ))
    .hint("run `go mod init example.com/name` in your Go project first, or let `--package` make the folder a module"))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
