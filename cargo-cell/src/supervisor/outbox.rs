//! What a cell is still to be told. A cell that does not read its control socket holds up nobody and costs one text a shader.

use std::collections::VecDeque;
use std::sync::Arc;

/// Lines in order, the first perhaps half sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: VecDeque<Line>,
    sent: usize,
}

#[derive(Debug)]
struct Line {
    /// A newer line about the same thing takes the place of this one.
    about: Option<String>,
    bytes: Arc<str>,
}

impl Outbox {
    pub(super) fn push(&mut self, line: String) {
        self.lines.push_back(Line {
            about: None,
            bytes: line.into(),
        });
    }

    /// Takes the place of a line about the same thing that nobody has begun to send.
    pub(super) fn replace(&mut self, about: String, bytes: Arc<str>) {
        let begun = usize::from(self.sent > 0);
        let waiting = self.lines.iter_mut().skip(begun);
        match waiting
            .into_iter()
            .find(|line| line.about.as_ref() == Some(&about))
        {
            Some(line) => line.bytes = bytes,
            None => self.lines.push_back(Line {
                about: Some(about),
                bytes,
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What to send next.
    pub(super) fn front(&self) -> &[u8] {
        let line = self
            .lines
            .front()
            .map_or(&[][..], |line| line.bytes.as_bytes());
        line.get(self.sent..).unwrap_or(&[])
    }

    /// So much of it was sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.front().is_empty() {
            self.lines.pop_front();
            self.sent = 0;
        }
    }

    /// Nobody will ever read.
    pub(super) fn clear(&mut self) {
        *self = Outbox::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_finished_and_what_was_not_is_replaced() {
        let mut outbox = Outbox::default();
        let replace = |outbox: &mut Outbox, text: &str| outbox.replace("x".into(), text.into());
        replace(&mut outbox, "one\n");
        replace(&mut outbox, "two\n");
        assert_eq!(outbox.front(), b"two\n");
        outbox.sent(1);
        replace(&mut outbox, "three\n");
        replace(&mut outbox, "four\n");
        outbox.push("drain\n".into());
        outbox.replace("y".into(), "other\n".into());
        let mut all = Vec::new();
        while !outbox.is_empty() {
            all.push(outbox.front()[0]);
            outbox.sent(1);
        }
        assert_eq!(String::from_utf8_lossy(&all), "wo\nfour\ndrain\nother\n");
        replace(&mut outbox, "one\n");
        outbox.clear();
        assert!(outbox.is_empty() && outbox.front().is_empty());
    }
}
