//! `cargo cell`
