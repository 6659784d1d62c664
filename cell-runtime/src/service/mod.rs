//! The typed side of serving: what a handler takes besides its arguments, and how a call's bytes become them.

mod arguments;
mod caller;
mod incoming;
mod local;
mod scope;
mod test_cell;
mod view;

pub use arguments::{Context, State};
pub use caller::{run, stopping};
#[cfg(feature = "tower")]
pub(crate) use incoming::made_for;
#[doc(hidden)]
pub use incoming::{Incoming, answer, answer_result};
pub use local::serve_local;
#[cfg(feature = "remote")]
pub(crate) use local::{asked_by_hand, serve_in, supervised};
pub(crate) use scope::inherited;
pub use test_cell::TestCell;
pub use view::View;
