use std::fmt;

/// The W3C trace context of a call (<https://www.w3.org/TR/trace-context/>, `traceparent` version 00).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Copied with every call: in words, not in odd bytes.
#[repr(align(8))]
pub struct TraceParent {
    /// The whole trace.
    pub trace_id: [u8; 16],
    /// The caller's span.
    pub span_id: [u8; 8],
    /// Bit 0: sampled.
    pub flags: u8,
}

impl TraceParent {
    /// The length of the header extension that carries it, in bytes.
    pub const EXT_LEN: usize = 32;

    /// The extension: trace id, span id, flags, seven zero bytes.
    pub fn encode(&self) -> [u8; TraceParent::EXT_LEN] {
        let mut bytes = [0; TraceParent::EXT_LEN];
        bytes[..16].copy_from_slice(&self.trace_id);
        bytes[16..24].copy_from_slice(&self.span_id);
        bytes[24] = self.flags;
        bytes
    }

    /// Reads an extension; `None` where it is too short or the ids are all zero, which the standard calls invalid.
    pub fn decode(bytes: &[u8]) -> Option<TraceParent> {
        let trace_id: [u8; 16] = bytes.get(..16)?.try_into().ok()?;
        let span_id: [u8; 8] = bytes.get(16..24)?.try_into().ok()?;
        let flags = *bytes.get(24)?;
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(TraceParent {
            trace_id,
            span_id,
            flags,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}
