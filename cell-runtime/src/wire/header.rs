use super::{Limits, Violation};

/// The length of the fixed header, in bytes.
pub const HEADER_LEN: usize = 32;

/// Bits of [`Header::flags`].
pub mod flags {
    /// RESPONSE: the payload is the archive of the handler's error.
    pub const APP_ERROR: u8 = 1;
    /// REQUEST: the extension holds the trace context.
    pub const TRACE: u8 = 2;
    /// REQUEST: items go with the call, one way or both.
    pub const STREAM: u8 = 4;
    /// REQUEST, RESPONSE, ITEMS: the payload is in a sealed segment of its own; `len` counts it.
    pub const SEALED: u8 = 8;
    /// REQUEST, RESPONSE, ITEMS: the payload is in the ring for large payloads; `len` counts it.
    pub const BULK: u8 = 16;
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The first frame of a client.
    Hello = 1,
    /// The first frame of a server.
    HelloAck = 2,
    /// A call.
    Request = 3,
    /// The answer of a handler.
    Response = 4,
    /// The call ended without an answer of the handler.
    Status = 5,
    /// The caller no longer wants the answer.
    Cancel = 6,
    /// The server starts no call after the one named by `call_id`.
    GoAway = 7,
    /// Asks for a [`Kind::Pong`].
    Ping = 8,
    /// Answers a [`Kind::Ping`].
    Pong = 9,
    /// Items of a call's stream.
    Items = 10,
    /// The other side may send more of a call's stream.
    Credit = 11,
    /// The client's stream is complete.
    End = 12,
    /// What this side sends from now on goes through shared memory.
    Gap = 13,
}

impl Kind {
    fn from_wire(number: u8) -> Option<Kind> {
        Some(match number {
            1 => Kind::Hello,
            2 => Kind::HelloAck,
            3 => Kind::Request,
            4 => Kind::Response,
            5 => Kind::Status,
            6 => Kind::Cancel,
            7 => Kind::GoAway,
            8 => Kind::Ping,
            9 => Kind::Pong,
            10 => Kind::Items,
            11 => Kind::Credit,
            12 => Kind::End,
            13 => Kind::Gap,
            _ => return None,
        })
    }
}

#[cold]
fn unknown_kind(number: u8) -> Violation {
    Violation(format!("unknown frame kind {number}"))
}

/// The fixed header of a frame, little-endian on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The bytes after the header: extension and payload.
    pub len: u32,
    /// What the frame is.
    pub kind: Kind,
    /// See [`flags`].
    pub flags: u8,
    /// The length of the extension before the payload, a multiple of 16.
    pub ext_len: u16,
    /// The call; for GOAWAY the last call that was started.
    pub call_id: u64,
    /// The route's fingerprint; zero where the kind has none.
    pub route: u64,
    /// REQUEST: what remains until the deadline, in microseconds; zero for the default, all bits set for none. STATUS: after
    /// how many microseconds trying again may work; zero where nothing is known. CREDIT: how many bytes.
    pub deadline_us: u64,
}

impl Header {
    /// A header without flags, extension, route and deadline.
    pub fn new(kind: Kind, call_id: u64, len: u32) -> Header {
        Header {
            len,
            kind,
            flags: 0,
            ext_len: 0,
            call_id,
            route: 0,
            deadline_us: 0,
        }
    }

    /// The bytes on the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        // Words, so that what copies the bytes right away need not wait for single ones.
        let (words, _) = bytes.as_chunks_mut::<8>();
        let first = u64::from(self.len)
            | (self.kind as u64) << 32
            | u64::from(self.flags) << 40
            | u64::from(self.ext_len) << 48;
        words[0] = first.to_le_bytes();
        words[1] = self.call_id.to_le_bytes();
        words[2] = self.route.to_le_bytes();
        words[3] = self.deadline_us.to_le_bytes();
        bytes
    }

    /// Reads and checks a header: known kind, lengths within `limits`, extension inside the frame.
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_LEN], limits: &Limits) -> Result<Header, Violation> {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        let first = word(0);
        // The casts take the bytes of the fields.
        let (len, kind) = (first as u32, (first >> 32) as u8);
        let (flags, ext_len) = ((first >> 40) as u8, (first >> 48) as u16);
        let kind = Kind::from_wire(kind).ok_or_else(|| unknown_kind(kind))?;
        if usize::from(ext_len) > len as usize || !ext_len.is_multiple_of(16) {
            return Err(Violation(format!(
                "extension of {ext_len} bytes in a frame of {len}"
            )));
        }
        let payload = len as usize - usize::from(ext_len);
        if payload > limits.payload_bytes_max {
            return Err(Violation(format!(
                "payload of {payload} bytes; at most {} are allowed",
                limits.payload_bytes_max
            )));
        }
        Ok(Header {
            len,
            kind,
            flags,
            ext_len,
            call_id: word(1),
            route: word(2),
            deadline_us: word(3),
        })
    }
}
