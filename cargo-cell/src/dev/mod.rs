//! The dev loop: [`decide`] says what to do, [`sets`] says who swaps together, and [`event_loop`] does it.
//!
//! One loop over one closed enum ([`event_loop::Input`]) is the only cause of change.

pub mod control;
pub mod decide;
pub mod event_loop;
pub mod fleet;
pub mod hub;
pub mod roster;
pub mod sets;
mod sight;
mod signals;
mod timing;

use crate::cli::Context;
use crate::error::{Error, Result};
use crate::workspace::Workspace;

/// Runs the loop over a workspace until somebody stops it.
pub fn start(_context: &Context, _workspace: Workspace, _sandbox: Option<String>) -> Result<()> {
    Err(Error::bug("the supervisor is not here yet"))
}
