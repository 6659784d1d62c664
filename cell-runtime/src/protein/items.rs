//! A vector in an archive: rkyv's, with a bound on items that have no bytes.

use std::fmt;
use std::ops::Deref;

use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{Fallible, Source};
use rkyv::validation::ArchiveContext;
use rkyv::vec::{ArchivedVec, VecResolver};
use rkyv::{Place, Portable};

/// The most items without bytes of one vector, which its archive's size does not bound.
const EMPTY_ITEMS_MAX: usize = 4 << 20;

/// The archived form of a vector, a set, or a map: a slice of its items or entries.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ArchivedItems<T>(ArchivedVec<T>);

impl<T> ArchivedItems<T> {
    pub(super) fn resolve(len: usize, resolver: VecResolver, out: Place<ArchivedItems<T>>) {
        // SAFETY: `ArchivedItems` is `repr(transparent)` over `ArchivedVec`.
        let out = unsafe { out.cast_unchecked::<ArchivedVec<T>>() };
        ArchivedVec::resolve_from_len(len, resolver, out);
    }
}

impl<T> Deref for ArchivedItems<T> {
    type Target = ArchivedVec<T>;

    fn deref(&self) -> &ArchivedVec<T> {
        &self.0
    }
}

// SAFETY: it is `repr(transparent)` over a portable type.
unsafe impl<T: Portable> Portable for ArchivedItems<T> {}

// SAFETY: everything that rkyv checks of its vector is checked.
unsafe impl<T, C> CheckBytes<C> for ArchivedItems<T>
where
    T: CheckBytes<C>,
    C: Fallible<Error: Source> + ArchiveContext + ?Sized,
{
    unsafe fn check_bytes(value: *const Self, context: &mut C) -> Result<(), C::Error> {
        let vec = value.cast::<ArchivedVec<T>>();
        if size_of::<T>() == 0 {
            // SAFETY: `value` is aligned and inside of the archive, and any bytes are a pointer and a length.
            let len = unsafe { (*vec).len() };
            if len > EMPTY_ITEMS_MAX {
                return Err(C::Error::new(TooManyEmpty(len)));
            }
        }
        // SAFETY: as above; the caller guarantees what `value` must be.
        unsafe { ArchivedVec::check_bytes(vec, context) }
    }
}

#[derive(Debug)]
struct TooManyEmpty(usize);

impl fmt::Display for TooManyEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = EMPTY_ITEMS_MAX;
        write!(
            f,
            "{} items without bytes; at most {most} are allowed",
            self.0
        )
    }
}

impl std::error::Error for TooManyEmpty {}
