//! What a connection has read and not looked at yet.
#![expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, at the edge, and passed to the state"
)]

use std::time::Instant;

use super::shared::Inner;
use crate::clock::SystemClock;
use crate::transport::Writer;
use crate::wire::{ServerEvent, ServerState, Violation};

/// What was read and not looked at yet: a peer that has too much to read already is kept waiting.
pub(super) struct Inbox {
    /// Where in the buffer it begins and ends.
    at: usize,
    end: usize,
    pub(super) has_more: bool,
    /// When it came, where it has waited since.
    came: Option<Instant>,
}

impl Inbox {
    pub(super) fn new() -> Inbox {
        Inbox {
            at: 0,
            end: 0,
            has_more: false,
            came: None,
        }
    }

    /// So many bytes were read into the buffer. Also without any there may be more: what was read to where it stays.
    pub(super) fn take(&mut self, len: usize) {
        *self = Inbox {
            at: 0,
            end: len,
            has_more: true,
            came: None,
        };
    }

    /// Whether all of it was looked at.
    pub(super) fn is_used_up(&self) -> bool {
        self.at == self.end
    }

    /// The next event.
    #[inline]
    pub(super) fn event(
        &mut self,
        state: &mut ServerState,
        buf: &[u8],
    ) -> Result<Option<ServerEvent>, Violation> {
        let mut left = &buf[self.at..self.end];
        let event = match self.came {
            None => state.next(SystemClock, &mut left),
            Some(came) => state.next(came, &mut left),
        };
        self.at = self.end - left.len();
        // What was read to where it stays is looked at with the first event.
        self.has_more = !left.is_empty() && matches!(event, Ok(Some(_)));
        if self.has_more {
            // Others are worked on first.
            self.came.get_or_insert_with(Instant::now);
        }
        event
    }

    /// As [`Inbox::event`], unless the peer has too much to read already.
    #[inline]
    pub(super) fn next<W: Writer>(
        &mut self,
        inner: &mut Inner,
        writer: &W,
        buf: &[u8],
        full: &mut bool,
    ) -> Result<Option<ServerEvent>, Violation> {
        if !self.has_more {
            return Ok(None);
        }
        if *full {
            if inner.is_full() && !inner.blocked {
                inner.flush(writer);
            }
            *full = inner.is_full();
            if *full {
                self.came.get_or_insert_with(Instant::now);
                return Ok(None);
            }
        }
        self.event(&mut inner.state, buf)
    }
}
