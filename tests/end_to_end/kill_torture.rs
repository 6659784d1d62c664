//! Anybody is killed at any step, and whoever started it is told to stop in every impolite way: nothing is left, and nobody else
//! is touched.
//!
//! `CELL_TEST_TORTURE` says how many rounds. What happens in which round is the same in every run; how it falls in time is not.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::dice::Dice;
use crate::support::{Dev, Workspace, eventually, rounds, success};
use crate::terminal;

/// Where the tool is when it happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Start,
    Serving,
    Build,
    Swap,
    Stop,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    /// The tool is killed.
    Tool,
    /// Somebody that it started is killed, and then the tool.
    AnyoneAndTool,
    /// The guardian of its session is killed, and then the tool: nobody is left to clear up but `cargo cell clean`.
    GuardianAndTool,
    /// Somebody that it started is killed, and then it is told to stop.
    AnyoneAndStop,
    /// Ctrl-C, and again.
    CtrlCTwice,
    /// Its terminal is closed.
    Terminal,
}

const STEPS: [Step; 12] = [
    Step::Start,
    Step::Serving,
    Step::Swap,
    Step::Start,
    Step::Stop,
    Step::Swap,
    Step::Start,
    Step::Build,
    Step::Swap,
    Step::Stop,
    Step::Start,
    Step::Stop,
];

const DEEDS: [Deed; 6] = [
    Deed::Tool,
    Deed::AnyoneAndTool,
    Deed::GuardianAndTool,
    Deed::AnyoneAndStop,
    Deed::CtrlCTwice,
    Deed::Terminal,
];

/// For how long its strays sleep: nobody else's sleep so long.
fn nap() -> String {
    format!("987653.{}", std::process::id())
}

/// A cell that does all that a cell should not: it and what it starts ignore TERM, and these leave its session, twice over.
const WILD: &str = r#"    // SAFETY: no handler is installed; the signal is only ignored.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    for _ in 0..6 {
        std::process::Command::new("setsid").args(["-f", "setsid", "-f", "sleep", "NAP"]).spawn()?;
    }
    cell::serve_local"#;

/// A process that has nothing to do with any of it, and a lease that names its pid, as the lease of a process that had the
/// same pid before.
struct Innocent(Child);

impl Innocent {
    fn new() -> Self {
        Innocent(Command::new("sleep").arg("100000").spawn().unwrap())
    }

    fn plant(&self, workspace: &Workspace) {
        let pid = self.0.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let started: u64 = fields.split_whitespace().nth(19).unwrap().parse().unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let lease = json!({ "boot": boot.trim(), "pid": pid, "started": started - 1, "what": "an older one" });
        let folder = workspace.run_dir().join("leases");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("reused.json"), lease.to_string()).unwrap();
    }

    fn must_live(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it was killed");
    }
}

impl Drop for Innocent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One round: a tool on a terminal of its own, and whoever asked it for something.
struct Round<'a> {
    workspace: &'a Workspace,
    dev: Dev<'a>,
    terminal: Option<File>,
    asker: Option<Child>,
    /// The guardian of its session was killed.
    unguarded: bool,
}

fn pause(dice: &mut Dice, below_ms: u64) {
    // A moment by chance, not one that stands in for an event.
    std::thread::sleep(Duration::from_millis(dice.below(below_ms)));
}

impl Round<'_> {
    fn reach(&mut self, step: Step, good: &str, number: usize, dice: &mut Dice) {
        if step == Step::Start {
            return pause(dice, 600);
        }
        self.dev
            .wait("every cell to serve", |event| event["reason"] == "timings");
        match step {
            Step::Start | Step::Serving => {
                eventually("the strays to be there", || match strays().len() {
                    0 => Err("none".to_owned()),
                    _ => Ok(()),
                });
            }
            Step::Build => {
                let text = good.replace("0.42", &format!("0.{}", number + 100));
                self.workspace.write("button/src/main.rs", &text);
                self.dev
                    .wait("the build", |event| event["reason"] == "build-started");
                pause(dice, 2500);
            }
            Step::Swap => {
                let mut restart = self.workspace.command(["restart"]);
                restart.stdout(Stdio::null()).stderr(Stdio::null());
                self.asker = Some(restart.spawn().unwrap());
                pause(dice, 500);
            }
            Step::Stop => {
                self.dev.signal(libc::SIGTERM);
                pause(dice, 250);
            }
        }
    }

    /// Kills one of those that the tool started; it may have ended meanwhile.
    fn kill_one(&mut self, dice: &mut Dice, wanted: impl Fn(&str) -> bool) -> bool {
        let tool = format!("{}:", self.dev.child.id());
        let all = self.workspace.processes();
        let others: Vec<&String> = all
            .iter()
            .filter(|line| !line.starts_with(&tool) && wanted(line))
            .collect();
        if others.is_empty() {
            return false;
        }
        let victim = others[dice.index(others.len())];
        let pid: i32 = victim.split(':').next().unwrap().parse().unwrap();
        // SAFETY: takes numbers; a moment ago the pid was that of a process of this workspace, which this test started.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        self.unguarded = victim.contains("--session");
        true
    }

    /// Kills anyone: of a build first of all a compiler, or cargo.
    fn kill_anyone(&mut self, step: Step, dice: &mut Dice) {
        let compiles = |line: &str| {
            let mut words = line.split(' ').skip(1);
            let program = words.next().unwrap_or_default();
            program.ends_with("rustc") || program.ends_with("cargo")
        };
        let _ =
            (step == Step::Build && self.kill_one(dice, compiles)) || self.kill_one(dice, |_| true);
    }

    fn commit(&mut self, step: Step, deed: Deed, dice: &mut Dice) {
        match deed {
            Deed::Tool => self.dev.signal(libc::SIGKILL),
            Deed::AnyoneAndTool => {
                self.kill_anyone(step, dice);
                pause(dice, 60);
                self.dev.signal(libc::SIGKILL);
            }
            Deed::GuardianAndTool => {
                self.kill_one(dice, |line| line.contains("--session"));
                self.dev.signal(libc::SIGKILL);
            }
            Deed::AnyoneAndStop => {
                self.kill_anyone(step, dice);
                pause(dice, 60);
                self.dev.signal(libc::SIGTERM);
            }
            Deed::CtrlCTwice => {
                self.dev.signal(libc::SIGINT);
                pause(dice, 150);
                self.dev.signal(libc::SIGINT);
            }
            Deed::Terminal => drop(self.terminal.take()),
        }
    }
}

/// What the wild cell has started, wherever it went.
fn strays() -> Vec<String> {
    let end = format!("sleep\0{}\0", nap());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_stray = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.ends_with(end.as_bytes()))
    };
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
    entries.filter(is_stray).filter_map(name).collect()
}

/// What a session has left.
fn left(workspace: &Workspace, groups: &[PathBuf]) -> Vec<String> {
    let mut left = workspace.processes();
    left.extend(strays());
    let of_files = |paths: Vec<PathBuf>| paths.into_iter().map(|path| path.display().to_string());
    left.extend(of_files(workspace.sockets()));
    for folder in ["leases", "calls"] {
        let entries = std::fs::read_dir(workspace.run_dir().join(folder));
        let entries = entries.into_iter().flatten().flatten();
        left.extend(of_files(entries.map(|entry| entry.path()).collect()));
    }
    let note = workspace.run_dir().join("cgroup");
    let there = groups.iter().chain([&note]).filter(|path| path.exists());
    left.extend(of_files(there.cloned().collect()));
    left
}

#[test]
fn whatever_happens_at_whatever_step_nothing_is_left_and_nobody_else_is_touched() {
    let workspace = wild();
    success(workspace.run(["build"]));
    let good = workspace.read("button/src/main.rs");
    let mut innocent = Innocent::new();
    let mut dice = Dice::new(0x94d0_49bb_1331_11eb);
    let mut took = Vec::new();
    let total = rounds("CELL_TEST_TORTURE", 100);
    for number in 0..total {
        let step = STEPS[number % STEPS.len()];
        // Each deed meets each step.
        let deed = DEEDS[(number + number / STEPS.len()) % DEEDS.len()];
        let sandbox = ["auto", "none"][dice.index(2)];
        let what = format!("round {number} ({step:?}, {deed:?}, sandbox {sandbox})");
        innocent.plant(&workspace);
        let (child, side) = terminal::pair();
        let mut round = Round {
            workspace: &workspace,
            dev: workspace.dev_with_command(|dev| {
                terminal::take(dev.args(["--sandbox", sandbox]), side);
            }),
            terminal: Some(child),
            asker: None,
            unguarded: false,
        };
        round.reach(step, &good, number, &mut dice);
        let group = std::fs::read_to_string(workspace.run_dir().join("cgroup"));
        let groups: Vec<PathBuf> = group.map(PathBuf::from).into_iter().collect();
        round.commit(step, deed, &mut dice);
        let ended = round.dev.child.wait().unwrap();
        let since = Instant::now();
        if let Some(mut asker) = round.asker.take() {
            asker.wait().unwrap();
        }
        // Where the tool is killed too before it has another one, nobody is left to clear up.
        if round.unguarded && ended.signal().is_some() {
            eventually(&format!("every process of {what} to end"), || {
                match [workspace.processes(), strays()].concat() {
                    left if left.is_empty() => Ok(()),
                    left => Err(format!("{left:?}")),
                }
            });
            success(workspace.run(["clean"]));
        }
        // A tool that was killed before it took its folder has not looked at what was there before.
        let early = step == Step::Start && workspace.run_dir().join("leases/reused.json").exists();
        if early {
            success(workspace.run(["clean"]));
        }
        eventually(
            &format!("nothing to be left of {what}, {ended}"),
            || match left(&workspace, &groups) {
                left if left.is_empty() => Ok(()),
                left => Err(format!("{left:?}")),
            },
        );
        took.push(since.elapsed());
        innocent.must_live();
        workspace.write("button/src/main.rs", &good);
    }
    took.sort();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "{total} rounds, from the tool's end until nothing was left: median {:?}, p99 {:?}, most {:?}",
        at(50),
        at(99),
        at(100)
    );
}

/// The hello workspace with a wild cell in it.
fn wild() -> Workspace {
    let workspace = Workspace::new("hello");
    let wild = WILD.replace("NAP", &nap());
    workspace.edit("button/src/main.rs", "    cell::serve_local", &wild);
    workspace.edit(
        "button/Cargo.toml",
        "[dependencies]\n",
        "[dependencies]\nlibc = \"0.2\"\n",
    );
    workspace.write("button/Cell.toml", "drain = \"300ms\"\n");
    workspace
}
