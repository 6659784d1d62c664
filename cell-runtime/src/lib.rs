//! Cells are small processes with typed async handlers. A handler reads like a plain `async fn`: there are no sockets, no
//! serialisation and no routing table in a user's code.
//!
//! ```no_run
//! # #![allow(unused_variables)]
//! # extern crate cell_runtime as cell_sdk;
//! use cell_sdk::cell;
//!
//! #[cell::service]
//! mod button_service {
//!     use cell_sdk::cell;
//!
//!     #[derive(cell::Protein)]
//!     pub struct ButtonState {
//!         pub pressed: bool,
//!         pub hover_t: f32,
//!     }
//!
//!     /// The state of one button.
//!     #[cell::handler]
//!     async fn get_state(id: String) -> ButtonState {
//!         ButtonState { pressed: true, hover_t: 0.42 }
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> anyhow::Result<()> {
//!     cell::serve_local(button_service::handlers()).await
//! }
//! ```
//!
//! A manifest names this crate `cell-sdk = { package = "cell-runtime", … }`; the macros expand to `::cell_sdk`.
//!
//! # Where things are
//!
//! | You want to | Look at |
//! |---|---|
//! | define messages, write handlers, serve and call | [`cell`](mod@cell) |
//! | send bytes, or messages without a schema | [`Synapse`], [`Membrane`], [`Handlers`], [`Vesicle`] |
//! | read or compare schemas | [`schema`] |
//! | have shaders that change while a cell runs | [`shader`] |
//! | put a cell on the network | the feature `remote`: `cell::serve_remote`, and `connect("cell@host:4433")` of a binding |
//! | put middleware of your own around handlers | the feature `tower`: `layer` |
//! | see calls across cells as one trace | the feature `tracing`: `trace` |
//! | speak the protocol yourself | [`wire`], [`transport`], [`server`], [`client`] |

extern crate self as cell_sdk;

mod beside;
pub mod cell;
pub mod client;
mod clock;
pub mod control;
pub mod discovery;
pub mod error;
pub mod gap;
pub mod handlers;
#[cfg(feature = "tower")]
pub mod layer;
mod lock;
pub mod membrane;
pub mod metrics;
pub mod protein;
#[cfg(feature = "remote")]
pub mod remote;
pub mod schema;
pub mod server;
pub mod service;
pub mod shader;
mod spare;
pub mod stream;
pub mod synapse;
#[cfg(feature = "tracing")]
pub mod trace;
pub mod transport;
mod turn;
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
        Archived, Check, Param, Protein, Sink, Text, copyable, decode_field, field, named, record,
        record_len, resolve_field, wrong_tag,
    };

    pub use crate::handlers::{Handlers, Needs, Ready};
    pub use crate::schema::check_lock;
    pub use crate::server::CallFuture;
    pub use crate::service::{Context, Incoming, State, View, answer, answer_result};
    pub use crate::stream::{answer_items, answer_stream};

    /// What the fuzzer takes apart.
    pub mod ring {
        pub use crate::gap::ring::{Consumer, Lie, Producer, Region, Word};
    }

    /// What generated bindings use.
    pub mod client {
        pub use crate::typed::{TypedClient, pooled};
        pub use futures_core::Stream;
    }
}
