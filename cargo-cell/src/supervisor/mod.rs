//! Cells as processes: started, swapped, drained, stopped, and never left behind.
//!
//! [`Supervisor`] is a handle; one task owns all state. [`state`] decides (state, input, now → actions) and touches
//! nothing; [`task`], [`process`] and the files beside them carry the actions out. Three processes see to it that nothing
//! outlives the tool: [`shim`] (pid 1 in a cell's sandbox), [`guardian`] (around cargo and unsandboxed cells, and one
//! for the session's sockets); each holds one end of a socket whose other end dies with the tool.

mod handle;
mod types;

pub mod guardian;
pub mod process;
pub mod sandbox;
pub mod shim;
mod task;

pub use handle::Supervisor;
pub use sandbox::SandboxMode;
pub use types::{
    CellPhase, CellSpec, CellStatus, Exit, InForce, Outcome, Stream, SupervisorConfig,
    SupervisorEvent, Swap,
};
