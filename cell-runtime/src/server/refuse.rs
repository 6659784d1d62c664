use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use super::{CallContext, CallFuture, RouteId, ServerOptions, Service, Status, StatusCode, run};
use crate::transport::Listener;
use crate::vesicle::Vesicle;

/// Answers for a cell that has no live generation: every handshake is accepted, whatever its fingerprint, every call is
/// answered `unavailable` with the newest reason, and `shutdown` ends it with a GOAWAY, so that callers come back and reach the
/// cell itself.
pub async fn refuse_all<L: Listener>(
    listener: L,
    cell: &str,
    reason: watch::Receiver<String>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = Arc::new(Unavailable {
        cell: cell.to_owned(),
        reason,
    });
    run(listener, service, ServerOptions::default(), shutdown).await
}

struct Unavailable {
    cell: String,
    reason: watch::Receiver<String>,
}

impl Service for Unavailable {
    fn name(&self) -> &str {
        &self.cell
    }

    fn fingerprint(&self) -> u64 {
        0
    }

    fn routes(&self) -> &[RouteId] {
        &[]
    }

    fn call(&self, _route: RouteId, _context: CallContext, _payload: Vesicle) -> CallFuture {
        let status = Status::new(StatusCode::Unavailable, self.reason.borrow().clone());
        CallFuture::new(std::future::ready(Err(status)))
    }
}
