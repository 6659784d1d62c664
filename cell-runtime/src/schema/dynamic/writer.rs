//! The bytes of an archive while it is written: what is pointed to first, the root last.

use crate::schema::limits::ARCHIVE_BYTES_MAX;
use crate::schema::{Error, Prim};

/// A value whose out-of-line parts are written, and that waits for its own place.
#[derive(Debug)]
pub(super) enum Pending {
    /// Bytes as they are.
    Bytes([u8; 16], u8),
    /// A string of at most 8 bytes, padded, or the length and position of a longer one.
    Inline([u8; 8]),
    Long(usize, usize),
    /// Position and length.
    Vec(usize, usize),
    /// Position.
    Box(usize),
    /// Parts at their offsets.
    Parts(Vec<(u32, Pending)>),
    /// A tag and parts at their offsets.
    Tagged(u8, Vec<(u32, Pending)>),
}

impl Pending {
    pub(super) fn prim(prim: Prim, number: u128) -> Self {
        Pending::Bytes(number.to_le_bytes(), prim.size() as u8)
    }
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn align(&mut self, align: u32) -> usize {
        let aligned = self.bytes.len().next_multiple_of(align as usize);
        self.bytes.resize(aligned, 0);
        aligned
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let at = self.bytes.len();
        self.room(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(at)
    }

    /// Writes a value at the end, which is aligned for it.
    pub(super) fn place(&mut self, size: u32, pending: &Pending) -> Result<usize, Error> {
        let at = self.bytes.len();
        self.room(size as usize)?;
        self.bytes.resize(at + size as usize, 0);
        self.fill(at, pending)?;
        Ok(at)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn room(&self, more: usize) -> Result<(), Error> {
        match self.bytes.len().saturating_add(more) > ARCHIVE_BYTES_MAX {
            true => Err(Error::new(format!(
                "takes more than {ARCHIVE_BYTES_MAX} bytes"
            ))),
            false => Ok(()),
        }
    }

    fn fill(&mut self, at: usize, pending: &Pending) -> Result<(), Error> {
        match pending {
            Pending::Bytes(bytes, len) => self.put(at, &bytes[..usize::from(*len)]),
            Pending::Inline(bytes) => self.put(at, bytes),
            Pending::Long(target, len) => {
                let len = word(*len)?;
                // The low six bits stay, `10` says that this is no inline string, the rest moves up.
                let len = (len & 0x3f) | 0x80 | ((len & !0x3f) << 2);
                self.put(at, &len.to_le_bytes());
                self.put(at + 4, &offset(at, *target)?);
            }
            Pending::Vec(target, len) => {
                self.put(at, &offset(at, *target)?);
                self.put(at + 4, &word(*len)?.to_le_bytes());
            }
            Pending::Box(target) => self.put(at, &offset(at, *target)?),
            Pending::Parts(parts) => {
                for (offset, part) in parts {
                    self.fill(at + *offset as usize, part)?;
                }
            }
            Pending::Tagged(tag, parts) => {
                self.put(at, &[*tag]);
                for (offset, part) in parts {
                    self.fill(at + *offset as usize, part)?;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

fn word(number: usize) -> Result<u32, Error> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number < 1 << 30)
        .ok_or_else(|| Error::new("is longer than an archive can say"))
}

/// From where it stands, signed.
fn offset(from: usize, to: usize) -> Result<[u8; 4], Error> {
    let distance = to as i64 - from as i64;
    i32::try_from(distance)
        .map(i32::to_le_bytes)
        .map_err(|_| Error::new("is larger than an archive can point across"))
}
