//! Raw file events → changes that matter.
//!
//! ```text
//! notify ─▶ Debounce (8 ms of quiet, at most 100) ─▶ read and hash ─▶ Tracker (same? half-written?) ─▶ filter (who cares?)
//! ```
//!
//! Everything but [`notify`] is pure: the clock and the contents are passed in.

pub mod debounce;
pub mod filter;
pub mod notify;
pub mod own;
pub mod tracker;

pub use debounce::{Debounce, Settled};
pub use filter::{Interest, Relevance};
pub use own::OwnWrites;
pub use tracker::{Content, Tracker, Verdict};
