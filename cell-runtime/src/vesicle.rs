//! An aligned, immutable buffer that holds one archived message.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use rkyv::util::AlignedVec;

use crate::spare::{self, Buffer, Draft};

/// The alignment of every payload, in bytes: the largest that an archive can need (`u128`).
pub const ALIGNMENT: usize = 16;

/// An aligned buffer that holds one archived message; cloning it shares the bytes.
#[derive(Clone)]
pub struct Vesicle(Memory);

type Foreign = dyn AsRef<[u8]> + Send + Sync;

#[derive(Clone)]
enum Memory {
    Own(
        /// There until it is dropped.
        Option<Buffer>,
    ),
    /// Of somebody else, who cannot change it any more.
    Foreign(Arc<Foreign>),
}

impl Vesicle {
    /// Copies `bytes` into a buffer that starts on a 16-byte boundary.
    pub fn wrap(bytes: impl AsRef<[u8]>) -> Vesicle {
        let bytes = bytes.as_ref();
        // Also an empty one owns memory: a vector without any has no aligned start.
        let mut draft = Draft::take();
        draft.make_room(bytes.len().max(1));
        draft.bytes().extend_from_slice(bytes);
        Vesicle::drafted(draft)
    }

    /// Takes what was written.
    pub(crate) fn drafted(draft: Draft) -> Vesicle {
        Vesicle(Memory::Own(Some(draft.finish())))
    }

    /// Takes a buffer that is aligned already, without a copy.
    pub fn from_aligned(bytes: AlignedVec<ALIGNMENT>) -> Vesicle {
        Vesicle(Memory::Own(Some(Buffer::new(bytes))))
    }

    /// Takes a message where it lies, on a 16-byte boundary, in memory that never changes.
    pub(crate) fn foreign(message: impl AsRef<[u8]> + Send + Sync + 'static) -> Vesicle {
        Vesicle(Memory::Foreign(Arc::new(message)))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Memory::Own(buffer) => buffer.as_ref().map_or(&[], |buffer| buffer.as_slice()),
            Memory::Foreign(message) => (**message).as_ref(),
        }
    }
}

impl Drop for Vesicle {
    fn drop(&mut self) {
        if let Memory::Own(buffer) = &mut self.0
            && let Some(buffer) = buffer.take()
        {
            spare::keep(buffer);
        }
    }
}

impl Deref for Vesicle {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Vesicle {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Vesicle {
    fn eq(&self, other: &Vesicle) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Vesicle {}

impl fmt::Debug for Vesicle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vesicle({} bytes)", self.len())
    }
}
