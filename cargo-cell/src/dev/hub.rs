//! What cells printed lately, and who follows it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;

use super::control::Answers;
use super::recent::Recent;

/// Past lines that are kept of each cell.
const LINES_MAX: usize = 1000;

/// Keeps a bounded number of lines of each cell; a follower that is too slow loses lines, a cell never waits for one.
#[derive(Default)]
pub struct Hub {
    /// What happened lately.
    pub recent: Recent,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rings: BTreeMap<String, VecDeque<Value>>,
    followers: Vec<Follower>,
    waiting: Vec<Answers>,
}

struct Follower {
    cells: Vec<String>,
    answers: Answers,
    lost: u64,
}

impl Hub {
    /// A cell printed a line.
    pub fn line(&self, cell: &str, stream: &str, line: &str) {
        let mut inner = self.lock();
        let value = json!({"cell": cell, "stream": stream, "line": line});
        inner
            .followers
            .retain_mut(|follower| follower.take(cell, &value));
        let ring = inner.rings.entry(cell.to_owned()).or_default();
        if ring.len() == LINES_MAX {
            ring.pop_front();
        }
        ring.push_back(value);
    }

    /// Answers with past lines, and with those to come when asked to follow.
    pub fn logs(&self, cells: &[String], lines: usize, follow: bool, answers: Answers) {
        let mut inner = self.lock();
        let past: Vec<&Value> = inner
            .rings
            .iter()
            .filter(|(cell, _)| wants(cells, cell))
            .flat_map(|(_, ring)| ring.iter().skip(ring.len().saturating_sub(lines)))
            .collect();
        // The channel is new: there is room for one message.
        let _ = answers.try_send(json!({"lines": past}));
        if follow {
            inner.followers.push(Follower {
                cells: cells.to_vec(),
                answers,
                lost: 0,
            });
        }
    }

    /// Keeps a stream open until the process ends.
    pub fn until_stopped(&self, answers: Answers) {
        self.lock().waiting.push(answers);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Lines are whole or not there: what a panic leaves behind is sound.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    fn take(&mut self, cell: &str, value: &Value) -> bool {
        if !wants(&self.cells, cell) {
            return !self.answers.is_closed();
        }
        match self
            .answers
            .try_send(json!({"lines": [value], "lost": self.lost}))
        {
            Ok(()) => {
                self.lost = 0;
                true
            }
            Err(TrySendError::Full(_)) => {
                self.lost += 1;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

fn wants(cells: &[String], cell: &str) -> bool {
    cells.is_empty() || cells.iter().any(|wanted| wanted == cell)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn rings_are_bounded_and_slow_followers_lose_lines() {
        let hub = Hub::default();
        for n in 0..LINES_MAX + 5 {
            hub.line("a", "stdout", &n.to_string());
        }
        hub.line("b", "stdout", "other");
        let (answers, mut received) = mpsc::channel(2);
        hub.logs(&["a".to_owned()], 3, true, answers);
        let past = received.try_recv().expect("past lines");
        assert_eq!(past["lines"].as_array().map(Vec::len), Some(3));
        assert_eq!(past["lines"][2]["line"], "1004");
        for n in 0..4 {
            hub.line("a", "stdout", &n.to_string());
        }
        hub.line("b", "stdout", "not wanted");
        assert_eq!(received.try_recv().expect("one")["lines"][0]["line"], "0");
        assert_eq!(received.try_recv().expect("two")["lines"][0]["line"], "1");
        hub.line("a", "stdout", "after");
        let after = received.try_recv().expect("three");
        assert_eq!(
            (&after["lines"][0]["line"], &after["lost"]),
            (&json!("after"), &json!(2))
        );
    }
}
