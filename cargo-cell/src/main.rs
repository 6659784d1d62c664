//! The `cargo-cell` binary: everything is in the library, so that tests can call it.

fn main() -> std::process::ExitCode {
    cargo_cell::main()
}
