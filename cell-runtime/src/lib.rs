//! Typed cells: messages, handlers, clients and the wire between them.

extern crate self as cell_sdk;

pub mod cell;
pub mod client;
pub mod control;
pub mod discovery;
pub mod error;
pub mod handlers;
pub mod membrane;
pub mod metrics;
pub mod protein;
pub mod schema;
pub mod server;
pub mod service;
pub mod synapse;
pub mod transport;
mod typed;
pub mod vesicle;
pub mod wire;

pub use error::{CallError, Error};
pub use handlers::Handlers;
pub use membrane::Membrane;
pub use synapse::Synapse;
pub use vesicle::Vesicle;

/// What the macros expand to. Not for people: anything here may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use rkyv;
    pub use rkyv::bytecheck::CheckBytes;
    pub use rkyv::rancor::Fallible;
    pub use rkyv::traits::CopyOptimization;
    pub use rkyv::{Place, Portable};

    pub use crate::protein::{
        Archived, Check, Param, Protein, Resolver, Sink, Text, check_field, copyable, decode_field,
        encode_field, record, record_len, resolve_field, wrong_tag,
    };

    pub use crate::handlers::{Handlers, Needs, Ready};
    pub use crate::server::CallFuture;
    pub use crate::service::{Context, Incoming, State, View, answer, answer_result};

    /// What generated bindings use.
    pub mod client {
        pub use crate::typed::{TypedClient, pooled};
    }
}
