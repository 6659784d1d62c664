//! Schemas: one authority, one snapshot, every consumer.
//!
//! A binary carries one record per definition, service and called cell ([`records`]); [`Records::service`] resolves
//! what a service's routes reach into a [`Snapshot`]. `docs/schema.md` specifies the canonical bytes, the fingerprint
//! and the snapshot's JSON, with vectors that a test reads.

mod model;
mod prim;
mod ty;

mod canonical;
mod fingerprint;
pub mod layout;
pub mod limits;
pub mod records;
mod snapshot;

mod diff;
mod drift;
pub mod dynamic;
mod error;
mod suggest;

pub use canonical::{canonical, canonical_route};
pub use diff::{Change, Impact, diff, impact};
#[doc(hidden)]
pub use drift::check_lock;
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use model::{
    ARCHIVE, FORMAT, Field, Kind, Route, Shape, Snapshot, TypeDef, TypeLayout, Variant, route_id,
};
pub use prim::Prim;
pub use records::{Records, own_service};
pub use ty::{Ty, is_builtin, is_identifier};

#[cfg(test)]
mod tests;
