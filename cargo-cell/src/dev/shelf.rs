//! Snapshots of what serves, beside the sockets: while a set is held back, the newest snapshot of a cell is not the one
//! that its callers need. `cargo cell call` reads them.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is part of the I/O edge of `dev`"
)]

use std::path::Path;

use cell_runtime::schema::Snapshot;

use crate::error::{Context, Result};

/// Keeps the snapshot of a cell that serves now, and drops the others of that cell.
pub(super) fn keep(run_dir: &Path, snapshot: &Snapshot) -> Result<()> {
    let folder = run_dir.join("schema");
    let cannot = || format!("cannot keep a snapshot in `{}`", folder.display());
    std::fs::create_dir_all(&folder).environment(cannot)?;
    let name = format!("{}.{:016x}.json", snapshot.name, snapshot.fingerprint.0);
    let path = folder.join(&name);
    if !path.exists() {
        let unfinished = folder.join(format!("{name}.tmp"));
        std::fs::write(&unfinished, snapshot.to_json()).environment(cannot)?;
        std::fs::rename(&unfinished, &path).environment(cannot)?;
    }
    let prefix = format!("{}.", snapshot.name);
    for entry in std::fs::read_dir(&folder).environment(cannot)?.flatten() {
        let other = entry.file_name();
        let other = other.to_string_lossy();
        if other != name.as_str() && other.starts_with(&prefix) {
            // One too many does no harm: its fingerprint is in its name.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Puts the stem's snapshot among those of the workspace's cells, where `cargo cell bind` looks.
pub(super) fn publish(schema_dir: &Path, snapshot: &Snapshot) -> Result<()> {
    let cannot = || format!("cannot keep a snapshot in `{}`", schema_dir.display());
    std::fs::create_dir_all(schema_dir).environment(cannot)?;
    let path = schema_dir.join(format!("{}.json", snapshot.name));
    let text = snapshot.to_json();
    if std::fs::read_to_string(&path).is_ok_and(|held| held == text) {
        return Ok(());
    }
    let unfinished = schema_dir.join(format!("{}.json.tmp", snapshot.name));
    std::fs::write(&unfinished, text).environment(cannot)?;
    std::fs::rename(&unfinished, &path).environment(cannot)
}

/// The cells whose snapshots lie in these folders, with their fingerprints; the first folder that has one counts.
pub(super) fn known(folders: &[std::path::PathBuf]) -> std::collections::BTreeMap<String, u64> {
    let files = folders.iter().flat_map(std::fs::read_dir).flatten();
    let mut known = std::collections::BTreeMap::new();
    for path in files.flatten().map(|entry| entry.path()) {
        let snapshot = std::fs::read_to_string(&path)
            .ok()
            .filter(|_| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .and_then(|text| Snapshot::from_json(&text).ok());
        if let Some(snapshot) = snapshot {
            let cell = known.entry(snapshot.name.clone());
            cell.or_insert(snapshot.fingerprint.0);
        }
    }
    known
}
