//! What this machine can do: found out once, by doing it.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the sandbox"
)]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use tokio::io::AsyncReadExt;

use super::super::process::guarded_command_with;
use super::super::types::Exit;
use super::place::Place;
use super::podman;

/// What is here for a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It works.
    Works(Host),
    /// It does not, and why.
    Nothing(String),
}

/// The parts of the host that every sandbox shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The program that makes the sandbox.
    pub program: PathBuf,
    /// Folders and files that are shown read-only at their own place.
    pub folders: Vec<PathBuf>,
    /// Symbolic links and what they point to.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Files of `/proc` that tell about the kernel or others, and are shown empty.
    pub masked: Vec<PathBuf>,
    /// Resource limits by podman's names for them.
    pub ulimits: Vec<(&'static str, u64)>,
}

/// System libraries, and the few files of `/etc` that libraries read. No users, no hosts, no keys.
const SHOWN: [&str; 19] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/fonts",
    "/etc/ssl/certs",
    "/etc/ca-certificates",
    "/etc/mime.types",
];

/// What container runtimes hide of `/proc` as well: memory, keys, timers and logs of the whole machine.
const MASKED: [&str; 7] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecount",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/timer_list",
];

/// How deep folders of devices are looked through for disks: `/dev/disk/by-id` is deep already.
const DEPTH_MAX: usize = 4;

/// A disk holds everybody's files: refuses to show one, or a folder that holds one. A device that is missing is an error too.
pub(in crate::supervisor) fn refuse_disks(devices: &[PathBuf]) -> Result<(), String> {
    for device in devices {
        let shown = device.display();
        match disk_in(device, DEPTH_MAX) {
            Ok(None) => {}
            Ok(Some(disk)) => {
                return Err(format!(
                    "`sandbox.devices` in its Cell.toml names `{shown}`, and a disk is never shown: {}",
                    disk.display()
                ));
            }
            Err(cause) => {
                return Err(format!(
                    "`sandbox.devices` in its Cell.toml names `{shown}`, which cannot be read: {cause}"
                ));
            }
        }
    }
    Ok(())
}

fn disk_in(path: &Path, depth: usize) -> std::io::Result<Option<PathBuf>> {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_block_device() {
        return Ok(Some(path.to_path_buf()));
    }
    if kind.is_dir() && depth > 0 {
        for entry in std::fs::read_dir(path)? {
            // A link that leads nowhere leads to no disk.
            if let Ok(Some(disk)) = disk_in(&entry?.path(), depth - 1) {
                return Ok(Some(disk));
            }
        }
    }
    Ok(None)
}

/// Looks for bubblewrap and runs a sandbox once, under a guardian: killed while it is set up, it leaves a process that waits
/// for ever. `keeper` is the executable that answers `__guardian`.
pub async fn bwrap(keeper: &Path) -> Probe {
    let Some(program) = find("bwrap") else {
        return Probe::Nothing(
            "there is no `bwrap` (Debian, Ubuntu: `apt install bubblewrap`)".to_owned(),
        );
    };
    let host = look(program);
    match try_out(keeper, &host.program).await {
        Ok(()) => Probe::Works(host),
        Err(why) => Probe::Nothing(format!("`bwrap` cannot make a sandbox here: {why}")),
    }
}

/// Looks for podman and crun and runs a container once, under a guardian: podman leaves processes behind. `keeper` is the
/// executable that answers `__guardian`; what is left in the run folder when the tool is killed meanwhile is found there.
pub async fn podman(keeper: &Path, run_dir: Option<&Path>) -> Probe {
    let packages = match nix::unistd::geteuid().is_root() {
        true => "podman crun",
        // Without root podman sets up its user namespace with the programs of `uidmap`.
        false => "podman crun uidmap",
    };
    for name in ["podman", "crun"] {
        if find(name).is_none() {
            return Probe::Nothing(format!(
                "there is no `{name}` (Debian, Ubuntu: `apt install {packages}`)"
            ));
        }
    }
    let mut host = look(find("podman").unwrap_or_default());
    host.ulimits = ulimits();
    match try_container(keeper, run_dir, &host).await {
        Ok(()) => Probe::Works(host),
        Err(why) => Probe::Nothing(format!("`podman` cannot make a container here: {why}")),
    }
}

async fn try_container(keeper: &Path, run_dir: Option<&Path>, host: &Host) -> Result<(), String> {
    let place = Place::make(run_dir, "trial", host)
        .map_err(|cause| format!("no folder for it: {cause}"))?;
    let tried = run_container(keeper, host, &place.path).await;
    place.remove();
    tried
}

async fn run_container(keeper: &Path, host: &Host, place: &Path) -> Result<(), String> {
    let as_root = nix::unistd::geteuid().is_root();
    let inherited: Vec<_> = std::env::vars_os().collect();
    let (argv, env) = podman::trial(host, place, as_root, &inherited)?;
    let none_of_ours = inherited.into_iter().map(|(name, _)| (name, None));
    let env: Vec<_> = none_of_ours
        .chain(env.into_iter().map(|(name, value)| (name, Some(value))))
        .collect();
    succeeds(keeper, &argv, &env, place).await
}

/// Runs a command; where it fails, its last word.
async fn succeeds(
    keeper: &Path,
    argv: &[OsString],
    env: &[(OsString, Option<OsString>)],
    folder: &Path,
) -> Result<(), String> {
    let mut child = guarded_command_with(keeper, argv, env, folder)
        .await
        .map_err(|error| error.to_string())?;
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // What it cannot say is left out of the reason.
        let _ = stderr.take(SAID_BYTES_MAX).read_to_end(&mut said).await;
    }
    match child.wait().await {
        Ok(Exit::Code(0)) => Ok(()),
        Ok(_) => Err(last_word(&said)),
        Err(error) => Err(error.to_string()),
    }
}

/// How much of a complaint is read.
const SAID_BYTES_MAX: u64 = 64 << 10;

/// The limits that this process may give: podman's own defaults are more than some machines allow. The shim lowers them.
fn ulimits() -> Vec<(&'static str, u64)> {
    let most = |resource| getrlimit(resource).map(|(_, hard)| hard).ok();
    // Podman lowers its own to as many processes as there are numbers for, and may give no more than it has.
    let pids = std::fs::read_to_string("/proc/sys/kernel/pid_max")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(32_768);
    let files = most(Resource::RLIMIT_NOFILE).map(|most| ("nofile", most));
    let processes = most(Resource::RLIMIT_NPROC).map(|most| ("nproc", pids.min(most)));
    files.into_iter().chain(processes).collect()
}

fn look(program: PathBuf) -> Host {
    let mut host = Host {
        program,
        ..Host::default()
    };
    for path in SHOWN.map(PathBuf::from) {
        // A link among the files of /etc may lead anywhere: bind what it means.
        let at_root = path.parent() == Some(Path::new("/"));
        match std::fs::read_link(&path) {
            Ok(target) if at_root => host.links.push((path, target)),
            _ if path.exists() => host.folders.push(path),
            _ => {}
        }
    }
    host.masked = MASKED
        .map(PathBuf::from)
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    host
}

async fn try_out(keeper: &Path, program: &Path) -> Result<(), String> {
    let flags = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--die-with-parent",
        "--as-pid-1",
        "--cap-drop",
        "ALL",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--",
        "true",
    ];
    let argv: Vec<OsString> = [program.as_os_str()]
        .into_iter()
        .chain(flags.map(OsStr::new))
        .map(OsStr::to_owned)
        .collect();
    succeeds(keeper, &argv, &[], Path::new("/")).await
}

fn last_word(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().last().unwrap_or("it failed without a word");
    last.trim().to_owned()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_disks_or_missing_are_refused() {
        assert_eq!(refuse_disks(&["/dev/null".into()]), Ok(()));
        let error = refuse_disks(&["/dev/no-such-device".into()]).expect_err("missing");
        assert!(error.contains("No such file"), "{error}");
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(refuse_disks(&[folder.path().to_path_buf()]), Ok(()));
    }
}
