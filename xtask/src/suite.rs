//! `cargo xtask test`: every check and every test, with one closing line.
#![expect(
    clippy::disallowed_methods,
    reason = "tasks run commands and read the clock"
)]

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{codegen, shell, templates, tidy, tools};

#[derive(clap::Args)]
pub struct Args {
    /// Only the checks, no tests
    #[arg(long)]
    checks: bool,
}

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
    tally.step("codegen", || codegen::run(&codegen::Args { check: true }));
    if !args.checks {
        tally.step("doc", || {
            let mut doc = shell::cargo();
            doc.args(["doc", "--workspace", "--no-deps", "--quiet"])
                .env("RUSTDOCFLAGS", "-D warnings");
            shell::run(&mut doc)
        });
        tests(&mut tally);
        tally.step("templates", || {
            templates::run(&templates::Args { check: true })
        });
    }
    tally.close()
}

/// Runs cargo's tests and sums up their own closing lines.
fn tests(tally: &mut Tally) {
    let ran = (|| -> Result<bool> {
        let mut command = shell::cargo();
        command
            .args(["test", "--workspace", "--no-fail-fast"])
            .stdout(Stdio::piped());
        eprintln!("$ cargo test --workspace --no-fail-fast");
        let mut child = command.spawn().context("cannot start cargo")?;
        let out = child.stdout.take().context("cargo has no output")?;
        for line in std::io::BufRead::lines(std::io::BufReader::new(out)) {
            let line = line?;
            println!("{line}");
            tally.count(&line);
        }
        Ok(child.wait()?.success())
    })();
    match ran {
        Ok(true) => {}
        // Tests that failed are counted; a crate that did not compile is not.
        Ok(false) if tally.failed_tests > 0 => {}
        Ok(false) => tally.fail("test", "cargo test failed".to_owned()),
        Err(error) => tally.fail("test", format!("{error:#}")),
    }
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed_tests: usize,
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

    /// Takes over a line such as `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
    fn count(&mut self, line: &str) {
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
            if !self.failures.is_empty() {
                bail!("failed: {}", self.failures.join(", "));
            }
            bail!("{failed} tests failed");
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
        assert_eq!((tally.passed, tally.failed_tests, tally.ignored), (7, 3, 1));
    }
}
