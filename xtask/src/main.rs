//! The project's own tasks: `cargo xtask …`.

#![expect(unreachable_pub, reason = "a binary has no outside")]

mod bench;
mod codegen;
mod demo;
mod follow;
mod fuzz;
mod session;
mod shell;
mod suite;
mod templates;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};

/// The project's own tasks
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the whole path on this machine: four cells, a call, a live edit
    Demo(demo::Args),
    /// Install what is needed and run every check and every test
    Test(suite::Args),
    /// Check what the compiler cannot: arrows, paths in the guides, sizes
    Tidy,
    /// Write the generated references, or check them
    Codegen(codegen::Args),
    /// Install what the checks and the tests need
    Tools,
    /// Measure
    Bench(bench::Args),
    /// Give what peers and strangers send to fuzzers
    Fuzz(fuzz::Args),
    /// Bring the generated files of the templates up to date, or check them
    Templates(templates::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Demo(args) => demo::run(&args),
        Task::Test(args) => suite::run(&args),
        Task::Tidy => tidy::run(),
        Task::Codegen(args) => codegen::run(&args),
        Task::Tools => tools::ensure(),
        Task::Bench(args) => bench::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Templates(args) => templates::run(&args),
    }
}
