//! Pid 1 in a cell's sandbox: starts the cell, reaps what it leaves, passes signals on, and ends when the tool does. With
//! its end the kernel kills everything in the PID namespace.

use std::ffi::OsString;
use std::process::ExitCode;

use super::keeper::{self, End};

/// `cargo-cell __shim [LIMIT… --] COMMAND…`; `args` are those after `__shim`. Descriptors 3 and 4 go to the command.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let mut kept = match keeper::start(args, keeper::LIFELINE, &[3, 4]) {
        Ok(kept) => kept,
        Err(code) => return code,
    };
    if let End::Exited(status) = kept.keep() {
        kept.report(status);
    }
    ExitCode::SUCCESS
}
