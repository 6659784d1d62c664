//! The `cell` module: everything that a user of Cell writes starts with `cell::`.

pub use crate::handlers::Handlers;
pub use crate::protein::Protein;
pub use crate::service::{Context, State, View, serve_local};
pub use crate::{CallError, Error};
pub use cell_macros::{Protein, client, handler, protein, service};
