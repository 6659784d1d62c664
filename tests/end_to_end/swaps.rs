//! Swap after swap under a thousand calls a second, from clients in three languages: none fails, none is answered twice.
//!
//! `CELL_TEST_SWAPS` says how many swaps with each kind of overlap. The cell notes each call that it begins with, on disk, so that
//! what the generations did can be added up.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::support::{Workspace, rounds, success};
use crate::swaps_rust::{Rust, long_calls};
use crate::tools;

/// What the cell serves besides its state.
const WORK: &str = r#"    /// Notes the call, takes so long, and gives the number back.
    #[cell::handler]
    async fn work(caller: u32, number: u64, ms: u32) -> u64 {
        static BEGUN: std::sync::OnceLock<std::fs::File> = std::sync::OnceLock::new();
        let file = BEGUN.get_or_init(|| {
            let folder = std::env::var_os("CELL_DATA_DIR").expect("a folder");
            let path = std::path::Path::new(&folder).join("begun");
            std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a file")
        });
        let note = (u128::from(caller) << 64 | u128::from(number)).to_le_bytes();
        std::io::Write::write_all(&mut &*file, &note).expect("noted");
        if ms > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(ms.into())).await;
        }
        number
    }

    /// The state of one button."#;

/// How the calls of a client went: how long each took, or -1.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    /// How many calls had begun each time that it was told something.
    pub(crate) marks: Vec<usize>,
    pub(crate) latencies_us: Vec<i64>,
    pub(crate) wrong: Vec<String>,
}

/// A client that does as it is told: `mark`, then `stop`.
pub(crate) trait Caller {
    fn tell(&mut self, what: &str);
    fn report(self: Box<Self>) -> Report;
}

/// A client in another language.
struct Program(Child);

impl Program {
    fn start(mut command: Command, workspace: &Workspace, folder: &Path) -> Box<dyn Caller> {
        let child = command
            .current_dir(folder)
            .env("CELL_RUN", workspace.run_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Box::new(Program(child.unwrap()))
    }
}

impl Caller for Program {
    fn tell(&mut self, what: &str) {
        let stdin = self.0.stdin.as_mut().unwrap();
        stdin.write_all(format!("{what}\n").as_bytes()).unwrap();
    }

    fn report(mut self: Box<Self>) -> Report {
        let mut text = String::new();
        let stdout = self.0.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut text).unwrap();
        assert!(self.0.wait().unwrap().success());
        serde_json::from_str(&text).unwrap()
    }
}

/// The hello workspace with a cell that counts, and the programs of both languages beside it.
fn stage() -> (Workspace, PathBuf) {
    let workspace = Workspace::new("hello");
    let source = "button/src/main.rs";
    workspace.edit(source, "    /// The state of one button.", WORK);
    workspace.edit(
        "Cargo.toml",
        "features = [\"macros\"",
        "features = [\"time\", \"macros\"",
    );
    let app = workspace.marker().join("app");
    std::fs::create_dir(&app).unwrap();
    let write = |name: &str, text: &str| std::fs::write(app.join(name), text).unwrap();
    write("go.mod", "module example.com/app\n\ngo 1.21\n");
    write("main.go", include_str!("swaps/main.go"));
    write("main.py", include_str!("swaps/main.py"));
    success(workspace.run(["build"]));
    for lang in ["go", "python"] {
        let out = [
            "bind",
            "--lang",
            lang,
            "--out",
            "../app/clients",
            "button_service",
        ];
        success(workspace.run(out));
    }
    let mut go = tools::go().command("go");
    success(
        go.args(["build", "-o", "main", "."])
            .current_dir(&app)
            .output()
            .unwrap(),
    );
    (workspace, app)
}

/// How often the cell has begun with each call.
fn begun(workspace: &Workspace) -> BTreeMap<(u32, u64), usize> {
    let mut folders = vec![workspace.home().join("data")];
    let mut begun = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "begun" {
                let bytes = std::fs::read(entry.path()).unwrap();
                for note in bytes.chunks_exact(16) {
                    let note = u128::from_le_bytes(note.try_into().unwrap());
                    *begun.entry(((note >> 64) as u32, note as u64)).or_default() += 1;
                }
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    begun
}

/// Of latencies, in milliseconds.
fn p99_ms(latencies: &mut [i64]) -> f64 {
    latencies.sort_unstable();
    let at = latencies.len().saturating_sub(1) * 99 / 100;
    latencies.get(at).map_or(0.0, |us| *us as f64 / 1000.0)
}

fn generation(workspace: &Workspace) -> u64 {
    let status = workspace.status();
    let row = status.iter().find(|row| row["name"] == "button_service");
    row.unwrap()["generation"].as_u64().unwrap()
}

fn swap_under_calls(workspace: &Workspace, app: &Path, overlap: bool) {
    let settings = format!("overlap = {overlap}\ndrain = \"400ms\"\n");
    workspace.write("button/Cell.toml", &settings);
    let _dev = workspace.dev();
    let mut python = tools::python().command("python");
    python
        .args(["main.py", "3"])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut go = Command::new(app.join("main"));
    go.arg("2");
    let mut callers: Vec<Box<dyn Caller>> = vec![
        Box::new(Rust::start(workspace, 0)),
        Box::new(Rust::start(workspace, 1)),
        Program::start(go, workspace, app),
        Program::start(python, workspace, app),
    ];
    let count = rounds("CELL_TEST_SWAPS", 20);
    let before = generation(workspace);
    let tell = |callers: &mut Vec<Box<dyn Caller>>, what: &str| {
        callers.iter_mut().for_each(|caller| caller.tell(what));
    };
    // What calls cost while nothing is swapped, once everybody has started.
    for _ in 0..2 {
        std::thread::sleep(Duration::from_secs(2));
        tell(&mut callers, "mark");
    }
    let swap = |times: usize| {
        for _ in 0..times {
            success(workspace.run(["restart", "button_service"]));
        }
    };
    swap(count / 2);
    tell(&mut callers, "mark");
    // Now with calls that take longer than the old generation may.
    let stop = AtomicBool::new(false);
    let long = std::thread::scope(|scope| {
        let long = scope.spawn(|| long_calls(workspace, 4, 1000, &stop));
        swap(count - count / 2);
        stop.store(true, Ordering::Relaxed);
        long.join().unwrap()
    });
    tell(&mut callers, "stop");
    let reports: Vec<Report> = callers.into_iter().map(Caller::report).collect();
    assert!(generation(workspace) >= before + count as u64);
    let begun = begun(workspace);
    let twice: Vec<_> = begun.iter().filter(|(_, times)| **times > 1).collect();
    assert!(
        twice.is_empty(),
        "overlap {overlap}: begun twice: {twice:?}"
    );
    let mut phases: [Vec<i64>; 4] = Default::default();
    for (caller, report) in reports.iter().enumerate() {
        let wrong = &report.wrong;
        assert!(
            wrong.is_empty(),
            "overlap {overlap}, caller {caller}: {wrong:?}"
        );
        let ends = &report.marks;
        assert_eq!(ends.len(), phases.len(), "caller {caller}");
        let mut from = 0;
        for (phase, end) in phases.iter_mut().zip(ends) {
            assert!(*end > from, "caller {caller} did not call");
            phase.extend(&report.latencies_us[from..*end]);
            from = *end;
        }
        for number in 0..report.latencies_us.len() as u64 {
            let times = begun.get(&(caller as u32, number));
            assert_eq!(times, Some(&1), "caller {caller} was answered {number}");
        }
    }
    let calls: usize = phases.iter().map(Vec::len).sum();
    let [_, quiet, swapped, cut] = phases.map(|mut phase| p99_ms(&mut phase));
    println!(
        "overlap {overlap}: {count} swaps, {calls} calls of 4 clients, 0 failed, 0 lost, 0 twice; p99 {quiet:.1} ms without swaps, \
         {swapped:.1} with, {cut:.1} with calls longer than the drain limit, of which {} ended and {} were cut",
        long.ended, long.cut
    );
}

#[test]
fn no_call_fails_and_none_is_answered_twice_however_often_the_cell_is_swapped() {
    let (workspace, app) = stage();
    for overlap in [true, false] {
        swap_under_calls(&workspace, &app, overlap);
    }
}
