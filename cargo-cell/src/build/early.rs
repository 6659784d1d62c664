//! Executables are read while cargo still works: it names each one as soon as that is linked, and then links others, writes
//! its own notes and ends. What was read early is only ever a memory by the state of the file on disk: who takes it over
//! looks at that state again.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::task::JoinHandle;

use super::inspect::{self, Known};
use super::messages::Binary;
use crate::workspace::{Cell, Workspace};

/// A cell, its executable, and what is known of that.
type Linked = (Cell, PathBuf, Option<Known>);

/// Reads executables one by one beside cargo. Dropping it ends that.
pub(super) struct Early {
    linked: Sender<Linked>,
    enough: Arc<AtomicBool>,
    read: JoinHandle<HashMap<PathBuf, Known>>,
}

impl Early {
    /// Starts the one who reads. Must be called in a tokio runtime.
    pub(super) fn start(bin_dir: Option<PathBuf>) -> Early {
        let (linked, waiting) = channel();
        let enough = Arc::new(AtomicBool::new(false));
        let stop = enough.clone();
        let read = tokio::task::spawn_blocking(move || read(&waiting, &stop, bin_dir.as_deref()));
        Early {
            linked,
            enough,
            read,
        }
    }

    /// Cargo says that this one is there. One that it did not have to link is known already.
    pub(super) fn linked(
        &self,
        workspace: &Workspace,
        binary: &Binary,
        known: &HashMap<PathBuf, Known>,
    ) {
        let before = known.get(&binary.executable);
        if binary.fresh && before.is_some() {
            return;
        }
        let cell = workspace
            .cells
            .iter()
            .find(|cell| cell.package_id == binary.package_id && cell.bin == binary.target);
        if let Some(cell) = cell {
            // Whoever reads may have panicked: then everything is read at the end.
            let _ = self
                .linked
                .send((cell.clone(), binary.executable.clone(), before.cloned()));
        }
    }

    /// What has been read; the rest is read faster by several at once.
    pub(super) async fn finish(self) -> HashMap<PathBuf, Known> {
        self.enough.store(true, Ordering::Relaxed);
        drop(self.linked);
        self.read.await.unwrap_or_default()
    }
}

fn read(
    waiting: &Receiver<Linked>,
    enough: &AtomicBool,
    bin_dir: Option<&std::path::Path>,
) -> HashMap<PathBuf, Known> {
    let mut read = HashMap::new();
    for (cell, executable, before) in waiting {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        // What is wrong with one is said when everybody is read.
        if let Ok(known) = inspect::binary(&cell, &executable, before.as_ref(), bin_dir) {
            read.insert(executable, known);
        }
    }
    read
}
