//! What a keeper puts upon its command between fork and exec: resource limits, no new privileges, and the seccomp filter.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use seccompiler::BpfProgram;

use super::sandbox::seccomp;
use crate::workspace::limits::Limits;

/// What starts the argument that names a control group.
const GROUP: &str = "--group=";

/// Open files of a process where nothing else is said: more than a cell needs, and less than a leak can do harm with.
const FILES: u64 = 65_536;

/// A resource limit: the kernel's number for it, and the value.
pub(super) type ResourceLimit = (libc::__rlimit_resource_t, u64);

/// What is put upon a command.
#[derive(Debug, Default)]
pub(super) struct Confinement {
    /// Limits, soft and hard alike; never above what the keeper itself has.
    pub(super) limits: Vec<ResourceLimit>,
    /// Neither it nor its children gain privileges, whatever they execute.
    pub(super) no_new_privileges: bool,
    /// Filters, loaded in order.
    pub(super) filters: Vec<BpfProgram>,
    /// The control group that it starts in: its folder.
    pub(super) group: Option<OwnedFd>,
}

/// The keeper's arguments that say it; what follows them is the command.
pub(super) fn arguments(limits: &Limits, sandboxed: bool) -> Vec<OsString> {
    let values = [
        ("--files", Some(limits.files.unwrap_or(FILES))),
        ("--memory", limits.memory),
        // The kernel counts all processes of the user: in a user namespace of its own those are the cell's, and outside
        // they are everybody's.
        ("--processes", limits.processes.filter(|_| sandboxed)),
    ];
    let mut arguments: Vec<OsString> = values
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?).into()))
        .collect();
    if sandboxed {
        arguments.push("--seccomp".into());
    }
    arguments.push("--".into());
    arguments
}

/// Reads a keeper's arguments: what is put upon the command, and the command. Arguments without `--` are a command alone.
pub(super) fn read(mut arguments: Vec<OsString>) -> Result<(Confinement, Vec<OsString>), String> {
    let is_flag = |argument: &OsString| argument.to_str().is_some_and(|a| a.starts_with("--"));
    if !arguments.first().is_some_and(is_flag) {
        return Ok((Confinement::default(), arguments));
    }
    let end = arguments
        .iter()
        .position(|argument| argument == "--")
        .ok_or("no `--` before the command")?;
    let command = arguments.split_off(end + 1);
    let mut confinement = Confinement::default();
    for argument in &arguments[..end] {
        if let Some(group) = group(argument) {
            confinement.group = Some(open(&group)?);
            continue;
        }
        if !confinement.no_new_privileges {
            confinement.no_new_privileges = true;
            // A core file would be written to the data folder, with all that the cell knew.
            confinement.limits.push((libc::RLIMIT_CORE, 0));
        }
        match flag(argument) {
            Some(("--seccomp", None)) => confinement.filters = seccomp::programs()?.into(),
            Some((name, Some(value))) => {
                let resource = match name {
                    "--files" => libc::RLIMIT_NOFILE,
                    "--memory" => libc::RLIMIT_DATA,
                    "--processes" => libc::RLIMIT_NPROC,
                    _ => return Err(format!("unknown argument `{name}`")),
                };
                confinement.limits.push((resource, value));
            }
            _ => return Err(format!("unknown argument `{}`", argument.to_string_lossy())),
        }
    }
    Ok((confinement, command))
}

/// The argument that puts a command into a control group.
pub(super) fn in_group(group: &Path) -> OsString {
    let mut argument = OsString::from(GROUP);
    argument.push(group);
    argument
}

/// The control group that an argument names.
pub(super) fn group(argument: &OsStr) -> Option<PathBuf> {
    let path = argument.as_bytes().strip_prefix(GROUP.as_bytes())?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

fn open(group: &Path) -> Result<OwnedFd, String> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(group, flags, Mode::empty())
        .map_err(|error| format!("cannot open {}: {error}", group.display()))
}

fn flag(argument: &OsStr) -> Option<(&str, Option<u64>)> {
    let text = argument.to_str()?;
    match text.split_once('=') {
        Some((name, value)) => Some((name, Some(value.parse().ok()?))),
        None => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_reads_what_the_supervisor_writes() {
        let limits = Limits {
            memory: Some(1 << 30),
            ..Limits::default()
        };
        let mut written = arguments(&limits, true);
        assert_eq!(
            written,
            ["--files=65536", "--memory=1073741824", "--seccomp", "--"]
        );
        written.push("/cell/bin/x".into());
        let (confinement, command) = read(written).expect("reads");
        assert_eq!(command, ["/cell/bin/x"]);
        assert!(confinement.no_new_privileges);
        assert_eq!(confinement.filters.len(), 2);
        assert_eq!(
            confinement.limits,
            [
                (libc::RLIMIT_CORE, 0),
                (libc::RLIMIT_NOFILE, 65_536),
                (libc::RLIMIT_DATA, 1 << 30)
            ]
        );
    }

    #[test]
    fn a_plain_command_is_left_alone_and_nonsense_is_refused() {
        let (confinement, command) = read(vec!["cargo".into(), "--version".into()]).expect("reads");
        assert_eq!(command, ["cargo", "--version"]);
        assert!(!confinement.no_new_privileges && confinement.limits.is_empty());
        for wrong in [
            &["--files=x", "--", "a"][..],
            &["--flies=1", "--", "a"],
            &["--seccomp"],
        ] {
            assert!(read(wrong.iter().map(OsString::from).collect()).is_err());
        }
    }
}
