//! The low level of serving: bytes in, bytes out.

use std::future::Future;

use crate::handlers::Handlers;
use crate::service::serve_local;
use crate::vesicle::Vesicle;

/// The serving side of a cell.
#[derive(Debug)]
pub struct Membrane;

impl Membrane {
    /// Serves the cell `name` with one function from bytes to bytes, until the cell is told to stop.
    ///
    /// ```no_run
    /// # extern crate cell_runtime as cell_sdk;
    /// use cell_sdk::Membrane;
    ///
    /// # async fn example() -> anyhow::Result<()> {
    /// Membrane::bind("echo", |vesicle| async move { vesicle }).await
    /// # }
    /// ```
    pub async fn bind<Fut>(
        name: &str,
        answer: impl Fn(Vesicle) -> Fut + Send + Sync + 'static,
    ) -> anyhow::Result<()>
    where
        Fut: Future<Output = Vesicle> + Send + 'static,
    {
        serve_local(Handlers::new().named(name).raw(answer)).await
    }
}
