//! A large message in a memfd of its own, sealed against writing, so that it is read where it lies.

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Weak;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use super::segment::{Direction, Segment};

/// With all of them nothing in it ever changes.
const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE)
    .union(SealFlag::F_SEAL_SEAL);

/// The bytes of `st_blocks`' unit (stat(2)).
const BLOCK_BYTES: i64 = 512;

/// Writes a message into memory that nobody can write to afterwards.
pub(super) fn seal(message: &[u8]) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let fd = memfd_create(c"cell-message", flags)?;
    // Written, not mapped: a mapping costs a page fault every 4 KiB.
    let mut rest = message;
    while !rest.is_empty() {
        let len = nix::unistd::write(&fd, rest)?;
        rest = &rest[len..];
    }
    fcntl(&fd, FcntlArg::F_ADD_SEALS(SEALS))?;
    Ok(fd)
}

/// A message that somebody else sealed.
pub(crate) struct Sealed {
    base: NonNull<u8>,
    len: usize,
    /// Whom to tell that its memory is free.
    lent: Weak<Segment>,
    direction: Direction,
}

// SAFETY: nothing writes to the memory while it is mapped, as its seals say; it may be read and unmapped from any thread.
unsafe impl Send for Sealed {}
// SAFETY: as above.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// Takes a message of `len` bytes, if nobody can change it any more.
    pub(super) fn take(
        fd: &OwnedFd,
        len: usize,
        lent: Weak<Segment>,
        direction: Direction,
    ) -> Result<Sealed, String> {
        let refuse = |why: &str| format!("a sealed message of {len} bytes that {why}");
        // Other files have no seals, and huge pages are counted differently.
        if fstatfs(fd).map(|fs| fs.filesystem_type()) != Ok(TMPFS_MAGIC) {
            return Err(refuse("is no memfd of plain pages"));
        }
        let seals = fcntl(fd, FcntlArg::F_GET_SEALS).unwrap_or(0);
        if !SealFlag::from_bits_truncate(seals).contains(SEALS) {
            return Err(refuse("can still be changed"));
        }
        let stat = fstat(fd).map_err(|error| refuse(error.desc()))?;
        if usize::try_from(stat.st_size) != Ok(len) {
            return Err(refuse("has another size"));
        }
        // A hole would be filled when it is read, on this process's account, and kill it where there is no memory for it.
        if stat.st_blocks.saturating_mul(BLOCK_BYTES) < stat.st_size {
            return Err(refuse("has holes"));
        }
        let size = NonZeroUsize::new(len).ok_or_else(|| refuse("is empty"))?;
        // SAFETY: a fresh mapping at an address that the kernel chooses.
        let base = unsafe {
            mmap(
                None,
                size,
                ProtFlags::PROT_READ,
                MapFlags::MAP_SHARED,
                fd,
                0,
            )
        }
        .map_err(|error| refuse(error.desc()))?;
        Ok(Sealed {
            base: base.cast(),
            len,
            lent,
            direction,
        })
    }
}

impl Deref for Sealed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped until it is dropped, whole, and immutable: it is sealed against writing and shrinking.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // SAFETY: made by `take`, and nothing refers to it any more. It cannot fail for a mapping of our own.
        let _ = unsafe { munmap(self.base.cast::<c_void>(), self.len) };
        if let Some(segment) = self.lent.upgrade() {
            segment.give_back(self.direction, self.len);
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.len)
    }
}
