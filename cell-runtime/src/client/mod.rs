//! The calling side: a multiplexed [`Connection`], and a [`Client`] that opens, shares and replaces connections.

mod attempt;
mod call;
mod carrier;
mod connection;
mod driver;
mod exchange;
#[cfg(feature = "remote")]
mod lone;
mod pool;
mod ring;
mod target;
#[cfg(test)]
mod tests;

pub use attempt::{OpenCall, Received};
pub use connection::Connection;
pub(crate) use exchange::{Exchange, Next};
#[cfg(feature = "remote")]
pub(crate) use lone::call_alone;
pub use pool::{CallOptions, Client};
pub use target::Target;
