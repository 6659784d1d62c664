use std::fmt;

use super::{Header, Kind, Violation, flags};
use crate::vesicle::Vesicle;

/// A smaller payload goes with its frame.
pub(crate) const BESIDE_BYTES_MIN: usize = (64 << 10) + 1;

/// Where a payload is that does not follow its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the ring for large payloads.
    Bulk,
    /// In a sealed segment of its own.
    Sealed,
}

impl Place {
    pub(super) fn flag(self) -> u8 {
        match self {
            Place::Bulk => flags::BULK,
            Place::Sealed => flags::SEALED,
        }
    }

    pub(super) fn of(header: &Header) -> Option<Place> {
        let has = |flag| header.flags & flag != 0;
        if !matches!(header.kind, Kind::Request | Kind::Response | Kind::Items) {
            None
        } else if has(flags::BULK) {
            Some(Place::Bulk)
        } else {
            has(flags::SEALED).then_some(Place::Sealed)
        }
    }
}

/// A way for large payloads that goes beside the stream of frames, in the frames' order.
pub(crate) trait Beside: Send + fmt::Debug {
    /// Sends a payload whose frame is queued next; nothing where it has to go with its frame.
    fn put(&mut self, payload: &[u8]) -> Option<Place>;
    /// Takes the payload of the frame that was just read.
    fn take(&mut self, place: Place, len: usize) -> Result<Vesicle, Violation>;
}

/// As an [`super::Outbox`] and a [`super::FrameDecoder`] have it: none at first.
pub(super) type Way = Option<Box<dyn Beside>>;
