//! What a cell may see and touch: a policy becomes an argument list, purely. [`probe`] says what this machine can do.

mod bwrap;
mod none;
pub(super) mod place;
mod podman;
pub mod probe;
pub(super) mod seccomp;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::confinement;
use super::types::InForce;
use crate::workspace::rights::Rights;
pub use crate::workspace::sandbox::SandboxMode;
pub use probe::{Host, Probe};

/// What one generation of a cell is to run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The cell.
    pub name: String,
    /// Its generation.
    pub generation: u64,
    /// The executable.
    pub binary: PathBuf,
    /// A folder that will hold the executable under the cell's name: the sandbox is set up, and waits to be told. Bubblewrap only.
    pub stage: Option<PathBuf>,
    /// The executable that answers `__shim` and `__guardian`.
    pub keeper: PathBuf,
    /// Readable, and the working folder.
    pub package_dir: PathBuf,
    /// The one writable folder.
    pub data_dir: PathBuf,
    /// The folder with all sockets; for a cell without a sandbox.
    pub run_dir: PathBuf,
    /// The folder with the sockets of the cells that it calls; for a cell in a sandbox.
    pub calls_dir: PathBuf,
    /// `$CELL_HOME`: never visible in a sandbox, also where it lies in the package's folder.
    pub home: PathBuf,
    /// Environment variables from the cell's configuration.
    pub env: BTreeMap<String, String>,
    /// What it may use up and reach.
    pub rights: Rights,
    /// Whether the tool runs as root.
    pub as_root: bool,
    /// The control group that it starts in.
    pub group: Option<PathBuf>,
    /// Settings of the control group that were asked for and are not held.
    pub not_held: Vec<&'static str>,
}

/// A command line, its whole environment, and whether a sandbox is its outermost process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// What is in force.
    pub in_force: InForce,
}

/// Picks what confines a cell; an error where what was asked for does not work here. `probe` is the mode's own, and `place`
/// a folder for what podman keeps.
pub fn confine(
    mode: SandboxMode,
    policy: &Policy,
    probe: &Probe,
    place: &Path,
    inherited: &[(OsString, OsString)],
) -> Result<Confined, String> {
    let in_force = |kind: &str, weaker: Option<String>| {
        let weaker: Vec<String> = weaker
            .into_iter()
            .chain(not_limited(policy, kind == "none"))
            .collect();
        InForce {
            kind: kind.to_owned(),
            weaker: (!weaker.is_empty()).then(|| weaker.join("; ")),
        }
    };
    let open = |weaker: Option<String>| Confined {
        argv: none::argv(policy),
        env: none::env(policy, inherited),
        in_force: in_force("none", weaker),
    };
    match (mode, probe) {
        (SandboxMode::None, _) => Ok(open(None)),
        (SandboxMode::Auto | SandboxMode::Bwrap, Probe::Works(host)) => Ok(Confined {
            argv: bwrap::argv(policy, host),
            env: bwrap::env(policy, inherited),
            in_force: in_force("bwrap", None),
        }),
        (SandboxMode::Podman, Probe::Works(host)) => {
            let (argv, env) = podman::command(policy, host, place, inherited)?;
            Ok(Confined {
                argv,
                env,
                in_force: in_force("podman", None),
            })
        }
        (SandboxMode::Auto, Probe::Nothing(why)) => Ok(open(Some(why.clone()))),
        (SandboxMode::Bwrap, Probe::Nothing(why)) => Err(missing("bwrap", why)),
        (SandboxMode::Podman, Probe::Nothing(why)) => Err(missing("podman", why)),
    }
}

fn missing(sandbox: &str, why: &str) -> String {
    format!(
        "the sandbox `{sandbox}` does not work here: {why}; `cargo cell doctor` says more, `--sandbox none` runs without"
    )
}

/// Limits that were asked for and do not hold, or not wholly.
fn not_limited(policy: &Policy, open: bool) -> Vec<String> {
    let missing = |setting| policy.not_held.contains(&setting);
    let mut weaker = Vec::new();
    if missing("memory.max") {
        weaker.push(
            "`limits.memory` holds for each process, not for all together (no memory controller is delegated)",
        );
    }
    if missing("pids.max") && (open || policy.as_root) {
        weaker.push("`limits.processes` is not held (no pids controller is delegated)");
    }
    if missing("cpu.max") {
        weaker.push("`limits.cpu` is not held (no cpu controller is delegated)");
    }
    weaker.into_iter().map(str::to_owned).collect()
}

/// The variable with a cell's generation.
pub(super) const GENERATION: &str = "CELL_GENERATION";

/// What every cell finds in its environment.
fn own_env(policy: &Policy, run: PathBuf) -> Vec<(OsString, OsString)> {
    let fixed: [(&str, OsString); 5] = [
        ("CELL_FDS", "1".into()),
        ("CELL_RUN", run.into()),
        ("CELL_NAME", policy.name.clone().into()),
        (GENERATION, policy.generation.to_string().into()),
        ("CELL_DATA_DIR", policy.data_dir.clone().into()),
    ];
    let configured = policy
        .env
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    fixed
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .chain(configured)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn policy() -> Policy {
        Policy {
            name: "stats".to_owned(),
            generation: 3,
            binary: "/w/target/cells/stats.1".into(),
            stage: None,
            keeper: "/h/run/1/keeper".into(),
            package_dir: "/w/stats".into(),
            data_dir: "/h/data/1/stats".into(),
            run_dir: "/h/run/1".into(),
            calls_dir: "/h/run/1/calls/stats".into(),
            home: "/h".into(),
            env: BTreeMap::from([("COLOUR".to_owned(), "red".to_owned())]),
            rights: Rights::default(),
            as_root: false,
            group: None,
            not_held: Vec::new(),
        }
    }

    pub(super) fn get<'a>(env: &'a [(OsString, OsString)], name: &str) -> Option<&'a str> {
        env.iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.to_str())
    }

    #[test]
    fn auto_says_when_it_is_weaker_and_the_others_never_are() {
        let nothing = Probe::Nothing("there is no `bwrap`".to_owned());
        let picked =
            confine(SandboxMode::Auto, &policy(), &nothing, Path::new(""), &[]).expect("runs");
        assert_eq!(picked.in_force.kind, "none");
        assert_eq!(
            picked.in_force.weaker.as_deref(),
            Some("there is no `bwrap`")
        );
        let place = Path::new("/tmp/p");
        for asked in [SandboxMode::Bwrap, SandboxMode::Podman] {
            let error = confine(asked, &policy(), &nothing, place, &[]).expect_err("refused");
            assert!(
                error.contains("there is no `bwrap`") && error.contains("--sandbox none"),
                "{error}"
            );
        }
        let works = Probe::Works(Host::default());
        for (asked, kind) in [
            (SandboxMode::Auto, "bwrap"),
            (SandboxMode::Bwrap, "bwrap"),
            (SandboxMode::Podman, "podman"),
            (SandboxMode::None, "none"),
        ] {
            let picked = confine(asked, &policy(), &works, place, &[]).expect("runs");
            assert_eq!(
                (picked.in_force.kind.as_str(), picked.in_force.weaker),
                (kind, None)
            );
        }
    }

    #[test]
    fn a_limit_that_does_not_hold_is_said() {
        let mut policy = policy();
        policy.not_held = vec!["pids.max", "cpu.max"];
        let host = Probe::Works(Host::default());
        let weaker = |mode, policy: &Policy| {
            let picked = confine(mode, policy, &host, Path::new(""), &[]).expect("runs");
            picked.in_force.weaker.unwrap_or_default()
        };
        let open = weaker(SandboxMode::None, &policy);
        assert!(
            open.contains("limits.processes") && open.contains("limits.cpu"),
            "{open}"
        );
        // In a user namespace the kernel counts the cell's own, but for root.
        let boxed = weaker(SandboxMode::Bwrap, &policy);
        assert!(!boxed.contains("limits.processes"), "{boxed}");
        policy.as_root = true;
        let boxed = weaker(SandboxMode::Bwrap, &policy);
        assert!(boxed.contains("limits.processes"), "{boxed}");
    }
}
