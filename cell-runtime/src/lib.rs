//! Typed cells: messages, handlers, clients and the wire between them.

extern crate self as cell_sdk;

pub mod client;
pub mod control;
pub mod discovery;
pub mod error;
pub mod metrics;
pub mod schema;
pub mod server;
pub mod transport;
pub mod vesicle;
pub mod wire;

pub use error::{CallError, Error};
pub use vesicle::Vesicle;
