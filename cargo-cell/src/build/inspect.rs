//! Reads what a built executable is: its hash, its records, the files that it is made of.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of `build` for records and dep-info"
)]

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cell_runtime::schema::Snapshot;

use super::binary::{self, Stat};
use super::dep_info;
use crate::error::{Context, Error, Result};
use crate::workspace::Cell;
use crate::{schema_files, stem};

/// What is known of an executable while its state on disk stays the same.
#[derive(Debug, Clone)]
pub struct Known {
    /// The state that this is about.
    pub stat: Stat,
    /// The hash of what is loaded.
    pub hash: String,
    /// The private copy, or the executable itself where none is kept.
    pub private: PathBuf,
    /// What its records say.
    pub inspected: Inspected,
    /// The files that it is made of; nothing as long as cargo has not said so, which it does at the end of a build.
    pub sources: Option<BTreeSet<PathBuf>>,
}

/// What the records in an executable say.
#[derive(Debug, Clone, Default)]
pub struct Inspected {
    /// The schema of its service, if it has one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The cells that it calls.
    pub calls: BTreeSet<String>,
}

impl Inspected {
    /// The name of its service.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.snapshot
            .as_ref()
            .map(|snapshot| snapshot.name.as_str())
    }

    /// The fingerprint of its service, or 0.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.fingerprint.0)
    }
}

/// Inspects executables in parallel, as many at once as there are cores: each reads whole tables into memory. Those whose
/// state is known are not read again.
pub fn all(
    cells: &[(&Cell, &Path)],
    known: &HashMap<PathBuf, Known>,
    bin_dir: Option<&Path>,
) -> Result<Vec<Known>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((cell, executable)) = cells.get(at) else {
                return done;
            };
            let before = known.get(*executable);
            done.push((at, one(cell, executable, before, bin_dir)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores.min(cells.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        let done = threads.into_iter().flat_map(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        done.collect::<Vec<_>>()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, known)| known).collect()
}

fn one(
    cell: &Cell,
    executable: &Path,
    before: Option<&Known>,
    bin_dir: Option<&Path>,
) -> Result<Known> {
    let mut known = binary(cell, executable, before, bin_dir)?;
    // Without dep-info nothing is filtered: at worst a change that does not matter starts a build that does nothing.
    known.sources.get_or_insert_with(|| {
        let text = std::fs::read_to_string(executable.with_extension("d")).unwrap_or_default();
        real(&dep_info::parse(&text))
    });
    Ok(known)
}

/// What the executable itself says; nothing about what it is made of, unless that is known.
pub(super) fn binary(
    cell: &Cell,
    executable: &Path,
    before: Option<&Known>,
    bin_dir: Option<&Path>,
) -> Result<Known> {
    let cannot = || {
        format!(
            "cannot read the executable of `{}` at `{}`",
            cell.package,
            executable.display()
        )
    };
    let stat = binary::stat(executable).environment(cannot)?;
    if let Some(before) = before
        && before.stat == stat
        && before.private.exists()
    {
        return Ok(before.clone());
    }
    let hash = binary::hash(executable).environment(cannot)?;
    let inspected = records(cell, executable)?;
    let private = match bin_dir {
        Some(folder) => {
            binary::keep(executable, folder, &cell.package, &hash).environment(|| {
                format!(
                    "cannot keep a copy of `{}` in `{}`",
                    cell.package,
                    folder.display()
                )
            })?
        }
        None => executable.to_owned(),
    };
    Ok(Known {
        stat,
        hash,
        private,
        inspected,
        sources: None,
    })
}

/// No cell's name: its snapshot would be the file that remembers where bindings are.
pub const RESERVED: &str = "bindings";

/// The names of the snapshots that are committed in the workspace.
pub fn committed(root: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(root.join("schema")) else {
        return BTreeSet::new();
    };
    let name = |entry: std::fs::DirEntry| {
        Some(
            entry
                .file_name()
                .to_str()?
                .strip_suffix(".json")?
                .to_owned(),
        )
    };
    let mut names: BTreeSet<String> = entries.flatten().filter_map(name).collect();
    names.remove(RESERVED);
    names
}

/// The watch reports canonical paths; cargo's may lead through a symlink. Most files share a few folders.
fn real(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
    let mut real = |file: &PathBuf| {
        let (folder, name) = (file.parent()?, file.file_name()?);
        if !folders.contains_key(folder) {
            folders.insert(folder.to_owned(), std::fs::canonicalize(folder).ok());
        }
        Some(folders.get(folder)?.as_ref()?.join(name))
    };
    files
        .iter()
        .map(|file| real(file).unwrap_or_else(|| file.clone()))
        .collect()
}

fn records(cell: &Cell, executable: &Path) -> Result<Inspected> {
    let records = schema_files::read_binary(executable)?;
    let snapshot = records.only_service().map_err(|cause| {
        let error = Error::user(format!("the schema of `{}` is not sound", cell.package))
            .because(cause.message());
        match cause.help() {
            Some(help) => error.hint(help),
            None => error,
        }
    })?;
    if snapshot
        .as_ref()
        .is_some_and(|snapshot| snapshot.name == RESERVED)
    {
        return Err(Error::user(format!(
            "the service of `{}` cannot be called `{RESERVED}`",
            cell.package
        ))
        .because("its snapshot would be `schema/bindings.json`, which remembers where bindings are")
        .hint("rename the service's module"));
    }
    let name = snapshot.as_ref().map_or(&cell.package, |s| &s.name);
    if name == stem::NAME {
        let error = Error::user(format!(
            "the cell of `{}` cannot be called `{}`",
            cell.package,
            stem::NAME
        ));
        return Err(error
            .because("that is the supervisor's own service")
            .hint("rename the service's module, or the package where it serves nothing"));
    }
    Ok(Inspected {
        calls: records
            .calls()
            .iter()
            .map(|call| call.cell.clone())
            .collect(),
        snapshot: snapshot.map(Arc::new),
    })
}
