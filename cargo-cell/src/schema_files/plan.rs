//! What each file of a workspace must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cell_runtime::schema::Snapshot;

use crate::bind::rust::Rust;
use crate::bind::{Language as _, Place};
use crate::error::{Error, Result};

/// The file beside a workspace's schemas in `$CELL_HOME` that says where the workspace is.
pub const WORKSPACE: &str = "workspace";

/// A workspace as far as schemas go.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The workspace's root.
    pub root: PathBuf,
    /// `$CELL_HOME/schema/<hash>` of the workspace.
    pub home_schema_dir: PathBuf,
    /// The cells that serve something.
    pub authorities: Vec<Authority>,
    /// The packages that call cells.
    pub consumers: Vec<Consumer>,
}

/// A cell that serves something.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The package's folder.
    pub package_dir: PathBuf,
    /// What it serves.
    pub snapshot: Snapshot,
}

/// A package that calls cells.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// The package's folder.
    pub package_dir: PathBuf,
    /// The cells that it calls or has bindings of.
    pub cells: BTreeSet<String>,
}

/// What a file must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWrite {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub bytes: Vec<u8>,
    /// Why, for people: "the snapshot of `button_service`".
    pub why: String,
}

/// What follows from a view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every file, whether it is so already or not.
    pub files: Vec<FileWrite>,
    /// Cells that a package calls and that no cell of the workspace is: the package's folder and the name. Their
    /// bindings are left as they are.
    pub unknown: Vec<(PathBuf, String)>,
}

/// How a file on disk differs from what it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: PathBuf,
    /// What differs, for people; a schema's changes one a line.
    pub what: String,
}

/// Every file that follows from a workspace's records: snapshots, locks and bindings.
pub fn plan(view: &View) -> Result<Plan> {
    let mut plan = Plan {
        files: lock_only(view),
        unknown: Vec::new(),
    };
    let snapshots: BTreeMap<&str, &Snapshot> = view
        .authorities
        .iter()
        .map(|authority| (authority.snapshot.name.as_str(), &authority.snapshot))
        .collect();
    for consumer in &view.consumers {
        for cell in &consumer.cells {
            match snapshots.get(cell.as_str()) {
                Some(snapshot) => plan.files.extend(binding(&consumer.package_dir, snapshot)?),
                None => plan
                    .unknown
                    .push((consumer.package_dir.clone(), cell.clone())),
            }
        }
    }
    plan.files.sort_by(|a, b| a.path.cmp(&b.path));
    plan.files.dedup_by(|a, b| a.path == b.path);
    plan.unknown.sort();
    plan.unknown.dedup();
    Ok(plan)
}

/// What the authorities are: snapshots and locks, in the workspace and in the home, and the locks beside bindings that
/// follow them. No binding changes, so a stale one stops compiling.
#[must_use]
pub fn lock_only(view: &View) -> Vec<FileWrite> {
    let mut files = Vec::new();
    if !view.authorities.is_empty() {
        files.push(FileWrite {
            path: view.home_schema_dir.join(WORKSPACE),
            bytes: view.root.as_os_str().as_bytes().to_vec(),
            why: "which workspace these are the schemas of".to_owned(),
        });
    }
    for Authority { snapshot, .. } in &view.authorities {
        let name = &snapshot.name;
        for dir in [&view.root.join("schema"), &view.home_schema_dir] {
            let dir: &Path = dir;
            files.push(FileWrite {
                path: dir.join(format!("{name}.json")),
                bytes: snapshot.to_json().into_bytes(),
                why: format!("the snapshot of `{name}`"),
            });
            files.push(lock(dir, snapshot));
        }
        for consumer in &view.consumers {
            if consumer.cells.contains(name) {
                files.push(lock(&consumer.package_dir.join("cells"), snapshot));
            }
        }
    }
    files
}

fn lock(dir: &Path, snapshot: &Snapshot) -> FileWrite {
    let name = &snapshot.name;
    FileWrite {
        path: dir.join(format!("{name}.lock")),
        bytes: snapshot.to_lock().into_bytes(),
        why: format!("the lock of `{name}`"),
    }
}

/// The files of one binding of one package.
fn binding(package_dir: &Path, snapshot: &Snapshot) -> Result<Vec<FileWrite>> {
    let files = Rust
        .generate(snapshot, &Place::default())
        .map_err(|error| {
            let mut shown = Error::user(format!("cannot write a binding of `{}`", snapshot.name))
                .because(error.message());
            if let Some(help) = error.help() {
                shown = shown.hint(help);
            }
            shown
        })?;
    let write = |file: crate::bind::File| FileWrite {
        path: package_dir.join("cells").join(file.path),
        bytes: file.text.into_bytes(),
        why: format!("the binding of `{}`", snapshot.name),
    };
    Ok(files.into_iter().map(write).collect())
}
