//! `cargo cell doctor`
#![expect(clippy::disallowed_methods, reason = "a doctor looks at the machine")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::cli::Context;
use crate::error::{Error, Result};
use crate::supervisor::SupervisorConfig;
use crate::supervisor::sandbox::{Probe, probe};

/// Check that everything that cells need is here
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Good,
    Weak,
    Bad,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    grade: Grade,
    found: String,
    help: Option<String>,
}

/// Runs the command. It fails when something that cells cannot do without is missing.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let checks = [
        tool(
            "cargo",
            &std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            "install a Rust toolchain from https://rustup.rs",
        ),
        tool(
            "rustc",
            &std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()),
            "install a Rust toolchain from https://rustup.rs",
        ),
        bwrap(),
        namespaces(),
        podman(),
        inotify(),
        home(&context.home),
        socket_paths(&context.home),
    ];
    if args.json || context.reporter.is_json() {
        let text = serde_json::to_string_pretty(&checks)
            .map_err(|cause| Error::bug("cannot write JSON").because(cause))?;
        context.reporter.result(&text);
    } else {
        let rows: Vec<Vec<String>> = checks
            .iter()
            .map(|check| {
                let mark = match check.grade {
                    Grade::Good => "ok",
                    Grade::Weak => "weak",
                    Grade::Bad => "bad",
                };
                let help = check
                    .help
                    .as_ref()
                    .map(|help| format!("({help})"))
                    .unwrap_or_default();
                vec![
                    mark.to_owned(),
                    check.name.to_owned(),
                    format!("{} {help}", check.found).trim_end().to_owned(),
                ]
            })
            .collect();
        context.reporter.result(&super::aligned(&rows));
    }
    match checks.iter().find(|check| check.grade == Grade::Bad) {
        Some(check) => {
            let error = Error::environment(format!(
                "`{}` is not as it should be: {}",
                check.name, check.found
            ));
            Err(match &check.help {
                Some(help) => error.hint(help),
                None => error,
            })
        }
        None => Ok(()),
    }
}

fn good(name: &'static str, found: impl Into<String>) -> Check {
    Check {
        name,
        grade: Grade::Good,
        found: found.into(),
        help: None,
    }
}

fn lacking(
    name: &'static str,
    grade: Grade,
    found: impl Into<String>,
    help: impl Into<String>,
) -> Check {
    Check {
        name,
        grade,
        found: found.into(),
        help: Some(help.into()),
    }
}

fn version(program: &std::ffi::OsStr) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    output.status.success().then(|| {
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or("")
            .to_owned()
    })
}

fn tool(name: &'static str, program: &std::ffi::OsStr, help: &str) -> Check {
    match version(program) {
        Some(version) => good(name, version),
        None => lacking(
            name,
            Grade::Bad,
            format!("`{}` does not run", program.display()),
            help,
        ),
    }
}

fn bwrap() -> Check {
    match version("bwrap".as_ref()) {
        Some(version) => good("bwrap", version),
        None => lacking(
            "bwrap",
            Grade::Weak,
            "not installed: cells run without a sandbox",
            "install bubblewrap, for example `apt-get install bubblewrap`",
        ),
    }
}

/// Bubblewrap may be there and still not be allowed to make namespaces, for example in a container.
fn namespaces() -> Check {
    let arguments = [
        "--unshare-user",
        "--unshare-pid",
        "--ro-bind",
        "/",
        "/",
        "true",
    ];
    match Command::new("bwrap").args(arguments).output() {
        Ok(output) if output.status.success() => good("namespaces", "user and pid namespaces work"),
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            lacking(
                "namespaces",
                Grade::Weak,
                reason,
                "allow unprivileged user namespaces, or use `--sandbox none`",
            )
        }
        Err(_) => lacking(
            "namespaces",
            Grade::Weak,
            "not tried without bwrap",
            "install bubblewrap",
        ),
    }
}

/// Tried as a cell would be run: podman may be there and the kernel, its control groups or its user's ids be not as it wants.
fn podman() -> Check {
    let keeper = SupervisorConfig::own_exe();
    let tried = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| runtime.block_on(probe::podman(&keeper, None)));
    match tried {
        Ok(Probe::Works(_)) => good("podman", "makes containers with crun"),
        Ok(Probe::Nothing(why)) => lacking(
            "podman",
            Grade::Weak,
            why,
            "needed for `--sandbox podman` alone",
        ),
        Err(cause) => lacking("podman", Grade::Weak, cause.to_string(), "not tried"),
    }
}

fn inotify() -> Check {
    let limit = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    match (limit("max_user_watches"), limit("max_user_instances")) {
        (Some(watches), Some(instances)) if watches < 8192 || instances < 64 => lacking(
            "inotify",
            Grade::Weak,
            format!("{watches} watches, {instances} instances"),
            "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024",
        ),
        (Some(watches), Some(instances)) => good(
            "inotify",
            format!("{watches} watches, {instances} instances"),
        ),
        _ => lacking(
            "inotify",
            Grade::Weak,
            "limits cannot be read",
            "is /proc mounted?",
        ),
    }
}

fn home(home: &Path) -> Check {
    let shown = home.display();
    match std::fs::metadata(home) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            good("CELL_HOME", format!("{shown}, not created yet"))
        }
        Err(cause) => lacking(
            "CELL_HOME",
            Grade::Bad,
            format!("{shown}: {cause}"),
            "give another with `--home DIR`",
        ),
        Ok(metadata) if !metadata.is_dir() => lacking(
            "CELL_HOME",
            Grade::Bad,
            format!("{shown} is not a folder"),
            "give another with `--home DIR`",
        ),
        Ok(metadata) if metadata.uid() != nix::unistd::geteuid().as_raw() => lacking(
            "CELL_HOME",
            Grade::Bad,
            format!("{shown} belongs to another user"),
            "give one of your own with `--home DIR`",
        ),
        Ok(metadata) if metadata.mode() & 0o022 != 0 => lacking(
            "CELL_HOME",
            Grade::Bad,
            format!("{shown} may be written by others"),
            format!("chmod go-w {shown}"),
        ),
        Ok(_) => good("CELL_HOME", shown.to_string()),
    }
}

/// The kernel takes socket paths of at most 107 bytes: the longest here is `run/<16>/<name>.<16>.sock`.
fn socket_paths(home: &Path) -> Check {
    let length =
        home.as_os_str().len() + "/run/0123456789abcdef/".len() + ".0123456789abcdef.sock".len();
    match 107_usize.checked_sub(length) {
        Some(left) if left >= 16 => good(
            "socket paths",
            format!("names of cells may have {left} bytes"),
        ),
        left => lacking(
            "socket paths",
            Grade::Bad,
            format!(
                "CELL_HOME is so long that names of cells may have {} bytes",
                left.unwrap_or(0)
            ),
            "give a shorter one with `--home DIR`",
        ),
    }
}
