//! What a call costs in calls of the allocator on the client's side, and in system calls on either side. Counts, not times.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::path::Path;

use anyhow::Result;
use tokio::task::LocalSet;

use crate::calls::{self, Row};
use crate::measure::{Samples, Settings};
use crate::{pin, runtime};

/// Counts what each thread asks for.
pub struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: every call is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Counts the system calls of a thread, where the kernel lets this process.
struct Syscalls(std::fs::File);

impl Syscalls {
    fn of(thread: u32) -> Option<Syscalls> {
        const TRACEPOINT: u32 = 2;
        const CLOSE_ON_EXEC: libc::c_ulong = 8;
        let event = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
        let event: u64 = std::fs::read_to_string(event).ok()?.trim().parse().ok()?;
        // The first version of `perf_event_attr`: kind, size, number of the event; everything else is zero.
        let mut attributes = [0u64; 8];
        attributes[0] = u64::from(TRACEPOINT) | (size_of_val(&attributes) as u64) << 32;
        attributes[1] = event;
        // SAFETY: the attributes are as long as they say, and outlive the call.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                attributes.as_ptr(),
                libc::pid_t::try_from(thread).ok()?,
                -1,
                -1,
                CLOSE_ON_EXEC,
            )
        };
        let descriptor = i32::try_from(descriptor).ok().filter(|fd| *fd >= 0)?;
        // SAFETY: the kernel has just made it, and nobody else knows its number.
        Some(Syscalls(unsafe { std::fs::File::from_raw_fd(descriptor) }))
    }

    fn now(&self) -> Result<u64> {
        let mut count = [0; 8];
        (&self.0).read_exact(&mut count)?;
        Ok(u64::from_le_bytes(count))
    }
}

/// Counts at one moment: allocations here, system calls here and at the server.
fn counts(here: Option<&Syscalls>, there: Option<&Syscalls>) -> Result<[Option<u64>; 3]> {
    Ok([
        Some(ASKED.get()),
        here.map(Syscalls::now).transpose()?,
        there.map(Syscalls::now).transpose()?,
    ])
}

/// Both pinnings.
pub fn run(settings: &Settings, folder: &Path) -> Result<()> {
    println!("what a call costs, in counts: lone calls, and 64 in flight");
    for (title, client, server) in settings.pairs()? {
        pin::to_core(client)?;
        println!("{title}");
        println!(
            "{:<20} {:>14} {:>14} {:>14}   {:>14} {:>14} {:>14}",
            "",
            "allocs, client",
            "syscalls",
            "at the server",
            "64: allocs",
            "syscalls",
            "at the server"
        );
        let local = LocalSet::new();
        runtime()?.block_on(local.run_until(async {
            for kind in calls::KINDS.into_iter().filter(|kind| settings.wants(kind)) {
                if let Some(mut row) = Row::open(kind, folder, server, client != server).await? {
                    row.wake(true)?;
                    one(&row).await?;
                    row.stop()?;
                }
            }
            anyhow::Ok(())
        }))?;
        println!();
    }
    Ok(())
}

async fn one(row: &Row) -> Result<()> {
    const LONE: usize = 2000;
    const CROWD: usize = 12_800;
    let here = Syscalls::of(0);
    let there = Syscalls::of(row.server.pid());
    let mut line = format!("{:<20}", row.kind);
    for (lone, crowd) in [(LONE, 0), (0, CROWD)] {
        let mut settings = Settings::few(lone);
        settings.crowd = crowd;
        row.round(&settings, &mut Samples::new(crowd + lone))
            .await?;
        let mut samples = Samples::new(crowd + lone);
        let before = counts(here.as_ref(), there.as_ref())?;
        row.round(&settings, &mut samples).await?;
        let after = counts(here.as_ref(), there.as_ref())?;
        let calls = samples.calls(&settings);
        for (before, after) in before.into_iter().zip(after) {
            let figure = match (before, after) {
                (Some(before), Some(after)) if calls > 0 => {
                    format!("{:.3}", (after - before) as f64 / calls as f64)
                }
                _ => "-".to_owned(),
            };
            line.push_str(&format!(" {figure:>14}"));
        }
        line.push_str("  ");
    }
    println!("{}", line.trim_end());
    Ok(())
}
