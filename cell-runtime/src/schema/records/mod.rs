//! The records that macros leave in a binary's link section `cell_schema`.
//!
//! A record is one definition, one service, or the name of one cell that the binary calls. Names in them are full
//! paths, which the compiler filled in; [`Records::service`] turns what a service reaches into a [`Snapshot`].

mod own;
mod parse;
mod raw;
mod resolve;

use std::collections::BTreeMap;

pub use own::{own, own_service};

use super::{Error, Fingerprint, Snapshot};
use raw::{Definition, Service};

/// The section's name.
pub const SECTION: &str = "cell_schema";
/// What each record starts with.
pub const MAGIC: &[u8; 8] = b"CELLREC1";

/// The records of one binary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// By full path. Two types of one path (in two function bodies) are both here, and an error where one is reached.
    definitions: BTreeMap<String, Vec<Definition>>,
    services: BTreeMap<String, Vec<Service>>,
    calls: Vec<Call>,
}

/// A cell that the binary calls through a generated binding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The cell's name.
    pub cell: String,
    /// The fingerprint that the binding was generated from.
    pub binding: Fingerprint,
}

impl Records {
    /// Reads the bytes of the section: records one after the other, with zeros between them or not.
    pub fn parse(section: &[u8]) -> Result<Self, Error> {
        parse::parse(section)
    }

    /// The full paths of the services in the binary, sorted.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// The cells that the binary calls, sorted and without repetitions.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The schema of the service with this full path, or of the only one.
    pub fn service(&self, id: Option<&str>) -> Result<Snapshot, Error> {
        resolve::service(self, id)
    }

    /// The schema of the binary's only service, or nothing when it has none.
    pub fn only_service(&self) -> Result<Option<Snapshot>, Error> {
        if self.services.is_empty() {
            return Ok(None);
        }
        self.service(None).map(Some)
    }

    /// Where a definition, by its short name, or a route, as `service.route`, was written: `src/x.rs:12`.
    #[must_use]
    pub fn position(&self, short: &str) -> Option<&str> {
        self.definitions
            .values()
            .flatten()
            .find(|def| def.name == short)
            .map(|def| def.at.as_str())
            .filter(|at| !at.is_empty())
    }
}
