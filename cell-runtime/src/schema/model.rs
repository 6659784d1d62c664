//! The model of a schema: what a snapshot holds.

use serde::{Deserialize, Serialize};

use super::{Error, Fingerprint, Ty};

/// The version of the snapshot's JSON.
pub const FORMAT: u32 = 1;
/// The archive format: it changes when the bytes of an archive do.
pub const ARCHIVE: &str = "cell-archive-1";

/// The whole schema of one service, as `<cell>.json` holds it. Type expressions use short names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The version of this JSON: [`FORMAT`].
    pub format: u32,
    /// The service's name, which is the cell's.
    pub name: String,
    /// The fingerprint of all of it.
    pub fingerprint: Fingerprint,
    /// The archive format: [`ARCHIVE`].
    pub archive: String,
    /// The service's documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// The definitions that the routes reach, sorted by name.
    pub types: Vec<TypeDef>,
    /// The routes, sorted by name.
    pub routes: Vec<Route>,
    /// Sizes, alignments and offsets of the archived types that the routes reach, sorted by type expression.
    pub layouts: Vec<TypeLayout>,
}

/// A struct or an enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeDef {
    /// Its short name, unique in the schema.
    pub name: String,
    /// Struct or enum.
    pub kind: Kind,
    /// How many type parameters it has; `$0` is the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub params: usize,
    /// How a struct is written; an enum's is [`Shape::Unit`], and its variants have shapes of their own.
    #[serde(default, skip_serializing_if = "Shape::is_named")]
    pub shape: Shape,
    /// Its documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// A struct's fields in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// An enum's variants in order: the archived tag is the index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

/// Struct or enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A struct.
    Struct,
    /// An enum.
    Enum,
}

/// How the fields of a struct or a variant are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// `{ a: A }`
    #[default]
    Named,
    /// `(A, B)`: the fields are named `0`, `1`, …
    Tuple,
    /// No fields and no braces.
    Unit,
}

impl Shape {
    fn is_named(&self) -> bool {
        *self == Shape::Named
    }
}

/// A field of a struct or a variant, or an argument of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name, or its number in a tuple.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Its documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// How its fields are written.
    #[serde(default, skip_serializing_if = "Shape::is_named")]
    pub shape: Shape,
    /// Its documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// Its fields in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// A route of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Its own fingerprint, which is also its id on the wire.
    pub fingerprint: Fingerprint,
    /// Its documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// Its arguments in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Field>,
    /// What a request archives: the tuple of the arguments.
    pub req: Ty,
    /// What a response archives.
    pub res: Ty,
    /// What a failed call's response archives, where the handler returns a `Result`, or a stream of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub err: Option<Ty>,
    /// The items that the caller streams, where the handler takes a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Ty>,
    /// The items that the handler streams back, where it returns a stream; then `res` is `()`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yields: Option<Ty>,
}

/// The archived form of a struct, an enum or a tuple with all parameters filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeLayout {
    /// The type.
    pub ty: Ty,
    /// Its size in bytes.
    pub size: u32,
    /// Its alignment in bytes.
    pub align: u32,
    /// Where each field of a struct or a tuple starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<u32>,
    /// Where each field of each variant of an enum starts; the tag is the byte at 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Vec<u32>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Route {
    /// Whether items go with its calls, one way or both.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.takes.is_some() || self.yields.is_some()
    }
}

impl Snapshot {
    /// The definition with this short name.
    #[must_use]
    pub fn type_def(&self, name: &str) -> Option<&TypeDef> {
        self.types
            .binary_search_by(|def| def.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.types[at])
    }

    /// The route with this name, or an error that lists the routes there are.
    pub fn route(&self, name: &str) -> Result<&Route, Error> {
        if let Ok(at) = self
            .routes
            .binary_search_by(|route| route.name.as_str().cmp(name))
        {
            return Ok(&self.routes[at]);
        }
        let names = self.routes.iter().map(|route| route.name.as_str());
        Err(Error::new(format!(
            "`{}` has no route `{}`",
            self.name,
            name.escape_debug()
        ))
        .hint(super::suggest::among(
            name,
            names,
            "its routes are",
            "it has none",
        )))
    }
}

/// The id of a route on the wire: its own fingerprint.
#[must_use]
pub fn route_id(route: &Route) -> u64 {
    route.fingerprint.0
}
