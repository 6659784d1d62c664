//! The network doors of cells (`[remote]` in a `Cell.toml`): the supervisor opens them, so that they stay open while generations are
//! swapped, and a sandboxed cell needs neither a network nor its keys.
//!
//! `quota` bounds what strangers can make a log say; `door` is one open address.

mod door;
mod quota;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::event::Sink;
use crate::workspace::remote::Remote;
use door::Door;

/// The doors of a workspace's cells.
pub struct Doors {
    run_dir: PathBuf,
    keys: PathBuf,
    sink: Sink,
    open: BTreeMap<String, Door>,
}

impl Doors {
    /// No doors yet; `keys` is the folder of keys where a cell names no other.
    #[must_use]
    pub fn new(run_dir: &Path, keys: PathBuf, sink: Sink) -> Self {
        Doors {
            run_dir: run_dir.to_owned(),
            keys,
            sink,
            open: BTreeMap::new(),
        }
    }

    /// Opens and closes until exactly these are open, each by the name of its cell.
    pub fn follow(&mut self, wanted: &BTreeMap<String, Remote>) {
        let changes = changes(&self.wanted(), wanted);
        let mut closing = Vec::new();
        for name in changes.close {
            if let Some(door) = self.open.remove(&name) {
                closing.push(door.close());
            }
        }
        for (name, remote) in changes.open {
            let keys = remote.keys.clone().unwrap_or_else(|| self.keys.clone());
            // An address may go from one cell to another: it is free only when the former door is closed.
            let before = std::mem::take(&mut closing);
            let door = Door::open(
                &name,
                remote,
                keys,
                &self.run_dir,
                self.sink.clone(),
                before,
            );
            self.open.insert(name, door);
        }
    }

    fn wanted(&self) -> BTreeMap<String, Remote> {
        let wanted = |(name, door): (&String, &Door)| (name.clone(), door.remote().clone());
        self.open.iter().map(wanted).collect()
    }

    /// What `status` says of each, by the name of its cell.
    #[must_use]
    pub fn status(&self) -> Value {
        let state = |(name, door): (&String, &Door)| (name.clone(), door.state());
        Value::Object(self.open.iter().map(state).collect())
    }

    /// No new calls come in from now on; those in flight go on.
    pub fn stop(&self) {
        self.open.values().for_each(Door::stop);
    }

    /// Waits until callers have their last answers.
    pub async fn finish(self) {
        for door in self.open.into_values() {
            // A door that panicked is closed, too.
            let _ = door.close().await;
        }
    }
}

/// What is to be done, in this order.
#[derive(Debug, PartialEq, Eq)]
struct Changes {
    close: Vec<String>,
    open: Vec<(String, Remote)>,
}

fn changes(open: &BTreeMap<String, Remote>, wanted: &BTreeMap<String, Remote>) -> Changes {
    let differs = |one: &BTreeMap<String, Remote>, other: &BTreeMap<String, Remote>| {
        let differing = one
            .iter()
            .filter(|(name, door)| other.get(*name) != Some(door));
        let differing = differing.map(|(name, door)| (name.clone(), door.clone()));
        differing.collect::<Vec<_>>()
    };
    Changes {
        close: differs(open, wanted)
            .into_iter()
            .map(|(name, _)| name)
            .collect(),
        open: differs(wanted, open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(list: &[(&str, u16)]) -> BTreeMap<String, Remote> {
        let door = |(name, port): &(&str, u16)| {
            let listen = ([127, 0, 0, 1], *port).into();
            ((*name).to_owned(), Remote { listen, keys: None })
        };
        list.iter().map(door).collect()
    }

    #[test]
    fn only_what_changed_is_closed_and_opened() {
        for (open, wanted, close, opened) in [
            (&[][..], &[("a", 1)][..], &[][..], &["a"][..]),
            (&[("a", 1)], &[("a", 1)], &[], &[]),
            (&[("a", 1)], &[("a", 2)], &["a"], &["a"]),
            (&[("a", 1), ("b", 2)], &[("b", 2)], &["a"], &[]),
            (&[("a", 1)], &[("b", 1)], &["a"], &["b"]),
        ] {
            let changes = changes(&doors(open), &doors(wanted));
            let names: Vec<&str> = changes.open.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(
                (&changes.close[..], &names[..]),
                (
                    &close.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                    opened
                )
            );
        }
    }
}
