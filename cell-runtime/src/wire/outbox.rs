use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::beside::{BESIDE_BYTES_MIN, Way, flag};
use super::frame::encode_head;
use super::{HEADER_LEN, Header, Kind, encode_frame, flags};
use crate::beside::Beside;
use crate::vesicle::Vesicle;

/// A buffer that grew beyond this is given back afterwards.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// From so many bytes on a payload is written from where it lies; smaller ones are copied next to their neighbours, so that
/// one write takes many.
const LARGE_BYTES_MIN: usize = 32 << 10;

/// The most parts of one write: a large payload and what comes before it are two.
const PARTS_MAX: usize = 16;

/// Frames that wait to be written. It starts on a frame's boundary, so that it can tell which frames never left whole.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The frames without their large payloads.
    bytes: Vec<u8>,
    /// What of `bytes` was written.
    sent: usize,
    large: VecDeque<Large>,
    /// All that is left to write.
    left: usize,
    beside: Way,
}

/// A payload that was not copied.
#[derive(Debug)]
struct Large {
    /// Where in `bytes` it belongs.
    at: usize,
    /// Until it was written.
    payload: Option<Vesicle>,
    sent: usize,
    len: usize,
}

impl Large {
    fn is_sent(&self) -> bool {
        self.sent == self.len
    }
}

impl Outbox {
    pub(super) fn put(&mut self, header: Header, ext: &[u8], payload: &[u8]) {
        let before = self.bytes.len();
        encode_frame(header, ext, payload, &mut self.bytes);
        self.left += self.bytes.len() - before;
    }

    /// Large payloads may go beside the bytes from now on.
    pub(super) fn set_beside(&mut self, beside: Box<dyn Beside>) {
        self.beside = Some(beside);
    }

    /// As [`Outbox::put`]; a large payload is not copied.
    pub(super) fn put_message(&mut self, mut header: Header, ext: &[u8], payload: &Vesicle) {
        if payload.len() < LARGE_BYTES_MIN {
            return self.put(header, ext, payload);
        }
        let before = self.bytes.len();
        if payload.len() >= BESIDE_BYTES_MIN
            && let Some(beside) = &mut self.beside
            && let Some(place) = beside.put(payload)
        {
            header.flags |= flag(place);
            encode_head(header, ext, payload.len(), &mut self.bytes);
            self.left += self.bytes.len() - before;
            return;
        }
        encode_head(header, ext, payload.len(), &mut self.bytes);
        self.left += self.bytes.len() - before + payload.len();
        self.large.push_back(Large {
            at: self.bytes.len(),
            payload: Some(payload.clone()),
            sent: 0,
            len: payload.len(),
        });
    }

    /// The large payload that is written next, unless all were.
    fn next_large(&self) -> Option<&Large> {
        self.large.iter().find(|large| !large.is_sent())
    }

    /// The bytes to write next; more may follow when they are written.
    pub fn pending(&self) -> &[u8] {
        match self.next_large() {
            Some(large) if large.at == self.sent => {
                let payload = large.payload.as_deref().unwrap_or_default();
                &payload[large.sent.min(payload.len())..]
            }
            Some(large) => &self.bytes[self.sent..large.at],
            None => &self.bytes[self.sent..],
        }
    }

    /// Gives `write` what is to be written next, in parts that follow each other, and takes what it wrote away. More may follow.
    pub fn write(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let len = if self.large.is_empty() {
            write(&[IoSlice::new(&self.bytes[self.sent..])])?
        } else {
            let mut parts = [IoSlice::new(&[]); PARTS_MAX];
            let count = self.parts(&mut parts);
            write(&parts[..count])?
        };
        self.advance(len);
        Ok(())
    }

    /// As [`Outbox::write`] until nothing is left, or it fails: then what was written is gone all the same.
    pub fn write_all(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while !self.is_empty() {
            match self.write(&mut write) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// How many parts there are; none is empty.
    fn parts<'a>(&'a self, parts: &mut [IoSlice<'a>; PARTS_MAX]) -> usize {
        let (mut count, mut at) = (0, self.sent);
        for large in self.large.iter().filter(|large| !large.is_sent()) {
            if count + 2 > PARTS_MAX {
                return count;
            }
            if at < large.at {
                parts[count] = IoSlice::new(&self.bytes[at..large.at]);
                count += 1;
                at = large.at;
            }
            let payload = large.payload.as_deref().unwrap_or_default();
            parts[count] = IoSlice::new(&payload[large.sent.min(payload.len())..]);
            count += 1;
        }
        if at < self.bytes.len() && count < PARTS_MAX {
            parts[count] = IoSlice::new(&self.bytes[at..]);
            count += 1;
        }
        count
    }

    /// How many bytes are to be written.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Says that the next `len` bytes were written.
    pub fn advance(&mut self, mut len: usize) {
        loop {
            let part = len.min(self.pending().len());
            self.advance_part(part);
            len -= part;
            if len == 0 || self.is_empty() {
                return;
            }
        }
    }

    fn advance_part(&mut self, len: usize) {
        self.left -= len;
        let sent = self.sent;
        match self.large.iter_mut().find(|large| !large.is_sent()) {
            Some(large) if large.at == sent => {
                large.sent += len;
                if large.is_sent() {
                    // Its memory is free; that it was there is remembered until its frame is forgotten.
                    large.payload = None;
                }
            }
            _ => self.sent += len,
        }
        if self.is_empty() {
            self.clear();
        }
    }

    /// Gives room back after a partial write: frames that have left whole are forgotten.
    pub fn compact(&mut self) {
        let (left, large) = self
            .frames()
            .take_while(|frame| frame.has_left)
            .last()
            .map_or((0, 0), |frame| (frame.end, frame.large_end));
        self.bytes.drain(..left);
        self.large.drain(..large);
        for large in &mut self.large {
            large.at -= left;
        }
        self.sent -= left;
    }

    /// The calls whose REQUEST did not leave whole: the other side cannot have started them.
    pub(super) fn unsent_requests(&self) -> Vec<u64> {
        self.frames()
            .filter(|frame| !frame.has_left && self.bytes[frame.at + 4] == Kind::Request as u8)
            .map(|frame| word(&self.bytes[frame.at + 8..]))
            .collect()
    }

    pub(super) fn clear(&mut self) {
        self.sent = 0;
        self.left = 0;
        self.large.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }

    /// Where each frame begins and ends in `bytes`.
    fn frames(&self) -> impl Iterator<Item = Placed> {
        let (mut at, mut large) = (0, 0);
        std::iter::from_fn(move || {
            let head = self.bytes.get(at..at + HEADER_LEN)?;
            let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let ext = usize::from(u16::from_le_bytes([head[6], head[7]]));
            let start = at;
            let own = self
                .large
                .get(large)
                .filter(|large| large.at == start + HEADER_LEN + ext && large.len == len - ext);
            let is_beside = head[5] & (flags::SEALED | flags::BULK) != 0;
            let is_short = own.is_some() || is_beside;
            at += HEADER_LEN + if is_short { ext } else { len };
            large += usize::from(own.is_some());
            Some(Placed {
                at: start,
                end: at,
                large_end: large,
                has_left: at <= self.sent && own.is_none_or(Large::is_sent),
            })
        })
    }
}

/// A frame in the box.
struct Placed {
    at: usize,
    end: usize,
    /// How many large payloads there are up to its end.
    large_end: usize,
    has_left: bool,
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[i]))
}
