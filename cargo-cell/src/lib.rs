//! `cargo cell`: the inner loop over a workspace of cells.
//!
//! Read in this order: [`cli`] is the command tree and [`commands`] has one file for each; [`workspace`] and [`graph`]
//! say what there is; [`build`], [`watch`] and [`supervisor`] each do one thing; [`dev`] joins them in one loop over one
//! closed enum. Every fact that a user can see is an [`event::Event`], and only [`reporter`] prints.

pub mod cli;
pub mod commands;

pub mod build;
pub mod dev;
pub mod graph;
pub mod watch;
pub mod workspace;

pub mod error;
pub mod event;
pub mod reporter;

use std::process::ExitCode;

/// Runs the tool with the arguments of this process.
pub fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}
