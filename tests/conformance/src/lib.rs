//! The conformance cell: a schema that holds every construct, and values of each with the bytes that Rust archives.
//!
//! `values.json` and `conformance.json` beside this crate are written from it (`tests/values.rs`), and every language's
//! client decodes and encodes them: the same value, the identical bytes.
#![allow(
    rustdoc::invalid_html_tags,
    reason = "documentation of every kind has to be carried over"
)]

mod edges;
mod extremes;
mod fields;
mod names;
pub mod random;
mod recursive;
mod routes;
mod types;
mod values;

pub use routes::{ECHOES, Echo, conformance};
pub use values::{Entry, document, snapshot, values};

/// The message types.
pub mod messages {
    pub use crate::names::*;
    pub use crate::recursive::*;
    pub use crate::types::*;
}
