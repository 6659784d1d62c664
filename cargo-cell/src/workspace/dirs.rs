//! Where a workspace's sockets, schemas, data and logs live.

use std::path::{Path, PathBuf};

/// The folders of a workspace in `$CELL_HOME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// `$CELL_HOME`.
    pub home: PathBuf,
    /// Sockets: `run/<hash>`.
    pub run: PathBuf,
    /// Private copies of binaries: `run/<hash>/bin`.
    pub bin: PathBuf,
    /// What cells print: `run/<hash>/log`.
    pub log: PathBuf,
    /// Snapshots: `schema/<hash>`.
    pub schema: PathBuf,
    /// What cells keep: `data/<hash>`.
    pub data: PathBuf,
    /// The keys of the network, of all workspaces: `keys`.
    pub keys: PathBuf,
}

impl Dirs {
    /// The folders of the workspace with this canonical root.
    #[must_use]
    pub fn new(home: &Path, root: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let hash = blake3::hash(root.as_os_str().as_bytes()).to_hex();
        let hash = &hash[..16];
        let run = home.join("run").join(hash);
        Dirs {
            home: home.to_owned(),
            bin: run.join("bin"),
            log: run.join("log"),
            run,
            schema: home.join("schema").join(hash),
            data: home.join("data").join(hash),
            keys: home.join("keys"),
        }
    }
}
