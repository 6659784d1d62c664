//! Shaders while cells run: what is wrong with a saved one, who holds which, and who is given what. Pure; `dev/shaders.rs` reads
//! the files and carries the texts.

mod book;
mod check;
mod fence;
mod report;
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests name files and need some instant"
)]
mod tests;

pub use book::{Book, Holder, Key, Push};
pub use check::{Checked, check};
pub use report::Report;

/// The stack that a check needs: what the fence lets through, with room to spare.
pub const STACK_BYTES: usize = 256 << 20;
