//! What happened lately, and who follows it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;

use super::control::Answers;
use crate::event::Event;
use crate::supervisor::SupervisorEvent;

/// Past events that are kept.
const EVENTS_MAX: usize = 1000;
/// Cells and other things whose last event is kept when it is no longer among them.
const LASTING_MAX: usize = 4096;

/// Keeps a bounded number of events; a follower that is too slow loses some and is told how many.
#[derive(Default)]
pub struct Recent(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    number: u64,
    ring: VecDeque<(u64, Value)>,
    /// The last word on each cell, and on which cells there are: who joins late must know them.
    lasting: BTreeMap<String, (u64, Value)>,
    followers: Vec<Follower>,
}

struct Follower {
    answers: Answers,
    lost: u64,
}

impl Recent {
    /// Something happened.
    pub fn event(&self, event: &Event) {
        let passes = matches!(
            event,
            Event::Cell(SupervisorEvent::Log { .. } | SupervisorEvent::Measured { .. })
        );
        let mut inner = self.lock();
        if passes && inner.followers.is_empty() {
            return;
        }
        let Ok(value) = serde_json::to_value(event) else {
            return;
        };
        let number = inner.number + u64::from(!passes);
        inner
            .followers
            .retain_mut(|follower| follower.take(&value, number));
        // Lines of cells have a ring of their own, and what was measured is old news at once.
        if passes {
            return;
        }
        inner.number = number;
        if let Some(key) = lasts_as(&value)
            && (inner.lasting.len() < LASTING_MAX || inner.lasting.contains_key(&key))
        {
            inner.lasting.insert(key, (number, value.clone()));
        }
        if inner.ring.len() == EVENTS_MAX {
            inner.ring.pop_front();
        }
        inner.ring.push_back((number, value));
    }

    /// Sends what comes, after what there was since the event of a number, if that is asked for.
    pub fn follow(&self, past: Option<u64>, answers: Answers) {
        let mut inner = self.lock();
        if let Some(after) = past {
            let first = inner.ring.front().map_or(u64::MAX, |(number, _)| *number);
            let mut events: Vec<&(u64, Value)> = inner
                .lasting
                .values()
                .filter(|(number, _)| *number < first && *number > after)
                .collect();
            events.sort_by_key(|(number, _)| *number);
            let events: Vec<&Value> = events
                .into_iter()
                .chain(inner.ring.iter().filter(|(number, _)| *number > after))
                .map(|(_, value)| value)
                .collect();
            // The channel is new: there is room for one message.
            let _ = answers.try_send(json!({"events": events, "number": inner.number}));
        }
        inner.followers.push(Follower { answers, lost: 0 });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Events are whole or not there: what a panic leaves behind is sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    fn take(&mut self, event: &Value, number: u64) -> bool {
        let sent = self
            .answers
            .try_send(json!({"events": [event], "number": number, "lost": self.lost}));
        match sent {
            Ok(()) => self.lost = 0,
            Err(TrySendError::Full(_)) => self.lost += 1,
            Err(TrySendError::Closed(_)) => return false,
        }
        true
    }
}

fn lasts_as(event: &Value) -> Option<String> {
    match event["reason"].as_str()? {
        "cells-found" => Some("cells".to_owned()),
        "cell" => Some(format!(
            "{} of {}",
            event["what"].as_str()?,
            event["cell"].as_str()?
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn ready(cell: &str) -> Event {
        Event::Cell(SupervisorEvent::Draining {
            cell: cell.to_owned(),
            generation: 1,
        })
    }

    fn note(message: String) -> Event {
        Event::Note { message }
    }

    #[test]
    fn who_joins_late_knows_every_cell() {
        let recent = Recent::default();
        recent.event(&ready("a"));
        for n in 0..2 * EVENTS_MAX {
            recent.event(&note(n.to_string()));
        }
        recent.event(&ready("b"));
        let (answers, mut received) = mpsc::channel(2);
        recent.follow(Some(0), answers);
        let past = received.try_recv().expect("the past");
        let events = past["events"].as_array().expect("a list");
        assert_eq!(events.len(), EVENTS_MAX + 1);
        assert_eq!(events[0]["cell"], "a");
        assert_eq!(events[EVENTS_MAX]["cell"], "b");
    }

    #[test]
    fn a_slow_follower_is_told_what_it_lost() {
        let recent = Recent::default();
        let (answers, mut received) = mpsc::channel(1);
        recent.follow(None, answers);
        for n in 0..3 {
            recent.event(&note(n.to_string()));
        }
        assert_eq!(
            received.try_recv().expect("one")["events"][0]["message"],
            "0"
        );
        recent.event(&note("3".to_owned()));
        let next = received.try_recv().expect("another");
        assert_eq!(
            (&next["events"][0]["message"], &next["lost"]),
            (&json!("3"), &json!(2))
        );
        drop(received);
        recent.event(&note("4".to_owned()));
        assert!(recent.lock().followers.is_empty());
    }
}
