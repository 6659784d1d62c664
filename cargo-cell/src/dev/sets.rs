//! Who swaps together.
//!
//! A cell whose schema changed swaps in one set with the cells of the workspace that call it: once all of them have
//! built, or not at all. Everybody else swaps alone. Cells that start for the first time have no old generation to
//! protect and never hold up anybody.

use std::collections::{BTreeMap, BTreeSet};

/// A cell as the last build left it, beside what serves now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// What was built; nothing when it did not compile.
    pub built: Option<Version>,
    /// Why it did not compile.
    pub failure: Option<String>,
    /// What serves now.
    pub serving: Option<Version>,
    /// What was tried last and did not start.
    pub tried: Option<Version>,
}

/// What tells two versions of a cell apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// Of the binary and the configuration.
    pub identity: String,
    /// Of its service, or 0.
    pub fingerprint: u64,
    /// The cells that it calls.
    pub calls: BTreeSet<String>,
}

/// Cells that swap together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The cells whose new versions are to start.
    pub cells: BTreeSet<String>,
    /// A schema changes: all of them serve, or none.
    pub all_or_none: bool,
    /// What stands in the way: a cell, and why.
    pub blocker: Option<(String, String)>,
}

/// Groups the cells that have something new to serve.
#[must_use]
pub fn sets(cells: &BTreeMap<String, Candidate>) -> Vec<Set> {
    let mut group: BTreeMap<&str, &str> = cells
        .keys()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    let changed: BTreeSet<&str> = cells
        .iter()
        .filter(|(_, cell)| schema_changed(cell))
        .map(|(name, _)| name.as_str())
        .collect();
    for &authority in &changed {
        for (consumer, cell) in cells.iter().filter(|(_, cell)| calls(cell, authority)) {
            // A consumer that neither serves nor builds has nothing to be kept in step.
            if cell.serving.is_some() || cell.built.is_some() {
                join(&mut group, authority, consumer);
            }
        }
    }
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, leader) in &group {
        members.entry(leader).or_default().push(name);
    }
    members
        .values()
        .filter_map(|members| set(cells, &changed, members))
        .collect()
}

fn set(
    cells: &BTreeMap<String, Candidate>,
    changed: &BTreeSet<&str>,
    members: &[&str],
) -> Option<Set> {
    let of = |name: &str| cells.get(name).cloned().unwrap_or_default();
    let pending: BTreeSet<String> = members
        .iter()
        .filter(|name| {
            let cell = of(name);
            cell.built.is_some() && cell.built != cell.serving
        })
        .map(|name| (*name).to_owned())
        .collect();
    let untried = pending.iter().any(|name| {
        let cell = of(name);
        cell.built != cell.tried
    });
    let all_or_none = members.iter().any(|name| changed.contains(name));
    let blocker = members.iter().filter(|_| all_or_none).find_map(|name| {
        let cell = of(name);
        cell.serving.as_ref()?;
        Some(((*name).to_owned(), cell.failure?))
    });
    (!pending.is_empty() && (untried || blocker.is_some())).then_some(Set {
        cells: pending,
        all_or_none,
        blocker,
    })
}

fn schema_changed(cell: &Candidate) -> bool {
    match (&cell.built, &cell.serving) {
        (Some(built), Some(serving)) => built.fingerprint != serving.fingerprint,
        _ => false,
    }
}

fn calls(cell: &Candidate, callee: &str) -> bool {
    [&cell.built, &cell.serving]
        .into_iter()
        .flatten()
        .any(|version| version.calls.contains(callee))
}

fn join<'a>(group: &mut BTreeMap<&'a str, &'a str>, a: &str, b: &str) {
    let (Some(&keep), Some(&drop)) = (group.get(a), group.get(b)) else {
        return;
    };
    for leader in group.values_mut().filter(|leader| **leader == drop) {
        *leader = keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(identity: &str, fingerprint: u64, calls: &[&str]) -> Option<Version> {
        let calls = calls.iter().map(|name| (*name).to_owned()).collect();
        Some(Version {
            identity: identity.to_owned(),
            fingerprint,
            calls,
        })
    }

    fn cells(list: &[(&str, Candidate)]) -> BTreeMap<String, Candidate> {
        list.iter()
            .map(|(name, cell)| ((*name).to_owned(), cell.clone()))
            .collect()
    }

    fn serving(serving: Option<Version>, built: Option<Version>) -> Candidate {
        Candidate {
            serving,
            built,
            ..Candidate::default()
        }
    }

    fn broken(serving: Option<Version>) -> Candidate {
        Candidate {
            serving,
            failure: Some("mismatched types".to_owned()),
            ..Candidate::default()
        }
    }

    fn names(set: &Set) -> Vec<&str> {
        set.cells.iter().map(String::as_str).collect()
    }

    #[test]
    fn at_the_start_everybody_starts() {
        let all = cells(&[
            ("a", serving(None, version("1", 1, &[]))),
            ("b", serving(None, version("1", 0, &["a"]))),
        ]);
        let sets = sets(&all);
        assert_eq!(sets.iter().map(names).collect::<Vec<_>>(), [["a"], ["b"]]);
        assert!(
            sets.iter()
                .all(|set| !set.all_or_none && set.blocker.is_none())
        );
    }

    #[test]
    fn a_body_edit_swaps_one_cell() {
        let all = cells(&[
            ("a", serving(version("1", 1, &[]), version("2", 1, &[]))),
            (
                "b",
                serving(version("1", 0, &["a"]), version("1", 0, &["a"])),
            ),
        ]);
        assert_eq!(sets(&all).iter().map(names).collect::<Vec<_>>(), [["a"]]);
    }

    #[test]
    fn a_schema_change_takes_its_consumers_along() {
        let all = cells(&[
            ("a", serving(version("1", 1, &[]), version("2", 2, &[]))),
            (
                "b",
                serving(version("1", 0, &["a"]), version("2", 0, &["a"])),
            ),
            ("c", serving(version("1", 0, &[]), version("2", 0, &[]))),
        ]);
        let sets = sets(&all);
        assert_eq!(
            sets.iter().map(names).collect::<Vec<_>>(),
            [vec!["a", "b"], vec!["c"]]
        );
        assert_eq!(
            sets.iter().map(|set| set.all_or_none).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn a_broken_consumer_holds_its_set_and_nobody_else() {
        let all = cells(&[
            ("a", serving(version("1", 1, &[]), version("2", 2, &[]))),
            ("b", broken(version("1", 0, &["a"]))),
            ("c", serving(version("1", 0, &[]), version("2", 0, &[]))),
        ]);
        let sets = sets(&all);
        assert_eq!(
            sets[0].blocker,
            Some(("b".to_owned(), "mismatched types".to_owned()))
        );
        assert_eq!((names(&sets[1]), &sets[1].blocker), (vec!["c"], &None));
    }

    #[test]
    fn a_consumer_that_never_served_holds_nobody() {
        let all = cells(&[
            ("a", serving(version("1", 1, &[]), version("2", 2, &[]))),
            ("b", broken(None)),
        ]);
        assert_eq!(
            sets(&all),
            [Set {
                cells: ["a".to_owned()].into(),
                all_or_none: true,
                blocker: None
            }]
        );
    }

    #[test]
    fn what_did_not_start_is_not_tried_again_until_it_changes() {
        let mut crashing = serving(version("1", 1, &[]), version("2", 1, &[]));
        crashing.tried = version("2", 1, &[]);
        assert!(sets(&cells(&[("a", crashing.clone())])).is_empty());
        crashing.built = version("3", 1, &[]);
        assert_eq!(sets(&cells(&[("a", crashing)])).len(), 1);
    }

    #[test]
    fn going_back_to_what_serves_is_no_swap() {
        let mut cell = serving(version("1", 1, &[]), version("1", 1, &[]));
        cell.tried = version("2", 1, &[]);
        assert!(sets(&cells(&[("a", cell)])).is_empty());
    }
}
