//! One build of the loop: the workspace is loaded again where it changed, then cargo works.

use std::path::PathBuf;

use crate::build::{Batch, Builder, Writes};
use crate::error::{Error, Result};
use crate::event::Sink;
use crate::workspace::{Workspace, metadata};

/// Builds `known`, or what `manifest` says now; returns the workspace where it was loaded again.
pub(super) async fn reloaded(
    builder: &tokio::sync::Mutex<Builder>,
    number: u64,
    known: Workspace,
    manifest: Option<PathBuf>,
    sink: &Sink,
    beside: &(dyn Fn() + Sync),
) -> (Option<Workspace>, Result<Batch>) {
    let reloaded = match manifest {
        None => None,
        Some(manifest) => {
            let loaded =
                tokio::task::spawn_blocking(move || metadata::load(Some(&manifest), &manifest))
                    .await;
            match loaded {
                Ok(Ok(workspace)) => Some(workspace),
                Ok(Err(error)) => return (None, Err(error)),
                Err(panic) => {
                    return (
                        None,
                        Err(Error::bug("loading the workspace panicked").because(panic)),
                    );
                }
            }
        }
    };
    let workspace = reloaded.as_ref().unwrap_or(&known);
    let outcome = builder
        .lock()
        .await
        .batch_beside(workspace, number, Writes::Everything, sink, beside)
        .await;
    (reloaded, outcome)
}
