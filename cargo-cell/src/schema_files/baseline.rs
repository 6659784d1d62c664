//! The schemas that others are compared with: committed ones, a folder's, or those of a revision in git.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of comparisons: it reads folders and asks git"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use cell_runtime::schema::Snapshot;

use super::bound::FILE;
use super::disk::parse_snapshot;
use super::read_snapshot;
use crate::error::{Context as _, Error, Result};

/// Snapshots by the name of their cell.
pub type Schemas = BTreeMap<String, Snapshot>;

/// The committed snapshots of the workspace with this root.
pub fn committed(root: &Path) -> Result<Schemas> {
    folder(&root.join("schema"))
}

/// The snapshots of a folder (its own, or those in its `schema` folder), of one file, or of a revision in git.
pub fn against(what: &str, root: &Path) -> Result<Schemas> {
    let path = Path::new(what);
    if path.is_dir() {
        let own = folder(path)?;
        return match own.is_empty() && path.join("schema").is_dir() {
            true => folder(&path.join("schema")),
            false if own.is_empty() => Err(Error::usage(format!("no snapshot in `{what}`")).hint(
                "snapshots are the files `<cell>.json` that `cargo cell build` writes to `schema`",
            )),
            false => Ok(own),
        };
    }
    if path.is_file() {
        let snapshot = read_snapshot(path)?;
        return Ok([(snapshot.name.clone(), snapshot)].into());
    }
    revision(what, root)
}

fn folder(dir: &Path) -> Result<Schemas> {
    let mut schemas = Schemas::new();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(schemas),
        Err(error) => {
            return Err(error)
                .environment(|| format!("cannot read the folder `{}`", dir.display()));
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_snapshot = path.extension() == Some(OsStr::new("json"))
            && path.file_name() != Some(OsStr::new(FILE));
        if is_snapshot {
            let snapshot = read_snapshot(&path)?;
            schemas.insert(snapshot.name.clone(), snapshot);
        }
    }
    Ok(schemas)
}

/// The committed snapshots as they were in a revision.
fn revision(revision: &str, root: &Path) -> Result<Schemas> {
    let commit = format!("{revision}^{{commit}}");
    let verify = [
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &commit,
    ];
    let Some(commit) = git(root, &verify)? else {
        return Err(Error::usage(format!(
            "`{}` is neither a folder nor a revision that git knows here",
            revision.escape_debug()
        ))
        .hint("for example `--against main`, `--against HEAD~1` or `--against ../other/schema`"));
    };
    let commit = commit.trim();
    let listed = git(root, &["ls-tree", "--name-only", "-z", commit, "./schema/"])?;
    let mut schemas = Schemas::new();
    for path in listed.unwrap_or_default().split('\0') {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !name.ends_with(".json") || name == FILE {
            continue;
        }
        let shown = format!("{revision}:{path}");
        let text = git(root, &["show", &format!("{commit}:./{path}")])?;
        let text = text.ok_or_else(|| Error::environment(format!("git cannot show `{shown}`")))?;
        let snapshot = parse_snapshot(text.into_bytes(), &shown)?;
        schemas.insert(snapshot.name.clone(), snapshot);
    }
    Ok(schemas)
}

/// What a git command prints; nothing when it fails.
fn git(root: &Path, args: &[&str]) -> Result<Option<String>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| {
            Error::environment("cannot run `git`")
                .because(cause)
                .hint("install git, or give a folder of snapshots to `--against`")
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(output.status.success().then_some(text))
}
