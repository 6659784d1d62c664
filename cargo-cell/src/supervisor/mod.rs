//! Cells as processes: started, swapped, drained, stopped, and never left behind.
//!
//! [`Supervisor`] is a handle; one task owns all state. [`state`] decides (state, input, now → actions) and touches
//! nothing; `task`, [`process`] and the files beside them carry the actions out. Three kinds of process see to it that
//! nothing outlives the tool: [`shim`] (pid 1 in a cell's sandbox), [`guardian`] (around cargo and unsandboxed cells, and
//! one for the session's sockets). Each holds one end of a socket whose other end dies with the tool.

mod handle;
mod types;

pub mod process;
pub mod sandbox;
pub mod state;

pub mod guardian;
pub mod lease;
pub mod session;
pub mod shim;

mod backoff;
mod cgroup;
mod confinement;
mod fork;
mod keeper;
mod listeners;
mod logs;
mod outbox;
mod porter;
mod procfs;
mod running;
mod spare;
mod starting;
mod task;

pub use handle::Supervisor;
pub use sandbox::SandboxMode;
pub use types::{
    CellPhase, CellSpec, CellStatus, Exit, Health, InForce, Outcome, ShaderSaid, Stream,
    SupervisorConfig, SupervisorEvent, Swap,
};
