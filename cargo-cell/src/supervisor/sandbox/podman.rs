//! Podman with crun, as root or not: the allowlist of bubblewrap as bind mounts over an empty folder (`--rootfs`), so that no
//! image is needed, and our shim as pid 1. Everything that podman keeps lies in a folder of the generation's own
//! ([`super::place`]): neither the user's containers nor their settings are touched.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::bwrap::{self, Args, INSIDE};
use super::{Host, Policy, confinement};

/// Settings of our own in place of the user's: a mount, a hook or a secret of theirs must not reach a cell. Locks lie in
/// files, because those in shared memory are the user's as well, and a container that was killed keeps its lock for ever.
pub(super) fn settings(place: &Path) -> [(&'static str, String); 2] {
    let engine = "[engine]\nlock_type = \"file\"\nhooks_dir = []\n".to_owned();
    let [root, run] = ["root", "run"].map(|folder| place.join(folder));
    let storage = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = '{}'\nrunroot = '{}'\n",
        root.display(),
        run.display()
    );
    [(CONTAINERS, engine), (STORAGE, storage)]
}
const CONTAINERS: &str = "containers.conf";
const STORAGE: &str = "storage.conf";

/// The folder that the mounts go over.
pub(super) const ROOTFS: &str = "rootfs";
/// What podman takes for its user's home.
pub(super) const HOME: &str = "home";

/// Starts of the names of variables that podman, its helpers or the dynamic linker may obey.
const STEERS: [&str; 11] = [
    "CONTAINER",
    "DBUS_",
    "GO",
    "HOME",
    "LD_",
    "LISTEN_",
    "NOTIFY_",
    "PATH",
    "PODMAN",
    "TMPDIR",
    "XDG_",
];

/// A command line and podman's own environment.
type Command = (Vec<OsString>, Vec<(OsString, OsString)>);

/// The guardian, podman, the shim and the cell; an error where a path cannot be said to podman.
pub(super) fn command(
    policy: &Policy,
    host: &Host,
    place: &Path,
    inherited: &[(OsString, OsString)],
) -> Result<Command, String> {
    let mut args = Args(vec![policy.keeper.clone().into()]);
    args.flags(&["__guardian", "--sandbox"]);
    if let Some(group) = &policy.group {
        args.0.extend([confinement::in_group(group), "--".into()]);
    }
    contain(&mut args, host, place, policy.as_root)?;
    let network = match policy.rights.network {
        true => "host",
        false => "none",
    };
    args.pair("--network", network)
        .pair("--hostname", &policy.name)
        .pair("--preserve-fds", "3");
    let mut env = environment(place, inherited);
    for (name, value) in bwrap::env(policy, inherited) {
        args.flags(&["--env"]);
        if steers(&name) {
            args.0.push(joined([&name, OsStr::new("="), &value]));
        } else {
            // By its name alone: everybody may read a command line.
            args.0.push(name.clone());
            env.insert(name, value);
        }
    }
    mount(&mut args, &policy.package_dir, &policy.package_dir, "ro")?;
    for hidden in bwrap::hidden(policy) {
        args.0.extend(["--tmpfs".into(), hidden.into()]);
    }
    for path in &policy.rights.read {
        mount(&mut args, path, path, "ro")?;
    }
    mount(&mut args, &policy.data_dir, &policy.data_dir, "rw")?;
    for path in &policy.rights.write {
        mount(&mut args, path, path, "rw")?;
    }
    for device in &policy.rights.devices {
        let how = "type=bind,bind-propagation=rprivate,dev,nosuid";
        mounted(&mut args, how, device, device)?;
    }
    let binary = Path::new(INSIDE).join("bin").join(&policy.name);
    let shim = Path::new(INSIDE).join("shim");
    mount(&mut args, &policy.binary, &binary, "ro")?;
    mount(&mut args, &policy.keeper, &shim, "ro")?;
    let calls = Path::new(INSIDE).join("run");
    mount(&mut args, &policy.calls_dir, &calls, "ro")?;
    args.0
        .extend(["--workdir".into(), policy.package_dir.clone().into()]);
    args.0.push(place.join(ROOTFS).into());
    args.0.extend([shim.into(), "__shim".into()]);
    args.0
        .extend(confinement::arguments(&policy.rights.limits, true));
    args.0.push(binary.into());
    Ok((args.0, env.into_iter().collect()))
}

/// A container that does nothing, to see whether one can be had.
pub(super) fn trial(
    host: &Host,
    place: &Path,
    as_root: bool,
    inherited: &[(OsString, OsString)],
) -> Result<Command, String> {
    let mut args = Args(Vec::new());
    contain(&mut args, host, place, as_root)?;
    args.pair("--network", "none");
    args.0.push(place.join(ROOTFS).into());
    args.flags(&["/usr/bin/true"]);
    Ok((args.0, environment(place, inherited).into_iter().collect()))
}

/// What every container has: podman's folders, no privileges, the system's libraries.
fn contain(args: &mut Args, host: &Host, place: &Path, as_root: bool) -> Result<(), String> {
    args.0.push(host.program.clone().into());
    for (name, folder) in [
        ("--root", "root"),
        ("--runroot", "run"),
        ("--tmpdir", "tmp"),
    ] {
        args.0.extend([name.into(), place.join(folder).into()]);
    }
    args.pair("--runtime", "crun")
        .pair("--storage-driver", "vfs")
        .pair("--events-backend", "none")
        // Groups and limits are the guardian's: they hold podman's own processes too.
        .pair("--cgroup-manager", "cgroupfs")
        // Warnings would be the cell's words in its log. An error that ends podman is printed all the same.
        .pair("--log-level", "fatal");
    args.flags(&["run", "--rootfs", "--read-only", "--read-only-tmpfs=false"]);
    args.flags(&["--pull=never", "--no-hosts", "--http-proxy=false"]);
    args.flags(&["--image-volume=ignore", "--systemd=false"]);
    args.pair("--cgroups", "disabled")
        // Standard output and error go to the log without a process between.
        .pair("--log-driver", "passthrough")
        .pair("--ipc", "none")
        .pair("--cap-drop", "all")
        .pair("--security-opt", "no-new-privileges")
        // The shim loads our own filter, the same as in other sandboxes.
        .pair("--security-opt", "seccomp=unconfined")
        // Relabelling the user's files for a cell would change them.
        .pair("--security-opt", "label=disable");
    for (name, most) in &host.ulimits {
        // Podman says -1 for no limit.
        let most = i64::try_from(*most).unwrap_or(-1);
        args.pair("--ulimit", &format!("{name}={most}:{most}"));
    }
    if as_root {
        // A user namespace for root as well. Without root podman makes one of its own accord.
        args.pair("--uidmap", "0:0:1").pair("--gidmap", "0:0:1");
    }
    for path in &host.masked {
        let mask = joined([OsStr::new("mask="), path.as_os_str()]);
        args.0.extend(["--security-opt".into(), mask]);
    }
    args.pair("--tmpfs", "/tmp")
        .pair("--tmpfs", "/dev/shm")
        // The machine's devices and its groups.
        .pair("--mount", "type=tmpfs,destination=/sys,tmpfs-size=4k,ro");
    for folder in &host.folders {
        mount(args, folder, folder, "ro")?;
    }
    Ok(())
}

/// Podman's own environment.
fn environment(place: &Path, inherited: &[(OsString, OsString)]) -> BTreeMap<OsString, OsString> {
    let path = inherited.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into(), |p| {
        p.1.clone()
    });
    let home = place.join(HOME);
    let folders = [
        "HOME",
        "TMPDIR",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    ];
    let files = [
        ("CONTAINERS_CONF", place.join(CONTAINERS)),
        ("CONTAINERS_STORAGE_CONF", place.join(STORAGE)),
    ];
    folders
        .into_iter()
        .map(|name| (name, home.clone()))
        .chain(files)
        .map(|(name, path)| (name.into(), path.into()))
        .chain([("PATH".into(), path)])
        .collect()
}

fn steers(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let proxy = name.to_ascii_lowercase().ends_with(b"_proxy");
    proxy
        || STEERS
            .iter()
            .any(|start| name.starts_with(start.as_bytes()))
}

/// Binds a path. File systems that are mounted below it stay outside: `ro` holds for the uppermost alone.
fn mount(args: &mut Args, from: &Path, to: &Path, how: &str) -> Result<(), String> {
    let how = format!("type=bind,bind-propagation=rprivate,bind-nonrecursive,nodev,nosuid,{how}");
    mounted(args, &how, from, to)
}

fn mounted(args: &mut Args, how: &str, from: &Path, to: &Path) -> Result<(), String> {
    for path in [from, to] {
        let bytes = path.as_os_str().as_bytes();
        if let Some(wrong) = bytes.iter().find(|byte| b",\"\n".contains(byte)) {
            return Err(format!(
                "podman cannot mount `{}`: its path holds {:?}; use `--sandbox bwrap`",
                path.display(),
                char::from(*wrong)
            ));
        }
    }
    let whole = joined([
        OsStr::new(how),
        OsStr::new(",source="),
        from.as_os_str(),
        OsStr::new(",destination="),
        to.as_os_str(),
    ]);
    args.0.extend(["--mount".into(), whole]);
    Ok(())
}

fn joined<const N: usize>(parts: [&OsStr; N]) -> OsString {
    parts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{get, policy};
    use super::*;

    fn host() -> Host {
        Host {
            program: "/usr/bin/podman".into(),
            folders: vec!["/usr".into(), "/etc/ld.so.cache".into()],
            links: vec![("/lib".into(), "usr/lib".into())],
            masked: vec!["/proc/kmsg".into()],
            ulimits: vec![("nofile", 4096), ("nproc", u64::MAX)],
        }
    }

    fn built(policy: &Policy, inherited: &[(OsString, OsString)]) -> (String, Command) {
        let command = command(policy, &host(), Path::new("/tmp/p"), inherited).expect("built");
        let words: Vec<&str> = command.0.iter().filter_map(|word| word.to_str()).collect();
        (words.join(" "), command)
    }

    #[test]
    fn mounts_are_the_allowlist() {
        let (text, _) = built(&policy(), &[]);
        let mounted: Vec<String> = text
            .split(" --")
            .filter_map(|arg| arg.strip_prefix("mount type=bind,"))
            .map(|arg| {
                let how = if arg.contains(",ro,") { "ro" } else { "rw" };
                let (_, paths) = arg.split_once("source=").expect("a source");
                format!("{how} {}", paths.replace(",destination=", " "))
            })
            .collect();
        let expected = [
            "ro /usr /usr",
            "ro /etc/ld.so.cache /etc/ld.so.cache",
            "ro /w/stats /w/stats",
            "rw /h/data/1/stats /h/data/1/stats",
            "ro /w/target/cells/stats.1 /cell/bin/stats",
            "ro /h/run/1/keeper /cell/shim",
            "ro /h/run/1/calls/stats /cell/run",
        ];
        assert_eq!(mounted, expected);
        for needed in [
            "/h/run/1/keeper __guardian --sandbox /usr/bin/podman --root /tmp/p/root ",
            "--network none",
            "--cap-drop all",
            "no-new-privileges",
            "mask=/proc/kmsg",
            "--ulimit nofile=4096:4096 --ulimit nproc=-1:-1",
            "destination=/sys,",
        ] {
            assert!(text.contains(needed), "{needed}: {text}");
        }
        assert!(!text.contains("--uidmap"), "{text}");
        let end = "/tmp/p/rootfs /cell/shim __shim --files=65536 --seccomp -- /cell/bin/stats";
        assert!(text.ends_with(end), "{text}");
        let root = Policy {
            as_root: true,
            ..policy()
        };
        assert!(built(&root, &[]).0.contains("--uidmap 0:0:1"));
    }

    #[test]
    fn what_a_cell_is_given_does_not_steer_podman_and_stays_off_the_command_line() {
        let given = [
            ("TOKEN", "secret"),
            ("CONTAINERS_CONF", "/evil"),
            ("LD_PRELOAD", "/evil.so"),
            ("https_proxy", "evil"),
        ];
        let policy = Policy {
            env: given.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
            ..policy()
        };
        let inherited = [
            ("PATH".into(), "/bin:/mine".into()),
            ("OF_THE_USER".into(), "x".into()),
            ("RUST_LOG".into(), "debug".into()),
        ];
        let (text, (_, env)) = built(&policy, &inherited);
        assert_eq!(get(&env, "CONTAINERS_CONF"), Some("/tmp/p/containers.conf"));
        assert_eq!(get(&env, "PATH"), Some("/bin:/mine"));
        for absent in ["LD_PRELOAD", "https_proxy", "OF_THE_USER"] {
            assert_eq!(get(&env, absent), None);
        }
        assert_eq!(
            (get(&env, "TOKEN"), get(&env, "RUST_LOG")),
            (Some("secret"), Some("debug"))
        );
        for said in [
            "--env TOKEN ",
            "--env LD_PRELOAD=/evil.so",
            "--env HOME=/h/data/1/stats",
            "--env RUST_LOG ",
            "--env CELL_RUN ",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("secret") && !text.contains("OF_THE_USER"));
    }

    #[test]
    fn a_path_that_podman_would_misread_is_refused() {
        for path in ["/w/a,ro=false", "/w/a\"b", "/w/a\nb"] {
            let odd = Policy {
                package_dir: path.into(),
                ..policy()
            };
            let error = command(&odd, &host(), Path::new("/tmp/p"), &[]).expect_err("refused");
            assert!(error.contains("podman cannot mount"), "{error}");
        }
    }
}
