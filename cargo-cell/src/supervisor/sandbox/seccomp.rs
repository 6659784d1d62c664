//! System calls that a cell in a sandbox has no use for.
//!
//! A list of what is refused, not of what is allowed: a cell may link any library, and one that a kernel update taught a
//! new call must not stop. What is refused is what reaches beyond a process (other processes' memory, mounts, namespaces,
//! the clock, modules, keys) or has been a way out of containers; Docker's default profile names most of it.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// Refused with EPERM.
const REFUSED: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    // The kernel and the machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
    // Keys are not in any namespace.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// As if the kernel did not have them: libraries then fall back to what can be checked.
const ABSENT: &[i64] = &[
    // Its flags lie in memory, where a filter cannot look; `clone` has them in a register.
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
];

/// Namespaces that `clone` could make.
const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Sockets of these kinds only: others, such as vsock, are in no namespace.
const SOCKETS: [i32; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

/// Typing into a terminal as if somebody had.
const TERMINAL_TRICKS: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// The programs to load, in order; an error where this architecture is unknown.
pub(in crate::supervisor) fn programs() -> Result<[BpfProgram; 2], String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let mut rule = |call: i64, conditions: Vec<SeccompCondition>| -> Result<(), String> {
        let rule = SeccompRule::new(conditions).map_err(|error| error.to_string())?;
        refused.entry(call).or_default().push(rule);
        Ok(())
    };
    for flag in NEW_NAMESPACES {
        let flag = flag as u32 as u64;
        rule(
            libc::SYS_clone,
            vec![argument(0, Len::Qword, Op::MaskedEq(flag), flag)?],
        )?;
    }
    let not_these = SOCKETS
        .iter()
        .map(|domain| argument(0, Len::Dword, Op::Ne, *domain as u64));
    rule(libc::SYS_socket, not_these.collect::<Result<_, _>>()?)?;
    for request in TERMINAL_TRICKS {
        rule(
            libc::SYS_ioctl,
            vec![argument(1, Len::Dword, Op::Eq, request)?],
        )?;
    }
    let absent = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
    let mut absent = compile(absent, libc::ENOSYS, arch)?;
    if arch == TargetArch::x86_64 {
        absent.splice(0..0, no_x32());
    }
    Ok([compile(refused, libc::EPERM, arch)?, absent])
}

fn argument(index: u8, len: Len, op: Op, value: u64) -> Result<SeccompCondition, String> {
    SeccompCondition::new(index, len, op, value).map_err(|error| error.to_string())
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: i32,
    arch: TargetArch,
) -> Result<BpfProgram, String> {
    let refuse = SeccompAction::Errno(errno as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)
        .and_then(TryInto::try_into)
        .map_err(|error| error.to_string())
}

/// The x32 calls are the 64-bit ones under other numbers: a list of what is refused must refuse all of them.
fn no_x32() -> [sock_filter; 3] {
    const X32: u32 = 0x4000_0000;
    const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let instruction = |code, jf, k| sock_filter { code, jt: 0, jf, k };
    [
        // The number is the first word of what a filter sees.
        instruction(LOAD_WORD, 0, 0),
        instruction(JUMP_IF_AT_LEAST, 1, X32),
        instruction(RETURN, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_fit_the_kernel() {
        for program in programs().expect("this architecture is known") {
            assert!(!program.is_empty() && program.len() < 4096);
        }
    }
}
