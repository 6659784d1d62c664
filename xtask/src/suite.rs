//! `cargo xtask test`: every check and every test, with one closing line.
#![expect(clippy::disallowed_methods, reason = "tasks read the clock")]

use std::time::Instant;

use anyhow::{Result, bail};

use crate::follow::{From, follow};
use crate::{codegen, shell, templates, tidy, tools};

#[derive(clap::Args)]
pub struct Args {
    /// Only the checks, no tests
    #[arg(long)]
    checks: bool,
}

/// The runtime with the features that are about other people's crates.
const OPTIONAL: &[&str] = &["-p", "cell-runtime", "--features", "tower,tracing"];

/// Runs everything; goes on after a failure, so that one run shows all.
pub fn run(args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    tally.step("tools", tools::ensure);
    tally.step("fmt", || {
        shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
    });
    tally.step("tidy", tidy::run);
    tally.step("clippy", || {
        let mut clippy = shell::cargo();
        clippy.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]);
        shell::run(&mut clippy)
    });
    tally.step("clippy of features", || {
        let mut clippy = shell::cargo();
        clippy
            .arg("clippy")
            .args(OPTIONAL)
            .args(["--all-targets", "--", "-D", "warnings"]);
        shell::run(&mut clippy)
    });
    tally.step("codegen", || codegen::run(&codegen::Args { check: true }));
    if !args.checks {
        tally.step("doc", || {
            let mut doc = shell::cargo();
            doc.args(["doc", "--workspace", "--no-deps", "--quiet"])
                .env("RUSTDOCFLAGS", "-D warnings");
            shell::run(&mut doc)
        });
        tests(&mut tally, &["--workspace"]);
        // What no crate of the workspace switches on; with its own features the runtime is another build.
        for what in [
            &["--test", "layers", "--test", "traces"][..],
            &["--doc", "layer"],
        ] {
            tests(&mut tally, &[OPTIONAL, what].concat());
        }
        tally.step("templates", || {
            templates::run(&templates::Args { check: true })
        });
    }
    tally.close()
}

/// Runs cargo's tests and sums up their own closing lines.
fn tests(tally: &mut Tally, which: &[&str]) {
    eprintln!("$ cargo test --no-fail-fast {}", which.join(" "));
    let mut targets = Vec::new();
    let mut command = shell::cargo();
    command.args(["test", "--no-fail-fast"]).args(which);
    let ran = follow(&mut command, |from, line| match from {
        From::Out => {
            println!("{line}");
            tally.count(line);
        }
        From::Err => {
            eprintln!("{line}");
            targets.extend(failed_target(line).map(str::to_owned));
        }
    });
    let ended = match ran {
        Ok(ended) => ended,
        Err(error) => return tally.fail("test", format!("{error:#}")),
    };
    if !ended.success {
        // Tests that failed are counted; a crate that did not compile, or a test that took its process down, is not.
        if tally.failed_tests == 0 {
            tally.fail("test", "cargo test failed".to_owned());
        }
        tally.failed_names.extend(targets);
    }
    for left in ended.killed {
        tally.fail(&left, "it was killed".to_owned());
    }
}

/// The target of a line such as "    `-p matrix --doc`".
fn failed_target(line: &str) -> Option<&str> {
    let target = line.strip_prefix("    `")?.strip_suffix('`')?;
    target.starts_with("-p ").then_some(target)
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed_tests: usize,
    /// The failed tests by name, for the last line: the output may be cut.
    failed_names: Vec<String>,
    ignored: usize,
    failures: Vec<String>,
}

impl Tally {
    fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        eprintln!("\n==> {name}");
        let started = Instant::now();
        match work() {
            Ok(()) => {
                self.passed += 1;
                eprintln!("    {name}: good, {:.0} s", started.elapsed().as_secs_f64());
            }
            Err(error) => self.fail(name, format!("{error:#}")),
        }
    }

    fn fail(&mut self, name: &str, why: String) {
        eprintln!("    {name}: FAILED: {why}");
        self.failures.push(name.to_owned());
    }

    /// Takes over a line such as `test result: ok. 5 passed; 0 failed; 1 ignored; …` or `test name ... FAILED`.
    fn count(&mut self, line: &str) {
        let failed = line.strip_prefix("test ").and_then(|rest| {
            let (name, end) = rest.split_once(" ... ")?;
            end.ends_with("FAILED").then_some(name)
        });
        self.failed_names.extend(failed.map(str::to_owned));
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let figure = |word: &str| {
            let parts = result.split([';', '.']).map(str::trim);
            parts
                .filter_map(|part| part.strip_suffix(word)?.trim().parse::<usize>().ok())
                .next()
                .unwrap_or(0)
        };
        self.passed += figure("passed");
        self.failed_tests += figure("failed");
        self.ignored += figure("ignored");
    }

    fn close(self) -> Result<()> {
        let failed = self.failed_tests + self.failures.len();
        println!(
            "\n{} passed, {failed} failed, {} ignored",
            self.passed, self.ignored
        );
        if failed > 0 {
            let names = [self.failures, self.failed_names].concat();
            bail!("failed: {}", names.join(", "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_cargo_are_summed() {
        let mut tally = Tally::default();
        tally.count("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        tally.count("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s");
        tally.count("test other ... ok");
        tally.count("test module::this_one ... FAILED");
        assert_eq!(tally.failed_names, ["module::this_one"]);
        assert_eq!(
            failed_target("    `-p matrix --doc`"),
            Some("-p matrix --doc")
        );
        assert_eq!(failed_target("   Compiling matrix"), None);
        assert_eq!((tally.passed, tally.failed_tests, tally.ignored), (7, 3, 1));
    }
}
