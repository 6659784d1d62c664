//! What a peer or a stranger can send, as functions over bytes: they panic where something does not hold.
//!
//! `cargo xtask fuzz` runs them with libFuzzer, guided by coverage and under AddressSanitizer; `tests/bounded.rs` runs each
//! of them a few thousand times with every compiler, on the seeds of `seeds/` and on what [`Mutator`] makes of them.

mod archives;
mod client;
mod feed;
mod frames;
mod mutate;
mod pair;
mod ring;
mod schema;
mod seeds;
mod sent;
mod server;

pub use archives::archives;
pub use client::client;
pub use frames::{frames, handshake};
pub use mutate::Mutator;
pub use pair::pair;
pub use ring::ring;
pub use schema::{records, snapshots};
pub use seeds::seeds;
pub use server::server;

/// A target: its name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 9] = [
    ("frames", frames),
    ("handshake", handshake),
    ("server", server),
    ("client", client),
    ("pair", pair),
    ("ring", ring),
    ("archives", archives),
    ("snapshots", snapshots),
    ("records", records),
];
