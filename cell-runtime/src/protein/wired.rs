//! The seam to rkyv: its building blocks (vectors, boxes) ask for rkyv's traits, which [`Wired`] lends to any message type.

use rkyv::bytecheck::{InvalidEnumDiscriminantError, StructCheckContext};
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

/// Says in an error which field of which type is wrong.
pub fn named<E: Trace>(
    checked: Result<(), E>,
    struct_name: &'static str,
    field_name: &'static str,
) -> Result<(), E> {
    checked.map_err(|error| {
        error.trace(StructCheckContext {
            struct_name,
            field_name,
        })
    })
}

/// The error of an enum whose tag names no variant.
pub fn wrong_tag<E: Source>(enum_name: &'static str, invalid_discriminant: u8) -> Result<(), E> {
    Err(E::new(InvalidEnumDiscriminantError {
        enum_name,
        invalid_discriminant,
    }))
}

/// Whether a struct's bytes in memory are its archived bytes. For each field: whether its own are, its size, its offset in
/// memory, and its alignment in the archive, which lays fields out as C does.
pub const fn copyable<T>(fields: &[(bool, usize, usize, usize)]) -> bool {
    let mut end = 0usize;
    let mut align = 1;
    let mut index = 0;
    while index < fields.len() {
        let (copy, size, offset, align_archived) = fields[index];
        // Padding before a field, on either side, ends it.
        if !copy || offset != end || !end.is_multiple_of(align_archived) {
            return false;
        }
        end += size;
        if align_archived > align {
            align = align_archived;
        }
        index += 1;
    }
    end == size_of::<T>() && end.is_multiple_of(align)
}

/// The place of a field inside of its parent's.
///
/// # Safety
///
/// `field` must point to a field of the value that `parent` is the place of.
pub unsafe fn field<P, F>(parent: Place<P>, field: *mut F) -> Place<F> {
    // SAFETY: the caller guarantees it; all bytes of a place are initialised.
    unsafe { Place::from_field_unchecked(parent, field) }
}
