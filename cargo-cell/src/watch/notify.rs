//! The file system's own events, and the reading and hashing of files.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of `watch`"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::UnboundedSender;

use super::tracker::Content;
use crate::error::{Error, Result};

/// Files larger than this are no sources; their length and time stand for their content.
const READ_MAX: u64 = 16 << 20;

/// Something happened in the file system.
#[derive(Debug)]
pub struct Raw {
    /// To these files or folders.
    pub paths: Vec<PathBuf>,
    /// It was the end of a save of the last of them: closed after writing, or moved to where it is.
    pub whole: bool,
    /// Events were lost.
    pub rescan: bool,
    /// When it was seen.
    pub at: Instant,
}

/// Watches folders, one by one: a recursive watch would drown in the target folder.
pub struct Watch {
    watcher: RecommendedWatcher,
    roots: BTreeSet<PathBuf>,
    /// Folders that are watched without what lies in them.
    shallow: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    ignores: BTreeMap<PathBuf, Gitignore>,
    skipped: Vec<PathBuf>,
}

impl Watch {
    /// A watch on nothing yet. `skipped` folders (the target folder) are never watched.
    pub fn new(skipped: Vec<PathBuf>, raw: UnboundedSender<Raw>) -> Result<Self> {
        let handler = move |event: notify::Result<notify::Event>| {
            let at = Instant::now();
            let raw_event = match event {
                Ok(event) if event.need_rescan() => Raw {
                    paths: Vec::new(),
                    whole: false,
                    rescan: true,
                    at,
                },
                Ok(event) if matters(&event.kind) => Raw {
                    whole: ends_a_save(&event.kind),
                    paths: event.paths,
                    rescan: false,
                    at,
                },
                Ok(_) => return,
                Err(_) => Raw {
                    paths: Vec::new(),
                    whole: false,
                    rescan: true,
                    at,
                },
            };
            // The loop is gone: so is the reason to watch.
            let _ = raw.send(raw_event);
        };
        let watcher = notify::recommended_watcher(handler)
            .map_err(|cause| cannot_watch(&cause, Path::new(".")))?;
        Ok(Watch {
            watcher,
            roots: BTreeSet::new(),
            shallow: BTreeSet::new(),
            folders: BTreeSet::new(),
            ignores: BTreeMap::new(),
            skipped,
        })
    }

    /// How many folders are watched.
    #[must_use]
    pub fn folders(&self) -> usize {
        self.folders.len()
    }

    /// Watches a folder and everything in it that git does not ignore; gives the files found in folders that were not
    /// watched before.
    pub fn add(&mut self, root: &Path) -> Result<Vec<PathBuf>> {
        self.roots.insert(root.to_owned());
        let mut files = Vec::new();
        self.enter(root, &mut files)?;
        Ok(files)
    }

    /// Watches one folder without what lies in it: for the files of a path dependency far away.
    pub fn add_shallow(&mut self, folder: &Path) -> Result<()> {
        if !self.folders.contains(folder) && folder.is_dir() {
            self.hold(folder)?;
            self.shallow.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Looks at a path that something happened to: a new folder is watched too, and its files are given.
    pub fn appeared(&mut self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        // A watched folder that is gone must be watched anew when it comes back. It may be back already, before anybody
        // looked, and with other contents; but the watch on it went with it.
        self.folders.retain(|folder| !folder.starts_with(path));
        if !is_folder(path) {
            return Ok(files);
        }
        if self.roots.iter().any(|root| path.starts_with(root)) {
            self.enter(path, &mut files)?;
        } else if self.shallow.contains(path) {
            self.hold(path)?;
        }
        Ok(files)
    }

    /// Looks at everything again, after events were lost; gives all files.
    pub fn rescan(&mut self) -> Result<Vec<PathBuf>> {
        self.folders.clear();
        let mut files = Vec::new();
        for root in self.roots.clone() {
            self.enter(&root, &mut files)?;
        }
        for folder in self.shallow.clone() {
            self.add_shallow(&folder)?;
        }
        Ok(files)
    }

    /// Whether git ignores a path, as far as the ignore files of the workspace say.
    #[must_use]
    pub fn ignored(&self, path: &Path, is_dir: bool) -> bool {
        if self.skipped.iter().any(|skipped| path.starts_with(skipped)) {
            return true;
        }
        // The deepest file that has an opinion decides.
        for folder in path.ancestors().skip(1) {
            if let Some(rules) = self.ignores.get(folder) {
                let opinion = rules.matched_path_or_any_parents(path, is_dir);
                if !opinion.is_none() {
                    return opinion.is_ignore();
                }
            }
        }
        false
    }

    fn enter(&mut self, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
        if folder.file_name().is_some_and(|name| name == ".git") || self.ignored(folder, true) {
            return Ok(());
        }
        let new = !self.folders.contains(folder);
        if new {
            self.hold(folder)?;
        }
        let rules = folder.join(".gitignore");
        if rules.is_file() {
            let mut builder = GitignoreBuilder::new(folder);
            // A rule that does not parse is git's business; the others count.
            let _ = builder.add(&rules);
            if let Ok(rules) = builder.build() {
                self.ignores.insert(folder.to_owned(), rules);
            }
        }
        // A folder may be gone before it is read.
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.enter(&entry.path(), files)?,
                Ok(_) if new => files.push(entry.path()),
                _ => {}
            }
        }
        Ok(())
    }

    fn hold(&mut self, folder: &Path) -> Result<()> {
        match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.folders.insert(folder.to_owned());
                Ok(())
            }
            Err(cause) if matches!(cause.kind, notify::ErrorKind::PathNotFound) => Ok(()),
            Err(cause) if matches!(&cause.kind, notify::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::NotFound) => {
                Ok(())
            }
            Err(cause) => Err(cannot_watch(&cause, folder)),
        }
    }
}

/// What a file holds now.
#[must_use]
pub fn content(path: &Path) -> Content {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > READ_MAX => {
            let stamp = format!("{} {:?}", metadata.len(), metadata.modified().ok());
            Content::of(stamp.as_bytes())
        }
        Ok(metadata) if metadata.is_file() => {
            std::fs::read(path).map_or(Content::Missing, |bytes| Content::of(&bytes))
        }
        _ => Content::Missing,
    }
}

/// How long ago the newest of these files was written.
#[must_use]
pub fn since_written<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Option<std::time::Duration> {
    let newest = paths
        .filter_map(|path| std::fs::metadata(path).ok()?.modified().ok())
        .max()?;
    SystemTime::now().duration_since(newest).ok()
}

/// Cargo decides by time: a file that was moved here, or unpacked, with an old time would be passed over. Gives such files
/// the time of now.
pub fn renew<'a>(paths: impl Iterator<Item = &'a PathBuf>, built: SystemTime) {
    for path in paths {
        let old = std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|time| time <= built);
        if old && let Ok(file) = std::fs::File::open(path) {
            // A file that is not ours to change keeps its time: cargo then sees what it always sees.
            let _ = file.set_modified(SystemTime::now());
        }
    }
}

/// The time of the file system's own clock, as far as it can be told.
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
}

fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn matters(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        // `touch` and `chmod` change no content.
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// Of a move within the watched folders the last path is the new one.
fn ends_a_save(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
    )
}

fn cannot_watch(cause: &notify::Error, folder: &Path) -> Error {
    let error = Error::environment(format!("cannot watch `{}`", folder.display())).because(cause);
    let full = matches!(cause.kind, notify::ErrorKind::MaxFilesWatch)
        || matches!(&cause.kind, notify::ErrorKind::Io(io) if io.raw_os_error() == Some(libc::EMFILE));
    if full {
        error.hint(
            "raise the limits: `sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024`",
        )
    } else {
        error
    }
}
