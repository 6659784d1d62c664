//! `cell::run`: the process around a cell that only calls.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::local::{asked_by_hand, listen_to, say};
use crate::control::{self, FromCell};

/// How long work that asked for [`stopping`] may go on when it is stopped by hand.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs the work of a cell that serves nothing, until it ends or the cell is told to stop.
///
/// Tells the supervisor that the cell runs now: everything before may fail, and the generation before it goes on. A cell
/// that serves nothing and does not call this is believed to run when it has for a second.
///
/// When the cell is told to stop, the work is dropped at the `.await` where it stands; calls in flight are cancelled. Work
/// that wants to finish something first waits for [`stopping`] as well, and is then left to end by itself, for at most the
/// cell's `drain` limit (10 s when it is started by hand).
///
/// ```no_run
/// # extern crate cell_runtime as cell_sdk;
/// use cell_sdk::cell;
///
/// #[tokio::main]
/// async fn main() -> anyhow::Result<()> {
///     let mut turn = tokio::time::interval(std::time::Duration::from_secs(1));
///     cell::run(async {
///         loop {
///             turn.tick().await;
///             // calls other cells
///         }
///     })
///     .await
/// }
/// ```
pub async fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut work = pin!(work);
    let inherited = control::inherit()?;
    let limit = match inherited {
        Some(inherited) => {
            let mut control = inherited.control;
            // The descriptor's flags are shared with whoever passed it down.
            control.set_nonblocking(false)?;
            let drain = listen_to(control.try_clone()?, Arc::default())?;
            let pid = std::process::id();
            say(&mut control, &FromCell::Running { pid });
            tokio::select! {
                done = &mut work => return done,
                limit = drain => match limit {
                    Ok(limit) => limit,
                    // The control thread ends the process before it drops the sender.
                    Err(_) => std::future::pending().await,
                },
            }
        }
        None => {
            let asked = asked_by_hand()?;
            tokio::select! {
                done = &mut work => return done,
                () = asked => LIMIT,
            }
        }
    };
    bell().send_replace(true);
    if !AWAITED.load(Ordering::SeqCst) {
        return Ok(());
    }
    tokio::time::timeout(limit, work).await.unwrap_or(Ok(()))
}

/// Waits until the cell is told to stop; see [`run`].
pub async fn stopping() {
    AWAITED.store(true, Ordering::SeqCst);
    let mut asked = bell().subscribe();
    // The sender is never dropped.
    let _ = asked.wait_for(|stop| *stop).await;
}

/// Whether the work takes care of its end.
static AWAITED: AtomicBool = AtomicBool::new(false);

fn bell() -> &'static watch::Sender<bool> {
    static BELL: OnceLock<watch::Sender<bool>> = OnceLock::new();
    BELL.get_or_init(|| watch::Sender::new(false))
}
