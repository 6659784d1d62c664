/// The limits that a side enforces on what it receives, checked before anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest payload, in bytes.
    pub payload_bytes_max: usize,
    /// The longest name in a handshake, in bytes.
    pub name_bytes_max: usize,
    /// The longest message of a status, in bytes; a longer one is cut at a character.
    pub message_bytes_max: usize,
    /// The most calls in flight on one connection.
    pub calls_max: usize,
    /// The most bytes that the arguments of the calls in flight on one connection may have; a lone call always may.
    pub request_bytes_max: usize,
}

impl Limits {
    /// 16 MiB payloads, 128-byte names, 4 KiB messages, 1,024 calls in flight with 128 MiB of arguments.
    pub const DEFAULT: Limits = Limits {
        payload_bytes_max: 16 << 20,
        name_bytes_max: 128,
        message_bytes_max: 4096,
        calls_max: 1024,
        request_bytes_max: 128 << 20,
    };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}
