//! A cell that prints as fast as it can blocks nobody, and fills neither memory nor disk.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::load::caller;
use crate::support::Workspace;

const FLOOD: &str = r#"    /// Prints this many mebibytes in lines of 128 bytes, and says how many once the last one is taken.
    #[cell::handler]
    async fn flood(mebibytes: u32) -> u32 {
        let print = move || {
            let mut chunk = Vec::new();
            for _ in 0..8192 {
                chunk.extend_from_slice(&[b'x'; 127]);
                chunk.push(b'\n');
            }
            let mut out = std::io::stdout().lock();
            (0..mebibytes).take_while(|_| std::io::Write::write_all(&mut out, &chunk).is_ok()).count()
        };
        tokio::task::spawn_blocking(print).await.map_or(0, |written| written as u32)
    }

    /// The state of one button."#;

/// How much it prints, and what may stay of it on disk: two files of a log, and in memory at most.
const MEBIBYTES: u32 = 100;
const LOG_BYTES_MAX: u64 = 2 * (8 << 20);
const RESIDENT_KB_MAX: u64 = 64 << 10;

/// The most memory that a process ever had.
fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[test]
fn a_cell_that_floods_its_log_blocks_nobody() {
    let workspace = Workspace::new("hello");
    workspace.edit(
        "button/src/main.rs",
        "    /// The state of one button.",
        FLOOD,
    );
    let dev = workspace.dev_with(&[]);
    let before = resident_kb(dev.child.id());
    let stop = AtomicBool::new(false);
    let (written, (answered, wrong)) = std::thread::scope(|scope| {
        // Each call of the panel is one of the flooding button as well.
        let calls = scope.spawn(|| caller(&workspace, &stop));
        let written = workspace.call(&[
            "--deadline-ms",
            "280000",
            "button_service",
            "flood",
            &MEBIBYTES.to_string(),
        ]);
        stop.store(true, Ordering::Relaxed);
        (written, calls.join().unwrap())
    });
    assert_eq!(written, Ok(json!(MEBIBYTES)));
    assert_eq!(wrong, Vec::<String>::new());
    let after = resident_kb(dev.child.id());
    println!("{answered} calls answered meanwhile; the most memory {before} kB, then {after} kB");
    assert!(answered > 0);
    assert!(
        after.saturating_sub(before) < RESIDENT_KB_MAX,
        "{before} kB, then {after} kB"
    );
    let logs = workspace.run_dir().join("log");
    let of_button = |name: &str| name.starts_with("button_service");
    let size: u64 = logs
        .read_dir()
        .unwrap()
        .flatten()
        .filter(|entry| of_button(entry.file_name().to_str().unwrap()))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(size > 0 && size <= LOG_BYTES_MAX, "{size}");
}
