//! Sandboxes that stand ready before there is a binary: used for what they were made for, and never left behind.

use cargo_cell::supervisor::{CellSpec, SandboxMode, Swap};

use crate::{Stage, marks, script};

impl Stage {
    /// A build of the cell `a` that differs from the others in its binary alone.
    fn build(&self, number: &str) -> CellSpec {
        CellSpec {
            binary: script(self.folder.path(), number),
            binary_hash: number.to_owned(),
            sandbox: SandboxMode::Bwrap,
            ..self.spec("a", "any", "ok")
        }
    }

    /// Runs it; its pid and generation.
    async fn run(&self, build: CellSpec) -> (u32, u64) {
        let outcome = self.supervisor.apply(vec![build], false).await;
        match outcome.cells["a"] {
            Swap::Swapped { pid, generation } => (pid, generation),
            ref other => panic!("{other:?}"),
        }
    }

    fn make_anew(&self, folder: &str) {
        let folder = self.folder.path().join(folder);
        std::fs::rename(&folder, folder.with_extension("old")).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
    }
}

/// Whether a cell runs in a sandbox that had waited for it.
fn had_waited(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let shim = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let command = format!("/proc/{}/cmdline", shim.unwrap().trim());
    let command = std::fs::read_to_string(command).unwrap();
    assert!(command.contains("__shim"), "{command}");
    command.contains("__shim\0--wait\0")
}

#[tokio::test]
async fn what_stands_ready_is_used_only_for_what_it_was_made_for() {
    type Change = fn(&Stage, &mut CellSpec);
    // Each row: what happens after the sandbox was made ready, and whether the next generation runs in it.
    let table: [(&str, Change, bool); 7] = [
        ("nothing but another binary", |_, _| (), true),
        (
            "nobody wants it any more",
            |stage, _| stage.supervisor.prepare(Vec::new()),
            false,
        ),
        (
            "other rights",
            |_, build| build.rights.network = true,
            false,
        ),
        (
            "another environment",
            |_, build| drop(build.env.insert("NEW".to_owned(), "1".to_owned())),
            false,
        ),
        ("another schema", |_, build| build.fingerprint = 2, false),
        (
            "its package's folder is another one",
            |stage, _| stage.make_anew("work"),
            false,
        ),
        (
            "its data's folder is another one",
            |stage, _| stage.make_anew("data/a"),
            false,
        ),
    ];
    for (what, change, fits) in table {
        let stage = Stage::new();
        let (first, _) = stage.run(stage.build("1")).await;
        assert!(!had_waited(first), "{what}: nothing was made ready yet");
        stage.supervisor.prepare(vec!["a".to_owned()]);
        // All that was asked for before this answer has been taken up.
        stage.supervisor.status().await;
        let mut next = stage.build("2");
        change(&stage, &mut next);
        let (pid, generation) = stage.run(next).await;
        assert_eq!(had_waited(pid), fits, "{what}");
        let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        let own = format!("CELL_GENERATION={generation}");
        assert!(
            environment.split('\0').any(|pair| pair == own),
            "{what}: {environment}"
        );
        assert!(!environment.contains("CELL_GENERATION=0"), "{what}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn nothing_that_stands_ready_outlives_the_supervisor() {
    for hasty in [false, true] {
        let stage = Stage::new();
        stage.run(stage.build("1")).await;
        stage.supervisor.prepare(vec!["a".to_owned()]);
        stage.supervisor.status().await;
        stage.supervisor.stop_all(hasty).await;
        assert_eq!(marks::alive(&stage.mark), Vec::<i32>::new());
        let run = stage.folder.path().join("run");
        for folder in ["stages", "leases", "calls"] {
            assert!(!run.join(folder).exists(), "{folder} is left");
        }
        // Nothing is made ready any more.
        stage.supervisor.prepare(vec!["a".to_owned()]);
        stage.supervisor.status().await;
        assert_eq!(marks::alive(&stage.mark), Vec::<i32>::new());
    }
}
