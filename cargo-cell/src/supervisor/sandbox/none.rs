//! No confinement: the cell runs as the user, under a guardian.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::{Policy, confinement, own_env};

/// The guardian and the cell.
pub(super) fn argv(policy: &Policy) -> Vec<OsString> {
    let mut argv = vec![policy.keeper.clone().into(), "__guardian".into()];
    argv.extend(policy.group.as_deref().map(confinement::in_group));
    argv.extend(confinement::arguments(&policy.rights.limits, false));
    argv.push(policy.binary.clone().into());
    argv
}

/// The tool's environment with the cell's own on top.
pub(super) fn env(
    policy: &Policy,
    inherited: &[(OsString, OsString)],
) -> Vec<(OsString, OsString)> {
    let own = own_env(policy, policy.run_dir.clone());
    let whole: BTreeMap<OsString, OsString> = inherited.iter().cloned().chain(own).collect();
    whole.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{get, policy};
    use super::*;

    #[test]
    fn the_cell_runs_under_the_guardian_with_its_own_variables() {
        let argv = argv(&policy());
        assert_eq!(
            argv,
            [
                "/h/run/1/keeper",
                "__guardian",
                "--files=65536",
                "--",
                "/w/target/cells/stats.1"
            ]
        );
        let inherited = [
            ("CELL_RUN".into(), "/elsewhere".into()),
            ("A".into(), "b".into()),
        ];
        let env = env(&policy(), &inherited);
        assert_eq!(get(&env, "CELL_RUN"), Some("/h/run/1"));
        assert_eq!(
            (get(&env, "A"), get(&env, "COLOUR")),
            (Some("b"), Some("red"))
        );
    }
}
