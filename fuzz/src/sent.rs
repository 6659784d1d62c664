//! What a connection's state writes must itself keep to the protocol.

use std::collections::BTreeMap;

use cell_sdk::wire::{Frame, FrameDecoder, Kind, Limits, Outbox};

/// Reads what one side writes, and counts for each call.
pub(crate) struct Sent {
    decoder: FrameDecoder,
    calls: BTreeMap<u64, Call>,
    /// The newest call that was asked for.
    newest: u64,
    /// What each call may send before anything is granted.
    credit: i128,
}

#[derive(Default)]
struct Call {
    over: bool,
    granted: i128,
    sent: i128,
}

impl Sent {
    pub(crate) fn new(credit: i128) -> Sent {
        Sent {
            decoder: FrameDecoder::new(Limits::DEFAULT),
            calls: BTreeMap::new(),
            newest: 0,
            credit,
        }
    }

    /// The other side grants so many bytes of items.
    pub(crate) fn granted(&mut self, id: u64, bytes: u64) {
        self.calls.entry(id).or_default().granted += i128::from(bytes);
    }

    /// Takes some of what waits to be sent, as a socket does.
    pub(crate) fn drain(&mut self, out: &mut Outbox, most: usize) {
        let len = out.pending().len().min(most);
        let mut bytes = &out.pending()[..len];
        while let Some(frame) = self.decoder.next(&mut bytes).expect("sound frames") {
            self.check(&frame);
        }
        out.advance(len);
        if most % 2 == 1 {
            out.compact();
        }
    }

    fn check(&mut self, frame: &Frame) {
        let (kind, id) = (frame.header.kind, frame.header.call_id);
        match kind {
            Kind::Hello | Kind::HelloAck | Kind::Ping | Kind::Pong | Kind::GoAway => return,
            Kind::Request => {
                assert!(id > self.newest, "calls rise");
                self.newest = id;
            }
            _ => {}
        }
        let call = self.calls.entry(id).or_default();
        assert!(!call.over, "{kind:?} of call {id} after its end");
        match kind {
            Kind::Response | Kind::Status | Kind::Cancel => call.over = true,
            Kind::Items => {
                let room = self.credit + call.granted - call.sent;
                assert!(room > 0, "items of call {id} without credit");
                call.sent += 32 + frame.payload.len() as i128;
            }
            _ => {}
        }
    }
}
