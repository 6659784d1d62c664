use super::{HEADER_LEN, Violation};

/// What a server may send of a call's stream before its client grants more, in bytes of frames; and what a client is
/// granted when its call is started.
pub(crate) const WINDOW: u32 = 256 << 10;

/// Credit beyond this is not counted: it is more than anybody sends before the other side takes something.
const CREDIT_MAX: i64 = 1 << 40;

/// What an ITEMS frame with so many bytes of payload takes from the credit.
pub(crate) fn cost(payload: usize) -> i64 {
    i64::try_from(payload + HEADER_LEN).unwrap_or(i64::MAX)
}

/// The streams of one call, as one side sees them: what each side may still send.
#[derive(Debug)]
pub(super) struct Flow {
    /// What this side may still send; below zero after a frame that overdrew.
    credit: i64,
    /// What the other side may still send.
    window: i64,
    /// What was taken from the other side's stream and not granted again yet.
    taken: i64,
    /// The other side's stream is complete.
    ended: bool,
}

impl Flow {
    /// A server's: its client sends nothing before [`Flow::open`].
    pub(super) fn server() -> Flow {
        Flow {
            credit: i64::from(WINDOW),
            window: 0,
            taken: 0,
            ended: false,
        }
    }

    /// A client's.
    pub(super) fn client() -> Flow {
        Flow {
            credit: 0,
            window: i64::from(WINDOW),
            taken: 0,
            ended: false,
        }
    }

    /// The first grant.
    pub(super) fn open(&mut self) -> u64 {
        self.window += i64::from(WINDOW);
        u64::from(WINDOW)
    }

    /// Whether a frame may be sent: any credit is enough, so that one larger than the window does not wait for ever.
    pub(super) fn may_send(&self) -> bool {
        self.credit > 0
    }

    pub(super) fn sent(&mut self, payload: usize) {
        self.credit -= cost(payload);
    }

    pub(super) fn granted(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(CREDIT_MAX).min(CREDIT_MAX);
        self.credit = (self.credit + bytes).min(CREDIT_MAX);
    }

    pub(super) fn received(&mut self, payload: usize) -> Result<(), Violation> {
        if self.ended {
            return Err(Violation("items after the end of their stream".to_owned()));
        }
        if self.window <= 0 {
            return Err(Violation("items without credit".to_owned()));
        }
        self.window -= cost(payload);
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result<(), Violation> {
        if std::mem::replace(&mut self.ended, true) {
            return Err(Violation("a stream ended twice".to_owned()));
        }
        Ok(())
    }

    /// The user has taken a frame's items. Gives what to grant for them, once it is worth a frame.
    pub(super) fn taken(&mut self, payload: usize) -> Option<u64> {
        self.taken += cost(payload);
        if self.ended || self.taken < i64::from(WINDOW / 2) {
            return None;
        }
        let grant = std::mem::take(&mut self.taken);
        self.window += grant;
        u64::try_from(grant).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credit_is_overdrawn_once_and_comes_back() {
        let (mut server, mut client) = (Flow::server(), Flow::client());
        assert!(!client.may_send());
        client.granted(server.open());
        assert!(client.may_send());
        let large = 3 * WINDOW as usize;
        client.sent(large);
        server.received(large).unwrap();
        assert!(!client.may_send());
        let more = server.received(1).unwrap_err();
        assert!(more.0.contains("without credit"), "{more}");
        client.granted(server.taken(large).unwrap());
        assert!(client.may_send());
        server.end().unwrap();
        assert!(server.received(0).is_err() && server.end().is_err());
    }

    #[test]
    fn absurd_grants_are_cut() {
        let mut flow = Flow::client();
        for _ in 0..3 {
            flow.granted(u64::MAX);
        }
        assert_eq!(flow.credit, CREDIT_MAX);
    }

    proptest! {
        /// Whatever is sent and taken in whatever order: an honest sender is never refused, never stuck, and what waits to
        /// be taken stays within the window and a frame.
        #[test]
        fn honest_sides_agree(steps in proptest::collection::vec((any::<bool>(), 0usize..400_000), 1..200)) {
            let (mut sender, mut receiver) = (Flow::server(), Flow::client());
            let mut waiting = std::collections::VecDeque::new();
            for (takes, size) in steps {
                if takes && let Some(size) = waiting.pop_front() {
                    if let Some(grant) = receiver.taken(size) {
                        sender.granted(grant);
                    }
                } else if sender.may_send() {
                    sender.sent(size);
                    receiver.received(size).unwrap();
                    waiting.push_back(size);
                }
                let held: i64 = waiting.iter().map(|size| cost(*size)).sum();
                prop_assert!(held <= i64::from(WINDOW) + cost(400_000));
                prop_assert!(!waiting.is_empty() || sender.may_send());
            }
        }
    }
}
