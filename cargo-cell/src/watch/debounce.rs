//! Waits until saves have settled, by a clock that is passed in.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// An editor's save is several events within a millisecond or two.
pub const QUIET: Duration = Duration::from_millis(8);
/// Shaders alone settle sooner: a look at one takes a millisecond, where a build takes seconds, and the next frame waits.
pub const QUIET_SHADERS: Duration = Duration::from_millis(3);
/// A stream of events that never ends must not hold up a build.
pub const LONGEST: Duration = Duration::from_millis(100);

/// Collects paths until nothing happens for [`QUIET`], or [`LONGEST`] is over.
#[derive(Debug, Default)]
pub struct Debounce {
    paths: BTreeSet<PathBuf>,
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
        self.paths.extend(paths);
        if self.paths.len() > before || self.first.is_some() {
            self.touch(now);
        }
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
        let quiet = match !self.rescan && self.paths.iter().all(is_shader) {
            true => QUIET_SHADERS,
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
