use std::task::{Context, Poll};

use super::Status;
use crate::vesicle::Vesicle;

/// Where the items of a call go, on either side.
pub(crate) trait Outlet: Send + Sync + 'static {
    /// Whether the other side takes a batch now; `false` where the call is over.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool>;
    /// Sends the archive of a `Vec` of items.
    fn put(&self, items: &Vesicle) -> Result<(), Status>;
}
