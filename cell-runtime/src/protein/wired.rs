//! The seam to rkyv: its building blocks (vectors, boxes) ask for rkyv's traits, which [`Wired`] lends to any message type.

use rkyv::bytecheck::{CheckBytes, InvalidEnumDiscriminantError, StructCheckContext};
use rkyv::rancor::{Fallible, Source, Trace};
use rkyv::ser::{Allocator, Writer};
use rkyv::traits::CopyOptimization;
use rkyv::validation::ArchiveContext;
use rkyv::{Archive, Place, Serialize};

use super::Protein;

/// Where an archive is written to.
pub trait Sink: Fallible<Error: Source> + Writer + Allocator {}

impl<S: Fallible<Error: Source> + Writer + Allocator + ?Sized> Sink for S {}

/// What an archive is validated with.
pub trait Check: Fallible<Error: Source> + ArchiveContext {}

impl<C: Fallible<Error: Source> + ArchiveContext + ?Sized> Check for C {}

/// A message type seen through rkyv's traits.
#[repr(transparent)]
pub struct Wired<T>(T);

impl<T> Wired<T> {
    /// Looks at a value.
    pub fn new(value: &T) -> &Wired<T> {
        // SAFETY: `Wired<T>` is `repr(transparent)` over `T`.
        unsafe { &*std::ptr::from_ref(value).cast() }
    }

    /// Looks at a slice.
    pub fn slice(values: &[T]) -> &[Wired<T>] {
        // SAFETY: `Wired<T>` is `repr(transparent)` over `T`, so slices of both have one layout.
        unsafe { &*(std::ptr::from_ref(values) as *const [Wired<T>]) }
    }
}

impl<T: Protein> Archive for Wired<T> {
    // SAFETY: `COPY` is only true where the bytes in memory are the archived bytes.
    const COPY_OPTIMIZATION: CopyOptimization<Self> =
        unsafe { CopyOptimization::enable_if(T::COPY) };
    type Archived = T::Archived;
    type Resolver = T::Resolver;

    fn resolve(&self, resolver: Self::Resolver, out: Place<Self::Archived>) {
        T::resolve(&self.0, resolver, out);
    }
}

impl<T: Protein, S: Sink + ?Sized> Serialize<S> for Wired<T> {
    fn serialize(&self, sink: &mut S) -> Result<Self::Resolver, S::Error> {
        T::encode(&self.0, sink)
    }
}

/// Writes the out-of-line parts of a field.
pub fn encode_field<T: Protein, S: Sink + ?Sized>(
    field: &T,
    sink: &mut S,
) -> Result<T::Resolver, S::Error> {
    T::encode(field, sink)
}

/// Places a field inside of `parent`.
///
/// # Safety
///
/// `out` must point to a field of the value that `parent` is the place of.
pub unsafe fn resolve_field<T: Protein, P>(
    field: &T,
    resolver: T::Resolver,
    parent: Place<P>,
    out: *mut T::Archived,
) {
    // SAFETY: the caller guarantees that `out` is inside of `parent`, whose bytes are all initialised.
    T::resolve(field, resolver, unsafe {
        Place::from_field_unchecked(parent, out)
    });
}

/// Reads a field back.
pub fn decode_field<T: Protein>(archived: &T::Archived) -> T {
    T::decode(archived)
}

/// Validates a field; an error says which one of which type.
///
/// # Safety
///
/// `field` must be aligned and point to enough initialised bytes for an `A`.
pub unsafe fn check_field<A: CheckBytes<C>, C: Check + ?Sized>(
    field: *const A,
    context: &mut C,
    struct_name: &'static str,
    field_name: &'static str,
) -> Result<(), C::Error> {
    // SAFETY: the caller guarantees what `check_bytes` asks for.
    unsafe { A::check_bytes(field, context) }.map_err(|error| {
        error.trace(StructCheckContext {
            struct_name,
            field_name,
        })
    })
}

/// A type's resolver.
pub type Resolver<T> = <T as Protein>::Resolver;

/// The error of an enum whose tag names no variant.
pub fn wrong_tag<E: Source>(enum_name: &'static str, invalid_discriminant: u8) -> Result<(), E> {
    Err(E::new(InvalidEnumDiscriminantError {
        enum_name,
        invalid_discriminant,
    }))
}

/// Whether a struct's bytes in memory are its archived bytes. For each field: whether its own are, its size, and its
/// offset on both sides.
pub const fn copyable<T, A>(fields: &[(bool, usize, usize, usize)]) -> bool {
    let mut size = 0;
    let mut index = 0;
    while index < fields.len() {
        let (copy, field_size, offset, offset_archived) = fields[index];
        if !copy || offset != offset_archived {
            return false;
        }
        size += field_size;
        index += 1;
    }
    size == size_of::<T>() && size == size_of::<A>()
}
