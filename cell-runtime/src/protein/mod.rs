//! Messages: what a type must be able to do to cross a cell boundary.
//!
//! One trait, [`Protein`], carries everything: the type's name in the schema, its archived form, and how to write, place
//! and read it. `derive(cell::Protein)` implements it (and rkyv's own traits through it). The trait, not the derive's view
//! of the tokens, decides how a field is archived, so maps behind an alias or inside a generic are archived as the vector
//! of entries that the wire format asks for.

mod codec;
mod collections;
mod containers;
mod items;
mod primitives;
mod record;
mod text;
mod tuples;
mod wired;

pub(crate) use codec::archive;
pub use codec::{Archived, DEPTH_MAX, Validator, access, decode, encode};
pub use items::ArchivedItems;
#[doc(hidden)]
pub use record::{record, record_len};
#[doc(hidden)]
pub use text::Text;
#[doc(hidden)]
pub use wired::{
    Check, Sink, Wired, copyable, decode_field, field, named, resolve_field, wrong_tag,
};

use rkyv::bytecheck::CheckBytes;
use rkyv::{Place, Portable};

/// A message type: a value that can cross a cell boundary.
///
/// Implemented for `bool`, `u8…u128`, `i8…i128`, `f32`, `f64`, `char`, `String`, `()`, `Duration`, and for `Vec`, arrays,
/// `Option`, `Box`, tuples, `Result`, maps and sets of message types. Derive it for structs and enums of your own with
/// `#[derive(cell::Protein)]`; do not implement it by hand.
///
/// Its functions take `this` instead of `self`, so that a message type's own methods never become ambiguous.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross a cell boundary",
    label = "not a message type",
    note = "message types are bool, integers of a fixed size, f32, f64, char, String, Vec, arrays, Option, Box, tuples, Result, maps, sets and Duration",
    note = "for a struct or enum of your own, write `#[derive(cell::Protein)]` above it"
)]
pub trait Protein: Sized {
    /// The type expression of this type in the schema.
    #[doc(hidden)]
    const TY: &'static str;

    /// Whether a value's bytes in memory are its archived bytes, so that slices of it can be copied whole.
    #[doc(hidden)]
    const COPY: bool = false;

    /// The form in which a value lies in a message; readable in place.
    type Archived: Portable + for<'a> CheckBytes<Validator<'a>>;

    /// What writing a value leaves behind for placing it: where its out-of-line parts went.
    #[doc(hidden)]
    type Resolver;

    /// Writes the out-of-line parts.
    #[doc(hidden)]
    fn encode<S: Sink + ?Sized>(this: &Self, sink: &mut S) -> Result<Self::Resolver, S::Error>;

    /// Writes the value itself into its place.
    #[doc(hidden)]
    fn resolve(this: &Self, resolver: Self::Resolver, out: Place<Self::Archived>);

    /// Reads a value back. Cannot fail: archives are validated before anybody sees them.
    #[doc(hidden)]
    fn decode(archived: &Self::Archived) -> Self;
}

/// The name of a type in the schema.
pub trait Describe {
    /// The type expression, for example `Vec<my_cell::Order>`.
    const TY: &'static str;
}

impl<T: Protein> Describe for T {
    const TY: &'static str = <T as Protein>::TY;
}

/// Stands for the type parameter number `N` while a generic definition is described.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Param<const N: usize>;

impl<const N: usize> Protein for Param<N> {
    const TY: &'static str = const { &Text::join(&["$", Text::number(N).as_str()]) }.as_str();
    type Archived = ();
    type Resolver = ();

    fn encode<S: Sink + ?Sized>(_: &Self, _: &mut S) -> Result<(), S::Error> {
        Ok(())
    }

    fn resolve(_: &Self, (): (), _: Place<()>) {}

    fn decode((): &()) -> Self {
        Param
    }
}
