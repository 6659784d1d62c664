//! The calling side: a multiplexed [`Connection`], and a [`Client`] that opens, shares and replaces connections.

mod carrier;
mod connection;
mod driver;
mod pool;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use pool::{CallOptions, Client, Target};
