use std::fmt;
use std::mem::MaybeUninit;

use tokio::io::ReadBuf;

use super::beside::{Way, flag, place};
use super::{HEADER_LEN, Header, Limits, Violation};
use crate::beside::Beside;
use crate::spare::Draft;
use crate::vesicle::Vesicle;

/// The largest first allocation for a payload that has not arrived yet: a peer that announces much and sends little
/// costs no more than this.
const EAGER_BYTES_MAX: usize = 64 << 10;

/// From so many missing bytes on the rest of a payload is read to where it stays; less is read with what comes behind it.
const DIRECT_BYTES_MIN: usize = 32 << 10;

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The checked header.
    pub header: Header,
    /// The extension; empty for most frames.
    pub ext: Vec<u8>,
    /// The payload, 16-byte aligned.
    pub payload: Vesicle,
}

/// A frame where it was read, without an extension.
pub(super) struct Whole<'a> {
    pub(super) header: Header,
    pub(super) payload: &'a [u8],
}

impl Whole<'_> {
    pub(super) fn to_frame(&self) -> Frame {
        Frame {
            header: self.header,
            ext: Vec::new(),
            payload: Vesicle::wrap(self.payload),
        }
    }
}

/// Appends a frame to `out`; the header's lengths are set here.
pub fn encode_frame(header: Header, ext: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER_LEN + ext.len() + payload.len());
    encode_head(header, ext, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends what comes before a payload of `payload_len` bytes.
pub(super) fn encode_head(mut header: Header, ext: &[u8], payload_len: usize, out: &mut Vec<u8>) {
    debug_assert!(ext.len().is_multiple_of(16));
    // Senders check the payload against the limit before they come here, so the sum fits.
    header.len = u32::try_from(ext.len() + payload_len).unwrap_or(u32::MAX);
    header.ext_len = u16::try_from(ext.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(ext);
}

/// Cuts a byte stream into frames, however it is split.
pub struct FrameDecoder {
    limits: Limits,
    head: [u8; HEADER_LEN],
    head_len: usize,
    open: Option<OpenFrame>,
    beside: Way,
}

struct OpenFrame {
    header: Header,
    ext: Vec<u8>,
    payload: Draft,
}

impl FrameDecoder {
    /// A decoder that enforces `limits`.
    pub fn new(limits: Limits) -> FrameDecoder {
        FrameDecoder {
            limits,
            head: [0; HEADER_LEN],
            head_len: 0,
            open: None,
            beside: None,
        }
    }

    /// Large payloads may come beside the bytes from now on.
    pub(crate) fn set_beside(&mut self, beside: Box<dyn Beside>) {
        self.beside = Some(beside);
    }

    /// Takes bytes from the front of `input` until a frame is whole or the input is used up.
    #[inline]
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Violation> {
        match self.whole(input)? {
            Some(whole) => Ok(Some(whole.to_frame())),
            None if input.is_empty() && self.open.is_none() => Ok(None),
            None => self.next_in_pieces(input),
        }
    }

    /// As [`FrameDecoder::next`], for frames that come in pieces.
    #[inline(never)]
    fn next_in_pieces(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Violation> {
        if self.open.is_none() {
            let taken = take(input, HEADER_LEN - self.head_len);
            self.head[self.head_len..self.head_len + taken.len()].copy_from_slice(taken);
            self.head_len += taken.len();
            if self.head_len < HEADER_LEN {
                return Ok(None);
            }
            let header = Header::decode(&self.head, &self.limits)?;
            self.head_len = 0;
            let payload_len = inline_len(&header);
            let mut payload = Draft::take();
            if !payload.try_large(payload_len) {
                payload.make_room(payload_len.clamp(1, EAGER_BYTES_MAX));
            }
            self.open = Some(OpenFrame {
                header,
                ext: Vec::new(),
                payload,
            });
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let ext_len = usize::from(open.header.ext_len);
        open.ext
            .extend_from_slice(take(input, ext_len - open.ext.len()));
        let payload_len = inline_len(&open.header);
        let mut payload = open.payload.bytes();
        if open.ext.len() == ext_len {
            // Who has sent so much means it: the rest is not moved again and again while it arrives.
            if payload.len() >= EAGER_BYTES_MAX && payload.capacity() < payload_len {
                open.payload.make_room(payload_len);
            }
            payload = open.payload.bytes();
            payload.extend_from_slice(take(input, payload_len - payload.len()));
        }
        if open.ext.len() < ext_len || payload.len() < payload_len {
            return Ok(None);
        }
        let Some(OpenFrame {
            mut header,
            ext,
            payload,
        }) = self.open.take()
        else {
            return Ok(None);
        };
        let payload = if let Some(place) = place(&header) {
            header.flags &= !flag(place);
            let len = header.len as usize - ext_len;
            let Some(beside) = &mut self.beside else {
                return Err(Violation(
                    "a payload in shared memory on a connection that has none".to_owned(),
                ));
            };
            beside.take(place, len).map_err(Violation)?
        } else {
            Vesicle::drafted(payload)
        };
        Ok(Some(Frame {
            header,
            ext,
            payload,
        }))
    }

    /// Takes a frame that lies in `input` as a whole, as most do. What is large, beside, or has an extension is not for here.
    #[inline]
    pub(super) fn whole<'a>(&self, input: &mut &'a [u8]) -> Result<Option<Whole<'a>>, Violation> {
        let is_between = self.open.is_none() && self.head_len == 0;
        let Some((head, rest)) = input.split_first_chunk().filter(|_| is_between) else {
            return Ok(None);
        };
        let header = Header::decode(head, &self.limits)?;
        let len = header.len as usize;
        if header.ext_len > 0 || place(&header).is_some() || len > rest.len().min(EAGER_BYTES_MAX) {
            return Ok(None);
        }
        let (payload, rest) = rest.split_at(len);
        *input = rest;
        Ok(Some(Whole { header, payload }))
    }

    /// Whether [`FrameDecoder::fill`] would read.
    pub fn awaits_large(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.ext.len() == usize::from(open.header.ext_len)
                && inline_len(&open.header) - open.payload.len() >= DIRECT_BYTES_MIN
        })
    }

    /// Lets `read` put the rest of a large payload where it stays, without a buffer in between; nothing where none is awaited.
    /// [`FrameDecoder::next`] gives the frame once it is whole, without more input.
    pub fn fill<T>(&mut self, read: impl FnOnce(&mut ReadBuf<'_>) -> T) -> Option<T> {
        if !self.awaits_large() {
            return None;
        }
        let open = self.open.as_mut()?;
        let payload_len = inline_len(&open.header);
        let len = open.payload.len();
        if len >= EAGER_BYTES_MAX {
            open.payload.make_room(payload_len);
        }
        let payload = open.payload.bytes();
        let room = payload.capacity().min(payload_len) - len;
        if room < DIRECT_BYTES_MIN {
            return None;
        }
        // SAFETY: the bytes from `len` up to the capacity belong to the buffer, which nobody else has, and may be uninitialised.
        let spare = unsafe {
            std::slice::from_raw_parts_mut(
                payload.as_mut_ptr().add(len).cast::<MaybeUninit<u8>>(),
                room,
            )
        };
        let start = spare.as_ptr().cast::<u8>();
        let mut room = ReadBuf::uninit(spare);
        let outcome = read(&mut room);
        let filled = room.filled();
        // A reader could have put another buffer in its place.
        assert!(std::ptr::eq(filled.as_ptr(), start), "another buffer");
        let whole = len + filled.len();
        // SAFETY: they are the bytes that follow, and they were filled.
        unsafe { payload.set_len(whole) };
        Some(outcome)
    }

    /// Whether the stream may end here without cutting a frame.
    pub fn is_at_boundary(&self) -> bool {
        self.head_len == 0 && self.open.is_none()
    }
}

impl fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.as_ref().map(|open| open.header);
        write!(
            f,
            "FrameDecoder({} bytes of a header, {open:?})",
            self.head_len
        )
    }
}

/// The bytes of the payload that follow in the stream.
fn inline_len(header: &Header) -> usize {
    match place(header) {
        Some(_) => 0,
        None => header.len as usize - usize::from(header.ext_len),
    }
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    taken
}
