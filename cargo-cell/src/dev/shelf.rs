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
