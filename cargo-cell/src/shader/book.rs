//! Who holds which shader, which text of it was good last, and who is still to acknowledge it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// More shaders of one cell are a mistake of its, or worse.
const HELD_MAX: usize = 256;

/// Names a shader.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The package that has the file.
    pub package: String,
    /// The file, from the package's folder.
    pub path: String,
}

/// A process that holds shaders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The cell.
    pub cell: String,
    /// Its generation.
    pub generation: u64,
}

/// A text on its way to a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Who gets it.
    pub to: Holder,
    /// Its version.
    pub version: u64,
    /// The text.
    pub source: Arc<str>,
}

/// What is known of all shaders.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<Key, Entry>,
    awaited: BTreeMap<(Holder, Key), (u64, Instant)>,
    last: u64,
}

#[derive(Debug, Default)]
struct Entry {
    holders: BTreeSet<Holder>,
    /// What it was made of, or would have been.
    files: BTreeSet<PathBuf>,
    good: Option<(u64, Arc<str>)>,
    wrong: bool,
}

impl Book {
    /// A cell holds a shader from now on; `false` when that changes nothing, or there are too many.
    pub fn hold(&mut self, key: &Key, holder: &Holder) -> bool {
        let entries = self.entries.values();
        if entries
            .filter(|entry| entry.holders.contains(holder))
            .count()
            >= HELD_MAX
        {
            return false;
        }
        let entry = self.entries.entry(key.clone()).or_default();
        entry.holders.insert(holder.clone())
    }

    /// A process is gone. What was good is kept for the generation after it.
    pub fn gone(&mut self, holder: &Holder) {
        self.awaited.retain(|(waiting, _), _| waiting != holder);
        self.entries.retain(|_, entry| {
            entry.holders.remove(holder);
            !entry.holders.is_empty() || entry.good.is_some()
        });
    }

    /// The shaders that these files are part of, and that somebody holds.
    #[must_use]
    pub fn concerned(&self, files: &[PathBuf]) -> Vec<Key> {
        let concerned = |entry: &Entry| {
            !entry.holders.is_empty() && files.iter().any(|file| entry.files.contains(file))
        };
        let entries = self.entries.iter().filter(|(_, entry)| concerned(entry));
        entries.map(|(key, _)| key.clone()).collect()
    }

    /// A shader is good: who is to get it. A text that is good again after a bad one gets a new version, so that everybody says so.
    pub fn good(
        &mut self,
        key: &Key,
        files: BTreeSet<PathBuf>,
        text: &str,
    ) -> Option<(u64, Vec<Push>)> {
        let entry = self.entries.get_mut(key)?;
        entry.files = files;
        let same = entry.good.as_ref().is_some_and(|(_, good)| **good == *text);
        if same && !entry.wrong {
            return None;
        }
        entry.wrong = false;
        self.last += 1;
        entry.good = Some((self.last, text.into()));
        let holders = entry.holders.clone();
        let pushes = holders
            .iter()
            .filter_map(|holder| self.current(key, holder));
        Some((self.last, pushes.collect()))
    }

    /// A shader is bad; gives the version that stays, if there was a good one.
    pub fn bad(&mut self, key: &Key, files: BTreeSet<PathBuf>) -> Option<u64> {
        let entry = self.entries.get_mut(key)?;
        entry.files = files;
        entry.wrong = true;
        entry.good.as_ref().map(|(version, _)| *version)
    }

    /// Whether what was looked at last is bad.
    #[must_use]
    pub fn is_bad(&self, key: &Key) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.wrong)
    }

    /// The last good text for somebody who holds the shader.
    #[must_use]
    pub fn current(&self, key: &Key, holder: &Holder) -> Option<Push> {
        let (version, source) = self.entries.get(key)?.good.clone()?;
        let to = holder.clone();
        Some(Push {
            to,
            version,
            source,
        })
    }

    /// A text was sent that was saved then: an answer is awaited.
    pub fn sent(&mut self, key: &Key, push: &Push, saved: Instant) {
        let who = (push.to.clone(), key.clone());
        self.awaited.insert(who, (push.version, saved));
    }

    /// A cell answered; gives when the text was saved, if that answer was awaited. Answers to older versions count for nothing.
    pub fn answered(&mut self, key: &Key, holder: &Holder, version: u64) -> Option<Instant> {
        let who = (holder.clone(), key.clone());
        let (awaited, saved) = *self.awaited.get(&who)?;
        if awaited != version {
            return None;
        }
        self.awaited.remove(&who);
        Some(saved)
    }
}
