//! Shared memory between cells, each in a sandbox of its own.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Workspace, eventually};

const PANEL: &str = r#"
    /// One line of text about a button."#;

const CALLER: &str = r#"
    #[cell::handler]
    async fn often(times: u32) -> u32 {
        let mut pressed = 0;
        for _ in 0..times {
            let state = button_service::get_state("ok".into()).await;
            pressed += u32::from(state.is_ok_and(|state| state.pressed));
        }
        pressed
    }

    /// One line of text about a button."#;

/// The processes that have a segment, by their mount namespaces.
fn sharing(workspace: &Workspace) -> Vec<std::path::PathBuf> {
    let processes = workspace.processes();
    let pids = processes.iter().filter_map(|line| line.split(':').next());
    pids.filter(|pid| {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
        maps.is_ok_and(|maps| maps.contains("memfd:cell-gap"))
    })
    .filter_map(|pid| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok())
    .collect()
}

#[test]
fn sandboxed_cells_share_memory_and_a_swap_ends_it() {
    let workspace = Workspace::new("hello");
    workspace.edit("panel/src/main.rs", PANEL, CALLER);
    let mut dev = workspace.dev_with(&["--sandbox", "bwrap"]);
    let times = workspace.call(&["panel", "often", "2000"]).unwrap();
    assert_eq!(times, json!(2000));
    let namespaces = sharing(&workspace);
    assert_eq!(namespaces.len(), 2, "a caller and its cell: {namespaces:?}");
    let own = std::fs::read_link("/proc/self/ns/mnt").unwrap();
    let different: BTreeSet<_> = namespaces.into_iter().chain([own]).collect();
    assert_eq!(different.len(), 3, "{different:?}");

    // The next generation starts on its socket, and shares memory of its own.
    workspace.edit("button/src/main.rs", "0.42", "0.43");
    dev.swapped("button_service");
    eventually("the old generation's segment to go", || {
        let left = sharing(&workspace);
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    let times = workspace.call(&["panel", "often", "2000"]).unwrap();
    assert_eq!(times, json!(2000));
    assert_eq!(sharing(&workspace).len(), 2);
}
