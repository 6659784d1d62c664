//! Which cells are about to get a new build, as far as that can be known before cargo has run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What cells are made of, and what has changed since they were built.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    made_of: BTreeMap<String, BTreeSet<PathBuf>>,
    changed: BTreeSet<PathBuf>,
}

impl Ahead {
    /// These files changed.
    pub(super) fn changed(&mut self, paths: &[PathBuf]) {
        self.changed.extend(paths.iter().cloned());
    }

    /// A build of all that changed until now begins: the cells that have one of these files in them.
    pub(super) fn building(&mut self) -> Vec<String> {
        let changed = std::mem::take(&mut self.changed);
        self.made_of
            .iter()
            .filter(|(_, sources)| !sources.is_disjoint(&changed))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// What the cells that could be built are made of; the others stay as they were known.
    pub(super) fn built(&mut self, made_of: &BTreeMap<String, BTreeSet<PathBuf>>) {
        self.made_of
            .extend(made_of.iter().map(|(name, of)| (name.clone(), of.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_made_of_what_changed_is_about_to_be_built() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let made = |cells: &[(&str, &[&str])]| {
            let cell = |(name, of): &(&str, &[&str])| {
                ((*name).to_owned(), files(of).into_iter().collect())
            };
            cells.iter().map(cell).collect::<BTreeMap<_, _>>()
        };
        let mut ahead = Ahead::default();
        ahead.changed(&files(&["a.rs"]));
        assert!(ahead.building().is_empty(), "nothing is known yet");
        ahead.built(&made(&[
            ("a", &["a.rs", "both.rs"]),
            ("b", &["b.rs", "both.rs"]),
        ]));
        // Each row: what changes, who is to be built.
        let table: [(&[&str], &[&str]); 4] = [
            (&["a.rs"], &["a"]),
            (&["both.rs"], &["a", "b"]),
            (&["Cargo.toml"], &[]),
            (&[], &[]),
        ];
        for (changed, wanted) in table {
            ahead.changed(&files(changed));
            assert_eq!(ahead.building(), wanted, "{changed:?}");
        }
        // `b` does not compile any more: what it was made of is what its next edit is in.
        ahead.built(&made(&[("a", &["a.rs"])]));
        ahead.changed(&files(&["both.rs"]));
        assert_eq!(ahead.building(), ["b"]);
    }
}
