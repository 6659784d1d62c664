//! Snapshots, locks and bindings on disk: what follows from the binaries' records, what differs, what to write.
//!
//! [`plan`] says what each file must hold and is pure; [`disk`] reads binaries and writes files; [`bound`] is about bindings in other
//! languages and places.

pub mod baseline;
pub mod bound;
pub mod changes;
pub mod disk;
pub mod find;
mod plan;
mod readable;

pub use disk::{apply, bindings_of, check, read_binary, read_snapshot};
pub use plan::{
    Authority, Consumer, Difference, FileWrite, Plan, View, WORKSPACE, lock_only, plan,
};
pub use readable::readable;
