use super::{Header, Kind, flags};
use crate::beside::{Beside, Place};

/// A smaller payload goes with its frame.
pub(super) const BESIDE_BYTES_MIN: usize = (64 << 10) + 1;

/// As an [`super::Outbox`] and a [`super::FrameDecoder`] have it: none at first.
pub(super) type Way = Option<Box<dyn Beside>>;

pub(super) fn flag(place: Place) -> u8 {
    match place {
        Place::Bulk => flags::BULK,
        Place::Sealed => flags::SEALED,
    }
}

/// Where the payload of a frame is, unless it follows.
pub(super) fn place(header: &Header) -> Option<Place> {
    let has = |flag| header.flags & flag != 0;
    if !matches!(header.kind, Kind::Request | Kind::Response | Kind::Items) {
        None
    } else if has(flags::BULK) {
        Some(Place::Bulk)
    } else {
        has(flags::SEALED).then_some(Place::Sealed)
    }
}
