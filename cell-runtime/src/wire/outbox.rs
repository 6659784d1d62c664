use super::{HEADER_LEN, Header, Kind, encode_frame};

/// A buffer that grew beyond this for one large message is given back afterwards.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Frames that wait to be written. It starts on a frame's boundary, so that it can tell which frames never left whole.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub(super) fn put(&mut self, header: Header, ext: &[u8], payload: &[u8]) {
        encode_frame(header, ext, payload, &mut self.bytes);
    }

    /// The bytes to write next.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Says that the first `len` pending bytes were written.
    pub fn advance(&mut self, len: usize) {
        self.sent = (self.sent + len).min(self.bytes.len());
        if self.is_empty() {
            self.clear();
        }
    }

    /// Gives room back after a partial write: frames that have left whole are forgotten.
    pub fn compact(&mut self) {
        let left = self
            .frames()
            .take_while(|(_, end)| *end <= self.sent)
            .last()
            .map_or(0, |(_, end)| end);
        self.bytes.drain(..left);
        self.sent -= left;
    }

    /// The calls whose REQUEST did not leave whole: the other side cannot have started them.
    pub(super) fn unsent_requests(&self) -> Vec<u64> {
        self.frames()
            .filter(|(at, end)| *end > self.sent && self.bytes[*at + 4] == Kind::Request as u8)
            .map(|(at, _)| word(&self.bytes[at + 8..]))
            .collect()
    }

    pub(super) fn clear(&mut self) {
        self.sent = 0;
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }

    /// Where each frame begins and ends.
    fn frames(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = self.bytes.get(at..at + HEADER_LEN)?;
            let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let start = at;
            at += HEADER_LEN + len;
            Some((start, at))
        })
    }
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[i]))
}
