//! The keys of a mesh: who may call whom over the network (`docs/remote.md`).
//!
//! `mint` makes certificates and `list` reads them, both without I/O; `store` is the folder that they lie in.

pub mod list;
pub mod mint;
pub mod store;

/// The authority itself, certificate and private key; it lies only where certificates are issued.
pub const AUTHORITY_KEY_FILE: &str = "authority.key";
