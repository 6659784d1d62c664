//! `cell-fuzz TARGET RUNS [SEED]` runs a target without coverage; `cell-fuzz seeds TARGET FOLDER` writes its seeds as files
//! for a fuzzer.
#![expect(clippy::disallowed_methods, reason = "it writes seeds to disk")]

use std::path::Path;
use std::process::ExitCode;

use cell_fuzz::{Mutator, TARGETS, seeds};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["seeds", target, folder] => write_seeds(target, Path::new(folder)),
        [target, runs] => run(target, runs, "1"),
        [target, runs, seed] => run(target, runs, seed),
        _ => Err("give TARGET RUNS [SEED], or seeds TARGET FOLDER".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(target: &str, runs: &str, seed: &str) -> Result<(), String> {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, check) = found.ok_or_else(|| {
        let names = TARGETS.map(|(name, _)| name);
        format!("no target `{target}`; there are: {}", names.join(", "))
    })?;
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
    let (runs, seed): (u64, u64) = (number(runs)?, number(seed)?);
    let mut mutator = Mutator::new(seed, seeds(target));
    for _ in 0..runs {
        let input = mutator.input();
        if std::panic::catch_unwind(|| check(&input)).is_err() {
            let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(format!("`{target}` fails on {hex}"));
        }
    }
    println!("{target}: {runs} runs");
    Ok(())
}

fn write_seeds(target: &str, folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write to `{}`: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    for (index, seed) in seeds(target).iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index:04}")), seed).map_err(failed)?;
    }
    Ok(())
}
