//! The `cell` module: everything that a user of Cell writes starts with `cell::`.

pub use crate::protein::Protein;
pub use cell_macros::{Protein, client, handler, protein, service};
