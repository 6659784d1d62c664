//! Finds the snapshot of a cell by its name: in the workspace, in `$CELL_HOME`, or in a file.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the search for snapshots"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use cell_runtime::schema::{Fingerprint, Snapshot};

use super::bound::FILE;
use super::{WORKSPACE, read_snapshot};
use crate::error::{Error, Result};
use crate::workspace::Dirs;
use crate::workspace::config::similar;

/// Where snapshots may lie.
#[derive(Debug, Clone, Default)]
pub struct Shelves {
    /// The workspace that the command runs in: its `schema` folder, and its schemas in `$CELL_HOME`.
    pub here: Option<(PathBuf, PathBuf)>,
    /// `$CELL_HOME/schema`, with a folder for each workspace.
    pub home: PathBuf,
}

/// A snapshot and where it lies.
#[derive(Debug, Clone)]
pub struct Source {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its file.
    pub path: PathBuf,
    /// The folder in `$CELL_HOME/schema` of the workspace that writes it; nothing for a file from elsewhere.
    pub schema_dir: Option<PathBuf>,
}

impl Shelves {
    /// The snapshot of a cell: of the workspace, or else of the only workspace in `$CELL_HOME` that has the name.
    pub fn find(&self, cell: &str) -> Result<Source> {
        if let Some((committed, schema_dir)) = &self.here {
            for folder in [committed, schema_dir] {
                if let Some(found) = source(folder, cell, schema_dir)? {
                    return Ok(found);
                }
            }
        }
        let mut found = Vec::new();
        for schema_dir in folders(&self.home) {
            // What a workspace that is gone has left behind is nobody's schema any more.
            if workspace_of(&schema_dir).is_some_and(|root| !root.exists()) {
                continue;
            }
            found.extend(source(&schema_dir, cell, &schema_dir)?);
        }
        let versions: BTreeSet<Fingerprint> = found
            .iter()
            .map(|source| source.snapshot.fingerprint)
            .collect();
        match found.len() {
            0 => Err(self.unknown(cell)),
            1 => Ok(found.remove(0)),
            // One cell, built in several copies of its workspace: which of them it is does not matter.
            _ if versions.len() == 1 => Ok(Source {
                schema_dir: None,
                ..found.remove(0)
            }),
            _ => Err(several(cell, &found)),
        }
    }

    /// A snapshot in a file that is named. One that a workspace writes belongs to it.
    pub fn file(&self, path: &Path) -> Result<Source> {
        let snapshot = read_snapshot(path)?;
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = real.parent().unwrap_or(Path::new("/"));
        let stem = real.file_stem().and_then(|stem| stem.to_str());
        let writes = |of: &Path| of == folder && stem == Some(snapshot.name.as_str());
        let schema_dir = match &self.here {
            Some((committed, schema_dir)) if writes(committed) || writes(schema_dir) => {
                Some(schema_dir.clone())
            }
            _ => folders(&self.home)
                .into_iter()
                .find(|dir| writes(dir))
                .or_else(|| self.elsewhere(folder).filter(|_| writes(folder))),
        };
        Ok(Source {
            snapshot,
            path: path.to_owned(),
            schema_dir,
        })
    }

    /// The schemas in `$CELL_HOME` of the workspace whose committed `schema` folder this is.
    fn elsewhere(&self, committed: &Path) -> Option<PathBuf> {
        let root = committed
            .parent()
            .filter(|_| committed.ends_with("schema"))?;
        let schema_dir = Dirs::new(self.home.parent()?, root).schema;
        schema_dir.is_dir().then_some(schema_dir)
    }

    /// The names of the cells that have a snapshot: of the workspace, or else of all workspaces.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        if let Some((committed, schema_dir)) = &self.here {
            names.extend(stems(committed));
            names.extend(stems(schema_dir));
        }
        if names.is_empty() {
            names.extend(folders(&self.home).iter().flat_map(|dir| stems(dir)));
        }
        names
    }

    fn unknown(&self, cell: &str) -> Error {
        let names = self.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let error = Error::user(format!(
            "there is no snapshot of a cell `{}`",
            cell.escape_debug()
        ));
        let error = match similar(cell, &names) {
            Some(close) => error.hint(format!("did you mean `{close}`?")),
            None if names.is_empty() => error,
            None => error.hint(format!("there are snapshots of {}", names.join(", "))),
        };
        error.hint(
            "`cargo cell build` in the cell's workspace writes snapshots; `--from FILE` names one",
        )
    }
}

fn source(folder: &Path, cell: &str, schema_dir: &Path) -> Result<Option<Source>> {
    let path = folder.join(format!("{cell}.json"));
    // A name with a slash would lead elsewhere.
    if !cell_runtime::schema::is_identifier(cell) || !path.exists() {
        return Ok(None);
    }
    let snapshot = read_snapshot(&path)?;
    if snapshot.name != cell {
        return Err(Error::user(format!(
            "the snapshot `{}` is of another cell, `{}`",
            path.display(),
            snapshot.name
        ))
        .hint("remove it and run `cargo cell build`"));
    }
    Ok(Some(Source {
        snapshot,
        path,
        schema_dir: Some(schema_dir.to_owned()),
    }))
}

fn several(cell: &str, found: &[Source]) -> Error {
    let list: Vec<String> = found
        .iter()
        .map(|source| {
            let of = source.schema_dir.as_deref().and_then(workspace_of);
            let place = of.unwrap_or_else(|| source.path.clone());
            format!("{} in `{}`", source.snapshot.fingerprint, place.display())
        })
        .collect();
    Error::usage(format!("several workspaces have a cell `{cell}`"))
        .because(list.join(", "))
        .hint("run the command inside the workspace you mean, or name its snapshot with `--from FILE`")
}

/// The workspace that writes the schemas in a folder of `$CELL_HOME/schema`, if it has said so.
fn workspace_of(schema_dir: &Path) -> Option<PathBuf> {
    let root = std::fs::read(schema_dir.join(WORKSPACE)).ok()?;
    Some(PathBuf::from(OsString::from_vec(root)))
}

/// The folders below a folder, in order.
#[must_use]
pub fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// The names of the snapshots in a folder.
fn stems(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name != FILE)
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .collect()
}
