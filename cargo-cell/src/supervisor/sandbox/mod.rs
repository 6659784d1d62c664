//! What a cell may see and touch: a policy becomes an argument list, purely. [`probe`] says what this machine can do.

mod bwrap;
mod none;
pub mod probe;
pub(super) mod seccomp;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

use super::confinement;
use super::types::InForce;
use crate::workspace::rights::Rights;
pub use probe::{Host, Probe};

/// The sandbox that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// The strongest that works here; what is in force is shown.
    #[default]
    Auto,
    /// Bubblewrap, or an error.
    Bwrap,
    /// No confinement; a guardian still kills what it leaves behind.
    None,
}

impl FromStr for SandboxMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(SandboxMode::Auto),
            "bwrap" => Ok(SandboxMode::Bwrap),
            "none" => Ok(SandboxMode::None),
            other => Err(format!(
                "unknown sandbox `{other}`: `auto`, `bwrap` and `none` are known"
            )),
        }
    }
}

/// What one generation of a cell is to run with.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The cell.
    pub name: String,
    /// Its generation.
    pub generation: u64,
    /// The executable.
    pub binary: PathBuf,
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

/// Picks what confines a cell; an error where what was asked for does not work here.
pub fn confine(
    mode: SandboxMode,
    policy: &Policy,
    probe: &Probe,
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
    match (mode, probe) {
        (SandboxMode::None, _) => Ok(Confined {
            argv: none::argv(policy),
            env: none::env(policy, inherited),
            in_force: in_force("none", None),
        }),
        (SandboxMode::Auto | SandboxMode::Bwrap, Probe::Bwrap(host)) => Ok(Confined {
            argv: bwrap::argv(policy, host),
            env: bwrap::env(policy, inherited),
            in_force: in_force("bwrap", None),
        }),
        (SandboxMode::Auto, Probe::Nothing(why)) => Ok(Confined {
            argv: none::argv(policy),
            env: none::env(policy, inherited),
            in_force: in_force("none", Some(why.clone())),
        }),
        (SandboxMode::Bwrap, Probe::Nothing(why)) => Err(format!(
            "the sandbox `bwrap` does not work here: {why}; `cargo cell doctor` says more, `--sandbox none` runs without"
        )),
    }
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

/// What every cell finds in its environment.
fn own_env(policy: &Policy, run: PathBuf) -> Vec<(OsString, OsString)> {
    let fixed: [(&str, OsString); 5] = [
        ("CELL_FDS", "1".into()),
        ("CELL_RUN", run.into()),
        ("CELL_NAME", policy.name.clone().into()),
        ("CELL_GENERATION", policy.generation.to_string().into()),
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
    fn auto_says_when_it_is_weaker_and_bwrap_never_is() {
        let nothing = Probe::Nothing("there is no `bwrap`".to_owned());
        let picked = confine(SandboxMode::Auto, &policy(), &nothing, &[]).expect("runs");
        assert_eq!(picked.in_force.kind, "none");
        assert_eq!(
            picked.in_force.weaker.as_deref(),
            Some("there is no `bwrap`")
        );
        let error = confine(SandboxMode::Bwrap, &policy(), &nothing, &[]).expect_err("refused");
        assert!(
            error.contains("there is no `bwrap`") && error.contains("--sandbox none"),
            "{error}"
        );
        let bwrap = Probe::Bwrap(Host::default());
        let picked = confine(SandboxMode::Auto, &policy(), &bwrap, &[]).expect("runs");
        assert_eq!(
            (picked.in_force.kind.as_str(), picked.in_force.weaker),
            ("bwrap", None)
        );
    }

    #[test]
    fn a_limit_that_does_not_hold_is_said() {
        let mut policy = policy();
        policy.not_held = vec!["pids.max", "cpu.max"];
        let host = Probe::Bwrap(Host::default());
        let weaker = |mode, policy: &Policy| {
            let picked = confine(mode, policy, &host, &[]).expect("runs");
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

    #[test]
    fn names_are_parsed() {
        for (text, mode) in [
            ("auto", SandboxMode::Auto),
            ("bwrap", SandboxMode::Bwrap),
            ("none", SandboxMode::None),
        ] {
            assert_eq!(text.parse(), Ok(mode));
        }
        assert!("podman?".parse::<SandboxMode>().is_err());
    }
}
