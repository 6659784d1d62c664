//! Limits on everything that is read from outside: a snapshot may come from a stranger.

/// The bytes of a snapshot's JSON.
pub const SNAPSHOT_BYTES_MAX: usize = 4 << 20;
/// The bytes of a binary's records together.
pub const SECTION_BYTES_MAX: usize = 64 << 20;
/// The bytes of one record.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The records of one binary.
pub const RECORDS_MAX: usize = 1 << 16;
/// The bytes of an identifier.
pub const IDENTIFIER_BYTES_MAX: usize = 128;
/// The bytes of a definition's full path.
pub const PATH_BYTES_MAX: usize = 1024;
/// The bytes of a type expression.
pub const TY_BYTES_MAX: usize = 8 << 10;
/// How deep a type expression may nest.
pub const TY_DEPTH_MAX: usize = 64;
/// The bytes of one documentation comment.
pub const DOCS_BYTES_MAX: usize = 64 << 10;
/// The definitions of a schema.
pub const TYPES_MAX: usize = 4096;
/// The routes of a service.
pub const ROUTES_MAX: usize = 1024;
/// The fields of a struct or a variant, the elements of a tuple, the arguments of a route.
pub const FIELDS_MAX: usize = 1024;
/// The variants of an enum: the archived tag is one byte.
pub const VARIANTS_MAX: usize = 256;
/// The type parameters of a definition.
pub const PARAMS_MAX: usize = 16;
/// The types with arguments filled in that a schema may need.
pub const LAYOUTS_MAX: usize = 16 << 10;
/// The archived size of one type, without what it points to.
pub const SIZE_MAX: u64 = 1 << 30;
/// How deep a value may nest.
pub const VALUE_DEPTH_MAX: usize = 128;
/// The values that one JSON or archive may hold.
pub const VALUES_MAX: usize = 4 << 20;
/// The bytes of one archive.
pub const ARCHIVE_BYTES_MAX: usize = 256 << 20;
