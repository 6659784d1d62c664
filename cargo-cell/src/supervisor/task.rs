//! The owner task.

use tokio::sync::mpsc;

use super::handle::Control;
use super::types::{SupervisorConfig, SupervisorEvent};
use crate::error::{Error, Result};

pub(super) fn start(
    _config: SupervisorConfig,
    _events: mpsc::UnboundedSender<SupervisorEvent>,
    _inbox: mpsc::UnboundedReceiver<Control>,
) -> Result<()> {
    Err(Error::bug("the supervisor is not here yet"))
}
