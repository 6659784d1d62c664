//! Large messages, which go beside the ring of frames: copied through a larger ring, or in sealed segments of their own.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use super::Junction;
use super::ring::{Consumer, Producer};
use super::sealed::{Sealed, seal};
use super::segment::{Direction, Layout, Mapped, Segment};
use super::socket::Socket;
use crate::beside::{Beside, Place};
use crate::spare::Draft;
use crate::vesicle::Vesicle;

/// What one side of a connection lends at most, in bytes of sealed messages that the other side still reads: they are on the
/// lender's account. Further ones go with their frames.
const LENT_BYTES_MAX: u64 = 64 << 20;

/// The most bells that are taken while a descriptor is looked for: many times what a socket holds (its buffer has 4 KiB). A peer could
/// ring as fast as they are taken.
const BELLS_MAX: usize = 64 << 10;

/// Descriptors that came and whose frames have not been read; a peer has no use for more on their way.
const WAITING_MAX: usize = 64;

/// A smaller message is copied rather than sealed: fresh pages cost the two sides several times what copying twice into memory
/// that was used before does (`cargo xtask bench call --parts bulk`). Of a larger one there is one copy in memory instead of three,
/// and none of it on the reader's account; that is what the time is spent for.
const SEALED_BYTES_MIN: usize = (4 << 20) + 1;

/// What one side has on its way out.
pub(super) struct Outward {
    /// Where the other side says what it has given back.
    segment: Weak<Segment>,
    direction: Direction,
    lent: u64,
    bulk: Option<Producer<Mapped>>,
}

impl Outward {
    pub(super) fn new(segment: &Arc<Segment>, direction: Direction) -> Outward {
        Outward {
            segment: Arc::downgrade(segment),
            direction,
            lent: 0,
            bulk: None,
        }
    }

    /// Sends a message whose frame follows; nothing where it has to go with its frame.
    pub(super) fn put(&mut self, socket: &Socket, message: &[u8]) -> Option<Place> {
        if message.len() < SEALED_BYTES_MIN {
            self.copy(socket, message).then_some(Place::Bulk)
        } else {
            self.lend(socket, message).then_some(Place::Sealed)
        }
    }

    fn copy(&mut self, socket: &Socket, message: &[u8]) -> bool {
        if self.bulk.is_none() {
            // Made for the first large message. As many as may be are mapped where it fails.
            let Ok((segment, descriptor)) = Segment::make(Layout::BULK) else {
                return false;
            };
            if !socket.ring_with(&descriptor) {
                return false;
            }
            self.bulk = Some(segment.producer(Direction::ToClient));
        }
        // A lie about the room is as none: the ring of frames ends the connection for its own.
        self.bulk
            .as_mut()
            .is_some_and(|ring| ring.write_whole(message) == Ok(true))
    }

    fn lend(&mut self, socket: &Socket, message: &[u8]) -> bool {
        let Some(segment) = self.segment.upgrade() else {
            return false;
        };
        let more = message.len() as u64;
        if !may_lend(self.lent, segment.given_back(self.direction), more) {
            return false;
        }
        let is_sent = seal(message).is_ok_and(|descriptor| socket.ring_with(&descriptor));
        self.lent += if is_sent { more } else { 0 };
        is_sent
    }
}

/// `given_back` is the other side's word: it never makes more than was lent.
fn may_lend(lent: u64, given_back: u64, more: u64) -> bool {
    lent - given_back.min(lent) + more <= LENT_BYTES_MAX
}

/// What comes in.
pub(super) struct Inward {
    segment: Weak<Segment>,
    direction: Direction,
    bulk: Option<Consumer<Mapped>>,
}

impl Inward {
    pub(super) fn new(segment: &Arc<Segment>, direction: Direction) -> Inward {
        Inward {
            segment: Arc::downgrade(segment),
            direction,
            bulk: None,
        }
    }

    /// Takes the message of the frame that was just read. `descriptor` gives the next one that came.
    pub(super) fn take(
        &mut self,
        place: Place,
        len: usize,
        descriptor: impl FnOnce() -> Result<OwnedFd, String>,
    ) -> Result<Vesicle, String> {
        let ring = match place {
            Place::Sealed => {
                let lent = Weak::clone(&self.segment);
                return Sealed::take(&descriptor()?, len, lent, self.direction)
                    .map(Vesicle::foreign);
            }
            Place::Bulk => match &mut self.bulk {
                Some(ring) => ring,
                none => {
                    let segment = Segment::take(&descriptor()?, Layout::BULK)
                        .map_err(|error| error.to_string())?;
                    none.insert(segment.consumer(Direction::ToClient))
                }
            },
        };
        let mut draft = Draft::take();
        draft.make_room(len);
        let bytes = draft.bytes();
        bytes.resize(len, 0);
        match ring.read(bytes) {
            Ok(read) if read == len => Ok(Vesicle::drafted(draft)),
            Ok(read) => Err(format!(
                "a message of {len} bytes in a ring that holds {read} of them"
            )),
            Err(lie) => Err(io::Error::from(lie).to_string()),
        }
    }
}

/// Descriptors in the order in which they came.
#[derive(Default)]
pub(super) struct Waiting {
    queue: VecDeque<OwnedFd>,
    came: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, descriptor: OwnedFd) {
        // One too many is closed; its frame will find none.
        if self.queue.len() < WAITING_MAX {
            self.queue.push_back(descriptor);
        }
        self.came += 1;
    }

    /// How many ever came.
    pub(super) fn came(&self) -> u64 {
        self.came
    }

    pub(super) fn pop(&mut self) -> Option<OwnedFd> {
        self.queue.pop_front()
    }

    /// The next one, also if it has to be fetched: it was sent before its frame was. `rung` says whether bells came with it.
    pub(super) fn fetch(&mut self, socket: &Socket, rung: &mut bool) -> Result<OwnedFd, String> {
        let mut bells = 0;
        loop {
            if let Some(descriptor) = self.pop() {
                return Ok(descriptor);
            }
            let why = match socket.try_receive(self) {
                Ok(more @ 1..) => {
                    *rung = true;
                    bells += more;
                    if bells <= BELLS_MAX {
                        continue;
                    }
                    "bells without end came instead".to_owned()
                }
                Ok(0) => "the other process has gone".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(format!("shared memory that did not come: {why}"));
        }
    }
}

impl Beside for Junction {
    fn put(&mut self, payload: &[u8]) -> Option<Place> {
        self.0.put_beside(payload)
    }

    fn take(&mut self, place: Place, len: usize) -> Result<Vesicle, String> {
        self.0.take_beside(place, len)
    }
}

impl fmt::Debug for Junction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Junction")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_limited_whatever_the_other_side_says() {
        let max = LENT_BYTES_MAX;
        for (lent, given_back, more, may) in [
            (0, 0, max, true),
            (0, 0, max + 1, false),
            (max, 0, 1, false),
            (max, 1, 1, true),
            (max, max, max, true),
            // A lie gives no credit.
            (max, u64::MAX, max + 1, false),
            (5 * max, 4 * max, 1, false),
        ] {
            assert_eq!(
                may_lend(lent, given_back, more),
                may,
                "{lent} {given_back} {more}"
            );
        }
    }
}
