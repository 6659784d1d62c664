//! `cargo xtask bench`: figures, each measured beside what it is compared with.

mod bind;
mod edits;
mod flood;
mod languages;
mod loop_probe;
mod loop_report;
mod loop_rivals;
mod scale;
mod shader;

use std::path::PathBuf;

use anyhow::Result;

use crate::shell;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Calls, streams and large messages, beside the floor under them and other libraries
    Call {
        /// `--parts calls,idle,cost,quic,streams,bulk,frames`, `--rows NAME,…`, `--cores one,two`, `--rounds N`, `--lone N`, `--crowd N`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Bindings of a service of 200 types: writing them in three languages, and what deriving them adds to `cargo check`
    Bind(bind::Args),
    /// From the last write of an edit to the first answer of the new code, beside watchexec and bacon
    Loop(edits::Args),
    /// Sixty cells in five levels: until all are ready, and what the supervisor uses at rest
    Scale(scale::Args),
    /// From the save of a shader to its cell's answer, and what broken shaders do
    Shader(shader::Args),
    /// A 64-byte call from each language's client to the same Rust service
    Languages(languages::Args),
}

/// Runs a benchmark.
pub fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Bind(args) => bind::run(args),
        What::Call { rest } => shell::run(shell::command(build()?.join("bench-call")).args(rest)),
        What::Loop(args) => edits::run(args),
        What::Languages(args) => languages::run(args),
        What::Scale(args) => scale::run(args),
        What::Shader(args) => shader::run(args),
    }
}

/// Builds the programs of `xtask/bench`, and returns their folder.
fn build() -> Result<PathBuf> {
    // A workspace of its own: what it compares with never slows the project's builds down.
    let target = shell::target_dir().join("bench");
    let mut cargo = shell::cargo();
    cargo.args(["build", "--quiet", "--release", "--workspace"]);
    cargo.args(["--manifest-path", "xtask/bench/Cargo.toml"]);
    shell::run(cargo.env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("release"))
}
