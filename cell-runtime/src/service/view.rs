//! `cell::View`: a message read in place.

use std::fmt;
use std::ops::Deref;

use crate::protein::{Archived, Protein, access};
use crate::vesicle::Vesicle;

/// A message in its archived form, where it lies in the frame: nothing is deserialised or copied.
///
/// It dereferences to the archived form, whose fields have the names of the message's. [`View::read`] gives the value.
pub struct View<T: Protein> {
    /// Keeps the bytes alive, and in place.
    frame: Vesicle,
    root: *const Archived<T>,
}

// SAFETY: a view is a shared, immutable piece of a buffer; archived forms have no interior mutability.
unsafe impl<T: Protein> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Protein> Sync for View<T> {}

impl<T: Protein> View<T> {
    /// Validates `frame`, an archive of a `T`.
    pub(crate) fn open(frame: Vesicle) -> Result<View<T>, rkyv::rancor::Error> {
        let root = std::ptr::from_ref(access::<T>(&frame)?);
        Ok(View { frame, root })
    }

    /// A message in memory as a view, as in a unit test of a handler that takes one.
    pub fn new(value: &T) -> Result<View<T>, crate::Error> {
        let frame = crate::protein::archive(value)
            .map_err(|error| crate::Error::Codec(error.to_string()))?;
        View::open(frame).map_err(|error| crate::Error::Codec(error.to_string()))
    }

    /// A part of the message.
    pub fn part<U: Protein>(
        this: &View<T>,
        part: impl FnOnce(&Archived<T>) -> &Archived<U>,
    ) -> View<U> {
        View {
            root: std::ptr::from_ref(part(this)),
            frame: this.frame.clone(),
        }
    }

    /// The value.
    pub fn read(this: &View<T>) -> T {
        T::decode(this)
    }
}

impl<T: Protein> Clone for View<T> {
    fn clone(&self) -> View<T> {
        View {
            frame: self.frame.clone(),
            root: self.root,
        }
    }
}

impl<T: Protein> Deref for View<T> {
    type Target = Archived<T>;

    fn deref(&self) -> &Archived<T> {
        // SAFETY: `root` points into `frame`, which is immutable, lives as long as `self`, and was validated.
        unsafe { &*self.root }
    }
}

impl<T: Protein + fmt::Debug> fmt::Debug for View<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&View::read(self)).finish()
    }
}
