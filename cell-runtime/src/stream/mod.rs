//! Streams of items: what a handler takes and gives, and what a caller does.

mod receive;
mod send;
mod streaming;

pub use receive::Stream;
#[doc(hidden)]
pub use send::{answer_items, answer_stream};
pub(crate) use streaming::collect;
pub use streaming::{Failure, Streaming};
