//! Reads and writes `bindings.json`.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of what is remembered"
)]

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::Memory;
use crate::error::{Context as _, Result};

/// What the file is called, in a workspace's `schema` folder and in the folder of its schemas in `$CELL_HOME`.
pub const FILE: &str = "bindings.json";
const BYTES_MAX: u64 = 1 << 20;

impl Memory {
    /// What a workspace remembers of folders inside it.
    pub fn of_workspace(root: &Path) -> Result<Self> {
        load(root.join("schema").join(FILE), Some(root.to_owned()))
    }

    /// What is remembered of folders outside the workspace with these schemas in `$CELL_HOME`.
    pub fn of_home(schema_dir: &Path) -> Result<Self> {
        load(schema_dir.join(FILE), None)
    }

    /// Writes the file where its text has changed; gives its text then.
    pub fn store(&self) -> Result<bool> {
        let cannot = || format!("cannot write `{}`", self.file.display());
        let text = self.to_json();
        let on_disk = match fs::read_to_string(&self.file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).environment(cannot),
        };
        if text == on_disk {
            return Ok(false);
        }
        match text {
            None => fs::remove_file(&self.file).environment(cannot)?,
            Some(text) => whole(&self.file, &text).environment(cannot)?,
        }
        Ok(true)
    }
}

fn load(file: PathBuf, base: Option<PathBuf>) -> Result<Memory> {
    let cannot = || format!("cannot read `{}`", file.display());
    let mut text = String::new();
    match fs::File::open(&file) {
        Ok(opened) => opened
            .take(BYTES_MAX)
            .read_to_string(&mut text)
            .environment(cannot)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Memory::new(file, base));
        }
        Err(error) => return Err(error).environment(cannot),
    };
    Memory::parse(&text, file, base)
}

/// The new text or the old one, whatever happens.
fn whole(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".cell-")
        .suffix(".tmp")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
