//! Pid 1 in a cell's sandbox.

use std::ffi::OsString;
use std::process::ExitCode;

/// `cargo-cell __shim …`; `args` are those after `__shim`.
pub fn main(_args: Vec<OsString>) -> ExitCode {
    ExitCode::from(101)
}
