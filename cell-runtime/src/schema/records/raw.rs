//! The JSON of a record, as the macros write it.

use serde::Deserialize;

use crate::schema::{Fingerprint, Kind, Shape, Ty};

/// A record. Kinds that this version does not know are skipped: a newer macro crate may leave more.
#[derive(Debug, Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub(super) enum Record {
    Struct(Definition),
    Enum(Definition),
    Service(Service),
    Calls {
        cell: String,
        binding: Fingerprint,
    },
    #[serde(other)]
    Unknown,
}

/// A struct or an enum.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Definition {
    /// Which of the two; set by the reader, from the record's kind.
    #[serde(skip, default = "structure")]
    pub(super) kind: Kind,
    /// The full path.
    pub(super) id: String,
    /// The short name.
    pub(super) name: String,
    #[serde(default)]
    pub(super) params: usize,
    #[serde(default = "unit")]
    pub(super) shape: Shape,
    #[serde(default)]
    pub(super) docs: String,
    /// `src/x.rs:12`: for messages alone.
    #[serde(default)]
    pub(super) at: String,
    #[serde(default)]
    pub(super) fields: Vec<RawField>,
    #[serde(default)]
    pub(super) variants: Vec<RawVariant>,
}

fn structure() -> Kind {
    Kind::Struct
}

fn unit() -> Shape {
    Shape::Unit
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct RawField {
    #[serde(rename = "n")]
    pub(super) name: String,
    pub(super) ty: Ty,
    #[serde(default)]
    pub(super) docs: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct RawVariant {
    #[serde(rename = "n")]
    pub(super) name: String,
    pub(super) shape: Shape,
    #[serde(default)]
    pub(super) docs: String,
    #[serde(default)]
    pub(super) fields: Vec<RawField>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) docs: String,
    #[serde(default)]
    pub(super) at: String,
    #[serde(default)]
    pub(super) routes: Vec<RawRoute>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct RawRoute {
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) docs: String,
    #[serde(default)]
    pub(super) args: Vec<RawField>,
    pub(super) ok: Ty,
    #[serde(default)]
    pub(super) err: Option<Ty>,
    #[serde(default)]
    pub(super) takes: Option<Ty>,
    #[serde(default)]
    pub(super) yields: Option<Ty>,
}
