//! Bubblewrap: an allowlist of mounts, every namespace of its own, no capability, and our shim as pid 1.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Host, Policy, confinement, own_env};
use crate::supervisor::keeper::WAIT;

/// Where the sandbox holds what is not at its place on the host.
pub(super) const INSIDE: &str = "/cell";
/// Settings and switches of the kernel that are in no namespace. Where the tool runs as root a cell owns these files.
const PROC_READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// Variables of the host that a cell may see: how to speak and how much, nothing that could be a secret.
const LET_THROUGH: [&str; 7] = [
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "NO_COLOR",
];

/// The guardian, the sandbox, the shim and the cell.
pub(super) fn argv(policy: &Policy, host: &Host) -> Vec<OsString> {
    let mut args = Args(vec![policy.keeper.clone().into()]);
    args.flags(&["__guardian", "--sandbox"]);
    if let Some(group) = &policy.group {
        args.0.extend([confinement::in_group(group), "--".into()]);
    }
    args.0.push(host.program.clone().into());
    args.flags(&[
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--die-with-parent",
        "--as-pid-1",
    ]);
    if !policy.rights.network {
        args.flags(&["--unshare-net"]);
    }
    args.pair("--cap-drop", "ALL")
        .pair("--hostname", &policy.name);
    for folder in &host.folders {
        args.mount("--ro-bind", folder, folder);
    }
    for (link, target) in &host.links {
        args.mount("--symlink", target, link);
    }
    args.pair("--proc", "/proc")
        .pair("--dev", "/dev")
        .pair("--tmpfs", "/tmp");
    for path in PROC_READ_ONLY.map(Path::new) {
        args.mount("--ro-bind-try", path, path);
    }
    for path in &host.masked {
        args.mount("--ro-bind", Path::new("/dev/null"), path);
    }
    args.mount("--ro-bind", &policy.package_dir, &policy.package_dir);
    // A socket can be connected to through a read-only mount: the supervisor's must not be there at all.
    for hidden in hidden(policy) {
        args.0.extend(["--tmpfs".into(), hidden.into()]);
    }
    for path in &policy.rights.read {
        args.mount("--ro-bind", path, path);
    }
    args.mount("--bind", &policy.data_dir, &policy.data_dir);
    for path in &policy.rights.write {
        args.mount("--bind", path, path);
    }
    for device in &policy.rights.devices {
        args.mount("--dev-bind", device, device);
    }
    let binary = Path::new(INSIDE).join("bin").join(&policy.name);
    let shim = Path::new(INSIDE).join("shim");
    match (&policy.stage, binary.parent()) {
        (Some(stage), Some(folder)) => args.mount("--ro-bind", stage, folder),
        _ => args.mount("--ro-bind", &policy.binary, &binary),
    }
    args.mount("--ro-bind", &policy.keeper, &shim);
    args.mount(
        "--ro-bind",
        &policy.calls_dir,
        &Path::new(INSIDE).join("run"),
    );
    // The folders that had to be made for the mounts lie on a file system of their own: nobody writes there either.
    args.pair("--remount-ro", "/");
    args.0
        .extend(["--chdir".into(), policy.package_dir.clone().into()]);
    args.0.extend(["--".into(), shim.into(), "__shim".into()]);
    if policy.stage.is_some() {
        args.flags(&[WAIT]);
    }
    args.0
        .extend(confinement::arguments(&policy.rights.limits, true));
    args.0.push(binary.into());
    args.0
}

/// A clean environment: what the host lets through, and the cell's own.
pub(super) fn env(
    policy: &Policy,
    inherited: &[(OsString, OsString)],
) -> Vec<(OsString, OsString)> {
    let may_pass = |name: &OsString| {
        name.to_str()
            .is_some_and(|name| LET_THROUGH.contains(&name) || name.starts_with("LC_"))
    };
    let through = inherited.iter().filter(|(name, _)| may_pass(name)).cloned();
    let fixed = [
        ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
        ("HOME".into(), policy.data_dir.clone().into()),
        ("TMPDIR".into(), "/tmp".into()),
    ];
    let own = own_env(policy, Path::new(INSIDE).join("run"));
    let whole: std::collections::BTreeMap<OsString, OsString> =
        through.chain(fixed).chain(own).collect();
    whole.into_iter().collect()
}

/// What lies in the package's folder and must not be seen.
pub(super) fn hidden(policy: &Policy) -> Vec<PathBuf> {
    let candidates = [&policy.home, &policy.run_dir];
    let mut found: Vec<PathBuf> = candidates
        .into_iter()
        .filter(|path| path.starts_with(&policy.package_dir))
        .cloned()
        .collect();
    // One that lies in another is hidden with it.
    if found.len() == 2 && found[1].starts_with(&found[0]) {
        found.pop();
    }
    found
}

/// A command line that grows.
pub(super) struct Args(pub(super) Vec<OsString>);

impl Args {
    pub(super) fn flags(&mut self, flags: &[&str]) {
        self.0.extend(flags.iter().map(OsString::from));
    }

    pub(super) fn pair(&mut self, name: &str, value: &str) -> &mut Self {
        self.flags(&[name, value]);
        self
    }

    fn mount(&mut self, how: &str, from: &Path, to: &Path) {
        self.0.extend([how.into(), from.into(), to.into()]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{get, policy};
    use super::*;

    fn host() -> Host {
        Host {
            program: "/usr/bin/bwrap".into(),
            folders: vec!["/usr".into(), "/etc/ld.so.cache".into()],
            links: vec![("/lib".into(), "usr/lib".into())],
            masked: vec!["/proc/keys".into()],
            ulimits: Vec::new(),
        }
    }

    fn text(policy: &Policy) -> String {
        let argv = argv(policy, &host());
        let words: Vec<&str> = argv.iter().filter_map(|word| word.to_str()).collect();
        words.join(" ")
    }

    #[test]
    fn mounts_are_an_allowlist() {
        let text = text(&policy());
        let mounted: Vec<&str> = text
            .split(" --")
            .filter(|arg| arg.starts_with("bind") || arg.starts_with("ro-bind"))
            .collect();
        let expected = [
            "ro-bind /usr /usr",
            "ro-bind /etc/ld.so.cache /etc/ld.so.cache",
            "ro-bind-try /proc/bus /proc/bus",
            "ro-bind-try /proc/fs /proc/fs",
            "ro-bind-try /proc/irq /proc/irq",
            "ro-bind-try /proc/sys /proc/sys",
            "ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger",
            "ro-bind /dev/null /proc/keys",
            "ro-bind /w/stats /w/stats",
            "bind /h/data/1/stats /h/data/1/stats",
            "ro-bind /w/target/cells/stats.1 /cell/bin/stats",
            "ro-bind /h/run/1/keeper /cell/shim",
            "ro-bind /h/run/1/calls/stats /cell/run",
        ];
        assert_eq!(mounted, expected);
        for needed in [
            "--symlink usr/lib /lib",
            "--cap-drop ALL",
            "--unshare-net",
            "--die-with-parent",
            "--remount-ro /",
        ] {
            assert!(text.contains(needed), "{needed}: {text}");
        }
        assert!(
            text.ends_with("-- /cell/shim __shim --files=65536 --seccomp -- /cell/bin/stats"),
            "{text}"
        );
    }

    #[test]
    fn one_that_stands_ready_has_a_folder_for_its_binary_and_waits() {
        let ready = Policy {
            stage: Some("/h/run/1/stages/stats.spare1".into()),
            ..policy()
        };
        let (ready, usual) = (text(&ready), text(&policy()));
        let table = [
            (
                "--ro-bind /w/target/cells/stats.1 /cell/bin/stats",
                "--ro-bind /h/run/1/stages/stats.spare1 /cell/bin",
            ),
            ("__shim ", "__shim --wait "),
        ];
        let changed = table.iter().fold(usual, |text, (usual, ready)| {
            assert!(text.contains(usual), "{text}");
            text.replace(usual, ready)
        });
        assert_eq!(ready, changed);
    }

    #[test]
    fn the_home_is_hidden_where_the_package_holds_it() {
        let inside = Policy {
            home: "/w/stats/.cell".into(),
            run_dir: "/w/stats/.cell/run/1".into(),
            data_dir: "/w/stats/.cell/data/1".into(),
            ..policy()
        };
        let text = text(&inside);
        let hide = text.find("--tmpfs /w/stats/.cell ").expect("hidden");
        let data = text.find("--bind /w/stats/.cell/data/1").expect("bound");
        assert!(hide < data, "{text}");
        assert!(!text.contains("--tmpfs /w/stats/.cell/run"), "{text}");
    }

    #[test]
    fn devices_stay_devices() {
        let mut policy = policy();
        policy.rights.devices = vec!["/dev/dri".into()];
        let text = text(&policy);
        let fresh = text.find("--dev /dev ").expect("a /dev of its own");
        let bound = text.find("--dev-bind /dev/dri /dev/dri").expect("bound");
        assert!(fresh < bound, "{text}");
    }

    #[test]
    fn secrets_of_the_host_stay_outside() {
        let inherited = [
            ("TOKEN".into(), "secret".into()),
            ("RUST_LOG".into(), "debug".into()),
            ("LC_ALL".into(), "C".into()),
            ("HOME".into(), "/root".into()),
        ];
        let env = env(&policy(), &inherited);
        assert_eq!(get(&env, "TOKEN"), None);
        assert_eq!(
            (get(&env, "RUST_LOG"), get(&env, "LC_ALL")),
            (Some("debug"), Some("C"))
        );
        assert_eq!(
            (get(&env, "HOME"), get(&env, "CELL_RUN")),
            (Some("/h/data/1/stats"), Some("/cell/run"))
        );
    }
}
