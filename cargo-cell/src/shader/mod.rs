//! Shaders while cells run: what is wrong with a saved one, who holds which, and who is given what. Pure; `dev/shaders.rs` reads
//! the files and carries the texts.

mod book;
mod check;
mod report;
#[cfg(test)]
mod tests;

pub use book::{Book, Holder, Key, Push};
pub use check::{Checked, check};
pub use report::Report;

/// The stack that a check needs. The parser and the validator go deeper with each operator and each declaration that needs another, so that
/// [`cell_runtime::shader::import::SOURCE_BYTES_MAX`] bounds how deep.
pub const STACK_BYTES: usize = 256 << 20;
