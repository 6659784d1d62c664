//! What this machine can do: found out once, by doing it.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the sandbox"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is here for a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Bubblewrap works.
    Bwrap(Host),
    /// Nothing does, and why.
    Nothing(String),
}

/// The parts of the host that every sandbox shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The `bwrap` program.
    pub bwrap: PathBuf,
    /// Folders and files that are shown read-only at their own place.
    pub folders: Vec<PathBuf>,
    /// Symbolic links and what they point to.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Files of `/proc` that tell about the kernel or others, and are shown empty.
    pub masked: Vec<PathBuf>,
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

/// Looks for bubblewrap and runs a sandbox once.
pub fn probe() -> Probe {
    let Some(bwrap) = find("bwrap") else {
        return Probe::Nothing(
            "there is no `bwrap` (Debian, Ubuntu: `apt install bubblewrap`)".to_owned(),
        );
    };
    let host = look(bwrap);
    match try_out(&host) {
        Ok(()) => Probe::Bwrap(host),
        Err(why) => Probe::Nothing(format!("`bwrap` cannot make a sandbox here: {why}")),
    }
}

fn look(bwrap: PathBuf) -> Host {
    let mut host = Host {
        bwrap,
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

fn try_out(host: &Host) -> Result<(), String> {
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
    let output = Command::new(&host.bwrap)
        .args(flags)
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| cause.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said
        .lines()
        .last()
        .unwrap_or("it failed without a word")
        .trim()
        .to_owned())
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
