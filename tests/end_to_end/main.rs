//! `cargo cell` as a user meets it: real workspaces, real cargo, real processes.
//!
//! `CELL_TEST_EDITS`, `CELL_TEST_KILLS`, `CELL_TEST_SAVES`, `CELL_TEST_SWAPS` and `CELL_TEST_TORTURE` say how many rounds
//! the torture tests take; see CONTRIBUTING.md.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "end-to-end tests write files, start processes, read the clock, and fail by panicking"
)]

mod bad_input;
mod bind;
mod bind_errors;
mod calls;
mod cgroups;
mod daemon;
mod dice;
mod drift;
mod editors;
mod escape;
mod explained;
mod failures;
mod flood;
mod gap;
mod kill;
mod kill_bomb;
mod kill_torture;
mod load;
mod overflow;
mod podman;
mod remote;
mod saves;
mod saves_torture;
mod schema;
mod shaders;
mod stem;
mod streams;
mod support;
mod swaps;
mod swaps_rust;
mod terminal;
#[path = "../bindings/tools.rs"]
mod tools;
mod tui;
mod users;

/// A file that no `mod` names would never run.
#[test]
fn no_test_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/end_to_end");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            name == "main.rs" || main.contains(&format!("\nmod {module};\n")),
            "main.rs does not name {name}"
        );
    }
}
