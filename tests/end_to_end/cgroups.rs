//! Control groups as crun wants them, for machines that have both versions.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// Where a control group of version 2 lies beside those of version 1. Crun takes no such machine.
const HYBRID: &str = "/sys/fs/cgroup/unified";

/// Shows a command version 2 alone, in a mount namespace of its own, where this machine has both.
pub(crate) fn with_one_version(command: &mut Command) {
    let groups = "/sys/fs/cgroup";
    let show = move || {
        let none: Option<&str> = None;
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        umount2(groups, MntFlags::MNT_DETACH)?;
        mount(
            Some("cgroup2"),
            groups,
            Some("cgroup2"),
            MsFlags::empty(),
            none,
        )?;
        Ok::<(), io::Error>(())
    };
    // SAFETY: it only returns a number.
    if Path::new(HYBRID).exists() && unsafe { libc::geteuid() } == 0 {
        // SAFETY: the closure makes system calls and touches no lock and no memory of others.
        unsafe { command.pre_exec(show) };
    }
}
