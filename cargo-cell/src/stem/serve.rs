//! The socket of the stem, and what its callers need to know of its schema.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor's own service"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cell_runtime::discovery;
use cell_runtime::schema::{Snapshot, own_service};
use cell_runtime::server::{self, ServerOptions};
use cell_runtime::transport::UdsListener;
use tokio::task::JoinHandle;

use super::{Ask, Loop, NAME, stem};
use crate::error::{Context, Result};

/// The stem, as long as this lives.
pub struct Serving {
    paths: Vec<PathBuf>,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The stem's own schema.
pub fn snapshot() -> Result<Arc<Snapshot>> {
    own_service("cargo_cell::stem::stem")
        .environment(|| "the tool's own schema cannot be read".to_owned())
}

/// Serves the stem in the run folder, whose lock the caller holds: what lies at its paths was left behind.
pub fn start(run_dir: &Path, ask: Ask) -> Result<Serving> {
    let cannot = || format!("cannot serve `{NAME}` in `{}`", run_dir.display());
    let snapshot = snapshot()?;
    let service = stem::handlers()
        .state(Loop { ask })
        .into_server()
        .environment(cannot)?;
    let name = discovery::socket_name(NAME, snapshot.fingerprint.0);
    let (socket, link) = (
        run_dir.join(&name),
        run_dir.join(discovery::socket_name(NAME, 0)),
    );
    discovery::check_socket_path(&socket).environment(cannot)?;
    for path in [&socket, &link] {
        let _ = std::fs::remove_file(path);
    }
    let listener = UdsListener::bind(&socket).environment(cannot)?;
    std::os::unix::fs::symlink(&name, &link).environment(cannot)?;
    let task = tokio::spawn(async move {
        let forever = std::future::pending();
        // A listener that fails is gone with the supervisor.
        let _ = server::run(listener, service, ServerOptions::default(), forever).await;
    });
    Ok(Serving {
        paths: vec![socket, link],
        task,
    })
}
