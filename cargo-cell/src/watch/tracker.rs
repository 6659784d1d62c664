//! What every watched file holds, so that only a change of content counts.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an emptied or vanished file is taken for a save in progress: editors truncate or rename before they write.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There is no such file.
    Missing,
    /// A file of no bytes.
    Empty,
    /// A file with this hash.
    Hash([u8; 32]),
}

impl Content {
    /// What these bytes are.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            Content::Empty
        } else {
            Content::Hash(*blake3::hash(bytes).as_bytes())
        }
    }
}

/// What a look at a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds what it held.
    Same,
    /// It holds something else.
    Changed,
    /// It may be half-written: look again then.
    Wait(Instant),
}

/// Remembers contents.
#[derive(Debug, Default)]
pub struct Tracker {
    /// Ordered by the parts of the paths: what lies in a folder follows it.
    known: BTreeMap<PathBuf, Content>,
    doubtful: HashMap<PathBuf, Instant>,
}

impl Tracker {
    /// Notes what a file holds, without judging it: at the start, and for files that we wrote ourselves.
    pub fn note(&mut self, path: PathBuf, content: Content) {
        self.doubtful.remove(&path);
        self.known.insert(path, content);
    }

    /// Whether anything is known of a file.
    #[must_use]
    pub fn knows(&self, path: &Path) -> bool {
        self.known.contains_key(path)
    }

    /// The files of which something is known.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.known.keys()
    }

    /// The files of which something is known in a folder and the folders in it.
    pub fn within<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        let from = self
            .known
            .range::<Path, _>((Bound::Included(folder), Bound::Unbounded));
        from.map(|(path, _)| path)
            .take_while(move |path| path.starts_with(folder))
    }

    /// Judges what a file holds now.
    pub fn look(&mut self, path: &Path, content: Content, now: Instant) -> Verdict {
        let before = self.known.get(path).copied().unwrap_or(Content::Missing);
        if before == content {
            self.doubtful.remove(path);
            return Verdict::Same;
        }
        let suspicious = matches!(content, Content::Missing | Content::Empty)
            && matches!(before, Content::Hash(_));
        if suspicious {
            let since = *self.doubtful.entry(path.to_owned()).or_insert(now);
            if now < since + PATIENCE {
                return Verdict::Wait(since + PATIENCE);
            }
        }
        self.note(path.to_owned(), content);
        Verdict::Changed
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some instant to count from"
)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_judged_by_content() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let one = Content::of(b"one");
        let two = Content::of(b"two");
        // Each row: what is seen, when, the verdict.
        let table: [(&str, Content, u64, Verdict); 10] = [
            ("a new file", one, 0, Verdict::Changed),
            ("touch", one, 1, Verdict::Same),
            ("an edit", two, 2, Verdict::Changed),
            (
                "emptied: a save in progress",
                Content::Empty,
                3,
                Verdict::Wait(at(103)),
            ),
            (
                "renamed away: still in progress",
                Content::Missing,
                50,
                Verdict::Wait(at(103)),
            ),
            ("written back as it was", two, 60, Verdict::Same),
            ("emptied again", Content::Empty, 70, Verdict::Wait(at(170))),
            ("it stays empty", Content::Empty, 170, Verdict::Changed),
            ("still empty", Content::Empty, 171, Verdict::Same),
            (
                "deleted: empty files have nothing to lose",
                Content::Missing,
                172,
                Verdict::Changed,
            ),
        ];
        let mut tracker = Tracker::default();
        for (what, content, ms, verdict) in table {
            assert_eq!(
                tracker.look(Path::new("a.rs"), content, at(ms)),
                verdict,
                "{what}"
            );
        }
    }

    #[test]
    fn what_lies_in_a_folder_is_found_by_its_parts() {
        let mut tracker = Tracker::default();
        for path in [
            "/w/a-b",
            "/w/a/x.rs",
            "/w/a/deep/y.rs",
            "/w/a.rs",
            "/w/b/z.rs",
        ] {
            tracker.note(PathBuf::from(path), Content::Empty);
        }
        let table = [
            ("/w/a", vec!["/w/a/deep/y.rs", "/w/a/x.rs"]),
            ("/w/a/deep", vec!["/w/a/deep/y.rs"]),
            ("/w/a.rs", vec!["/w/a.rs"]),
            ("/w/c", vec![]),
        ];
        for (folder, wanted) in table {
            let found: Vec<_> = tracker.within(Path::new(folder)).collect();
            let wanted: Vec<_> = wanted.into_iter().map(PathBuf::from).collect();
            assert_eq!(found, wanted.iter().collect::<Vec<_>>(), "{folder}");
        }
    }

    #[test]
    fn our_own_writes_are_no_edits() {
        let mut tracker = Tracker::default();
        tracker.note(PathBuf::from("cells/a.rs"), Content::of(b"generated"));
        assert_eq!(
            tracker.look(
                Path::new("cells/a.rs"),
                Content::of(b"generated"),
                Instant::now()
            ),
            Verdict::Same
        );
    }
}
