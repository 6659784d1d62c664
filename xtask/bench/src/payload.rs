//! The message, and its bytes for libraries that carry bytes.

use anyhow::{Result, ensure};

/// The message: 64 bytes.
pub type Payload = [u64; 8];

pub const BYTES: usize = size_of::<Payload>();

pub fn to_bytes(payload: Payload) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (slot, word) in bytes.chunks_exact_mut(8).zip(payload) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

pub fn from_bytes(bytes: &[u8]) -> Result<Payload> {
    ensure!(bytes.len() == BYTES, "an answer of {} bytes", bytes.len());
    Ok(std::array::from_fn(|word| {
        u64::from_le_bytes(std::array::from_fn(|at| bytes[word * 8 + at]))
    }))
}
