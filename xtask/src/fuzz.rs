//! `cargo xtask fuzz`: the targets of `fuzz/`, guided by coverage, under AddressSanitizer.

use anyhow::{Result, bail};

use crate::shell;

#[derive(clap::Args)]
pub struct Args {
    /// Targets; all where none is named
    targets: Vec<String>,
    /// Executions of each target
    #[arg(long, default_value_t = 1_000_000)]
    runs: u64,
    /// Without coverage and sanitizer, with any compiler: the same inputs in every run
    #[arg(long)]
    plain: bool,
}

const TARGETS: [&str; 9] = [
    "frames",
    "handshake",
    "server",
    "client",
    "pair",
    "ring",
    "archives",
    "snapshots",
    "records",
];

/// Runs the targets one after the other; the first that fails ends it, with the input that does it.
pub fn run(args: &Args) -> Result<()> {
    for target in targets(&args.targets)? {
        if args.plain {
            let runs = args.runs.to_string();
            shell::run(&mut seeded(&[target, &runs]))?;
        } else {
            guided(target, args.runs)?;
        }
    }
    Ok(())
}

fn targets(named: &[String]) -> Result<Vec<&str>> {
    if let Some(unknown) = named.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        bail!("no target `{unknown}`; there are: {}", TARGETS.join(", "));
    }
    Ok(if named.is_empty() {
        TARGETS.to_vec()
    } else {
        named.iter().map(String::as_str).collect()
    })
}

fn seeded(words: &[&str]) -> std::process::Command {
    let mut command = shell::cargo();
    command.args(["run", "--quiet", "--package", "cell-fuzz"]);
    command.args(["--bin", "cell-fuzz", "--"]).args(words);
    command
}

fn guided(target: &str, runs: u64) -> Result<()> {
    // Through rustup: the cargo that runs this task is of the pinned toolchain.
    let fuzz = || {
        let mut command = shell::command("rustup");
        command.args(["run", "nightly", "cargo", "fuzz"]);
        command
    };
    if shell::output(fuzz().arg("--version")).is_err() {
        bail!(
            "cargo-fuzz or the nightly toolchain is missing; run `rustup toolchain install nightly && cargo install cargo-fuzz`, or give `--plain`"
        );
    }
    // What it finds stays there, so that the next run begins where this one ended.
    let corpus = shell::target_dir().join("fuzz").join(target);
    let corpus = corpus.display().to_string();
    shell::run(&mut seeded(&["seeds", target, &corpus]))?;
    let limits = ["-rss_limit_mb=1024", "-timeout=10", "-max_len=16384"];
    let runs = format!("-runs={runs}");
    shell::run(
        fuzz()
            .args(["run", "--features", "libfuzzer", target, &corpus, "--"])
            .args(limits)
            .args([&runs, "-seed=1", "-print_final_stats=1"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_the_crate_and_unknown_ones_are_named() {
        let folder = shell::root().join("fuzz/fuzz_targets");
        for target in TARGETS {
            assert!(folder.join(format!("{target}.rs")).exists(), "{target}");
        }
        assert_eq!(targets(&[]).unwrap(), TARGETS);
        assert_eq!(targets(&["pair".to_owned()]).unwrap(), ["pair"]);
        let error = targets(&["ring buffer".to_owned()]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no target `ring buffer`; there are: frames")
        );
    }
}
