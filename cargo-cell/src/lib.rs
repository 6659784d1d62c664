//! `cargo cell`: the inner loop over a workspace of cells.
//!
//! Read in this order: [`cli`] is the command tree and [`commands`] has one file for each; [`workspace`] and [`graph`]
//! say what there is; [`build`], [`watch`] and [`supervisor`] each do one thing; [`dev`] joins them in one loop over one
//! closed enum. Every fact that a user can see is an [`event::Event`], and only [`reporter`] prints.

pub mod cli;
pub mod commands;

pub mod bind;
pub mod build;
pub mod dev;
pub mod doors;
pub mod graph;
pub mod keys;
pub mod schema_files;
pub mod shader;
pub mod stem;
pub mod supervisor;
pub mod usage;
pub mod watch;
pub mod workspace;

pub mod error;
pub mod event;
pub mod reporter;

use std::process::ExitCode;

/// Runs the tool with the arguments of this process.
pub fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // These two are processes of the supervisor, not commands: they come before anything else is set up.
    match args.get(1).and_then(|name| name.to_str()) {
        Some("__shim") => supervisor::shim::main(args[2..].to_vec()),
        Some("__guardian") => supervisor::guardian::main(args[2..].to_vec()),
        _ => cli::run(args),
    }
}
