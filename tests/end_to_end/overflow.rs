//! Makes the kernel lose file events: its queue fills up while the thread that would empty it hardly runs.

use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// More events than the kernel keeps, then `work`, whose events it loses.
///
/// The watch's thread shares one processor with this one and yields to everybody until it is over.
pub(crate) fn while_the_queue_is_full(folder: &Path, work: impl FnOnce()) {
    let watchers = watchers();
    assert!(!watchers.is_empty(), "there is no thread of the watch");
    let own = Pid::from_raw(0);
    let all = sched_getaffinity(own).unwrap();
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|cpu| all.is_set(*cpu) == Ok(true));
    one.set(first.unwrap()).unwrap();
    for thread in watchers.iter().chain([&own]) {
        sched_setaffinity(*thread, &one).unwrap();
    }
    for thread in &watchers {
        let idle = schedule(*thread, libc::SCHED_IDLE);
        assert!(idle, "{}", std::io::Error::last_os_error());
    }
    let limit: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let (a, b) = (folder.join("storm_a"), folder.join("storm_b"));
    std::fs::write(&a, "").unwrap();
    // Each renaming is two events.
    for _ in 0..limit {
        std::fs::rename(&a, &b).unwrap();
        std::fs::rename(&b, &a).unwrap();
    }
    work();
    std::fs::remove_file(&a).unwrap();
    for thread in &watchers {
        // Who is not root may not take it back: the watch then yields for the rest of the test too.
        let _ = schedule(*thread, libc::SCHED_OTHER);
        sched_setaffinity(*thread, &all).unwrap();
    }
}

/// The threads of this process that read file events.
fn watchers() -> Vec<Pid> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let reads = |entry: &std::fs::DirEntry| {
        std::fs::read_to_string(entry.path().join("comm"))
            .is_ok_and(|name| name.starts_with("notify-rs"))
    };
    threads
        .filter(reads)
        .filter_map(|entry| Some(Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)))
        .collect()
}

fn schedule(thread: Pid, policy: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: a thread of this process, and parameters that live as long as the call.
    unsafe { libc::sched_setscheduler(thread.as_raw(), policy, &parameters) == 0 }
}
