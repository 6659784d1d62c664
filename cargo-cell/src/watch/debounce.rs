//! Waits until saves have settled, by a clock that is passed in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An editor's save is several events within a millisecond or two, and who writes several files has more to come.
pub const QUIET: Duration = Duration::from_millis(8);
/// A single file that was closed after writing, or moved to its place, is whole: what is waited for is only whether its save
/// is one of several. Shaders settle as soon too: a look at one takes a millisecond, where a build takes seconds, and the next
/// frame waits.
pub const QUIET_WHOLE: Duration = Duration::from_millis(3);
/// A stream of events that never ends must not hold up a build.
pub const LONGEST: Duration = Duration::from_millis(100);

/// Collects paths until nothing happens for [`QUIET`] or [`QUIET_WHOLE`], or [`LONGEST`] is over.
#[derive(Debug, Default)]
pub struct Debounce {
    paths: BTreeSet<PathBuf>,
    /// Those of them that somebody may still be writing.
    open: BTreeSet<PathBuf>,
    rescan: bool,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Half-written files are looked at again no later than this.
    again: Option<(Instant, BTreeSet<PathBuf>)>,
}

/// What has settled.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    /// The files that something happened to.
    pub paths: BTreeSet<PathBuf>,
    /// Events were lost: everything is to be looked at.
    pub rescan: bool,
    /// When the first of it was seen.
    pub first_seen: Instant,
}

impl Debounce {
    /// Something happened to these files.
    pub fn push(&mut self, paths: impl IntoIterator<Item = PathBuf>, now: Instant) {
        let before = self.paths.len();
        for path in paths {
            self.open.insert(path.clone());
            self.paths.insert(path);
        }
        if self.paths.len() > before || self.first.is_some() {
            self.touch(now);
        }
    }

    /// What happened to this file last was the end of its save.
    pub fn whole(&mut self, path: &Path) {
        self.open.remove(path);
    }

    /// Nothing is to be waited for at this path: it came and went, as the temporary files of a save do.
    pub fn passed(&mut self, path: &Path) {
        self.open.remove(path);
        self.paths.remove(path);
    }

    /// Events were lost.
    pub fn rescan(&mut self, now: Instant) {
        self.rescan = true;
        self.touch(now);
    }

    /// These files look half-written: look again at `at`, unless something happens to them before.
    pub fn look_again(&mut self, paths: impl IntoIterator<Item = PathBuf>, at: Instant) {
        let (when, waiting) = self.again.get_or_insert_with(|| (at, BTreeSet::new()));
        *when = (*when).min(at);
        waiting.extend(paths);
    }

    /// When [`Debounce::take`] has something to give.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let is_shader = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "wgsl");
        let one_save = self.open.is_empty() && self.paths.len() == 1;
        let soon = one_save || self.paths.iter().all(is_shader);
        let quiet = match soon && !self.rescan {
            true => QUIET_WHOLE,
            false => QUIET,
        };
        let settled = self
            .first
            .zip(self.last)
            .map(|(first, last)| (last + quiet).min(first + LONGEST));
        let again = self.again.as_ref().map(|(at, _)| *at);
        match (settled, again) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes what has settled.
    pub fn take(&mut self, now: Instant) -> Option<Settled> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        let first_seen = self.first.or(self.again.as_ref().map(|(at, _)| *at))?;
        let mut paths = std::mem::take(&mut self.paths);
        if let Some((_, waiting)) = self.again.take() {
            paths.extend(waiting);
        }
        self.open.clear();
        self.first = None;
        self.last = None;
        Some(Settled {
            paths,
            rescan: std::mem::take(&mut self.rescan),
            first_seen,
        })
    }

    fn touch(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some instant to count from"
)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_save_of_several_events_settles_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut debounce = Debounce::default();
        assert_eq!(debounce.due(), None);
        debounce.push(paths(&["a"]), at(0));
        debounce.push(paths(&["a"]), at(5));
        assert_eq!(debounce.take(at(8)), None);
        let settled = debounce.take(at(13)).expect("it is quiet");
        assert_eq!(settled.paths, paths(&["a"]).into_iter().collect());
        assert_eq!(settled.first_seen, at(0));
        assert_eq!(debounce.due(), None);
        assert_eq!(debounce.take(at(500)), None);
    }

    #[test]
    fn shaders_alone_settle_sooner() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut debounce = Debounce::default();
        debounce.push(paths(&["a.wgsl"]), at(0));
        assert_eq!(debounce.take(at(2)), None);
        assert!(debounce.take(at(3)).is_some());
        debounce.push(paths(&["a.wgsl", "a.rs"]), at(10));
        assert_eq!(debounce.take(at(13)), None);
        assert!(debounce.take(at(18)).is_some());
    }

    #[test]
    fn one_whole_file_settles_sooner_than_what_may_go_on() {
        enum Event {
            Touched(&'static str),
            Whole(&'static str),
            Passed(&'static str),
            Lost,
        }
        use Event::{Lost, Passed, Touched, Whole};
        // Each row: what happens, all at once; after how many milliseconds it has settled.
        let table: [(&str, &[Event], u64); 7] = [
            ("written and closed", &[Touched("a"), Whole("a")], 3),
            ("still being written", &[Touched("a")], 8),
            (
                "written again after it was closed",
                &[Touched("a"), Whole("a"), Touched("a")],
                8,
            ),
            (
                "one of several",
                &[Touched("a"), Whole("a"), Touched("b"), Whole("b")],
                8,
            ),
            (
                "a temporary file, renamed",
                &[Touched("tmp"), Touched("a"), Whole("a"), Passed("tmp")],
                3,
            ),
            ("events were lost", &[Touched("a"), Whole("a"), Lost], 8),
            ("nothing that stays", &[Touched("tmp"), Passed("tmp")], 3),
        ];
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for (what, events, settled) in table {
            let mut debounce = Debounce::default();
            for event in events {
                match event {
                    Touched(path) => debounce.push(paths(&[path]), at(0)),
                    Whole(path) => debounce.whole(Path::new(path)),
                    Passed(path) => debounce.passed(Path::new(path)),
                    Lost => debounce.rescan(at(0)),
                }
            }
            assert_eq!(debounce.due(), Some(at(settled)), "{what}");
        }
    }

    #[test]
    fn an_endless_stream_is_cut() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut debounce = Debounce::default();
        for ms in 0..100 {
            debounce.push(paths(&["a"]), at(ms));
            assert_eq!(debounce.take(at(ms)), None);
        }
        assert!(debounce.take(at(100)).is_some());
    }

    #[test]
    fn a_lost_event_and_a_second_look_come_due() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut debounce = Debounce::default();
        debounce.rescan(at(0));
        assert!(debounce.take(at(8)).expect("due").rescan);
        debounce.look_again(paths(&["half"]), at(60));
        assert_eq!(debounce.take(at(59)), None);
        assert_eq!(
            debounce.take(at(60)).expect("due").paths,
            paths(&["half"]).into_iter().collect()
        );
    }
}
