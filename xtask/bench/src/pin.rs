//! Cores, and the machine in words.

use std::sync::OnceLock;

use anyhow::{Result, bail};

/// The cores that this thread may use now.
pub fn current() -> Result<libc::cpu_set_t> {
    // SAFETY: an all-zero set is a valid one, and the call writes no more than its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(set)
    }
}

/// Gives this thread a set of cores.
pub fn restore(set: &libc::cpu_set_t) -> Result<()> {
    // SAFETY: the set is a valid one of this size.
    if unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}

/// The cores that this process may use.
fn cores() -> Result<Vec<usize>> {
    let set = current()?;
    // SAFETY: every index is below the size of the set.
    let usable = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    let cores: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(usable).collect();
    if cores.is_empty() {
        bail!("this process may use no core");
    }
    Ok(cores)
}

/// What is measured: a title, the client's core, and the server's.
pub fn pairs() -> Result<Vec<(&'static str, usize, usize)>> {
    // Asked once: later this thread is pinned.
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    let cores = CORES.get_or_init(|| cores().unwrap_or_default());
    let [first, .., last] = cores.as_slice() else {
        bail!("two cores are needed; this process may use {}", cores.len());
    };
    Ok(vec![
        ("one core", *first, *first),
        ("two cores", *first, *last),
    ])
}

/// The cores of two sides that have one each.
pub fn apart() -> Result<(usize, usize)> {
    let pairs = pairs()?;
    let (_, near, far) = pairs[pairs.len() - 1];
    Ok((near, far))
}

/// Pins this thread.
pub fn to_core(cpu: usize) -> Result<()> {
    // SAFETY: an all-zero set is a valid one; `cpu` comes from `cores` and is below its size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    restore(&set)
}

/// The processor, the kernel and the memory.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.split_once(':')
            .map_or("?", |(_, value)| value.trim())
            .to_owned()
    };
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "machine: {processor}, {cores} cores, {memory}, Linux {}",
        kernel.trim()
    )
}
