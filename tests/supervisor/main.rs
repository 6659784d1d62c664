//! The supervisor against real processes. Cells are shell scripts that speak the control protocol on descriptor 4.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests of processes read the disk, start processes and fail by panicking"
)]

#[path = "../end_to_end/cgroups.rs"]
mod cgroups;
mod killed;
mod limits;
mod marks;
mod spares;
mod swaps;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cargo_cell::supervisor::{
    CellSpec, SandboxMode, Supervisor, SupervisorConfig, SupervisorEvent,
};
use tokio::sync::mpsc;

/// A cell whose `MODE` says how it behaves.
const SCRIPT: &str = r#"#!/bin/sh
case "$MODE" in
  exit) echo "no port for me" >&2; exit 3 ;;
  hang) exec sleep 4321 ;;
  bomb) ( for i in 1 2 3 4 5 6; do for j in 1 2 3 4 5 6; do sleep 4321 & echo "started one"; done; done ) ;;
  daemon) ( setsid sh -c 'setsid sleep 4321 >/dev/null 2>&1 &' & ) ;;
esac
if [ "$MODE" = stubborn ]; then trap '' TERM; fi
echo "starting $VERSION"
echo '{"t":"ready","cell":"x","fingerprint":"0x0000000000000001","pid":1}' >&4
while read -r line <&4; do
  case "$line" in
    *drain*)
      if [ "$MODE" = stubborn ]; then sleep 4321; fi
      echo '{"t":"drained"}' >&4
      exit 0 ;;
  esac
done
exit 0
"#;

/// A run folder and a supervisor in it.
struct Stage {
    folder: tempfile::TempDir,
    mark: marks::Mark,
    supervisor: Supervisor,
    events: mpsc::UnboundedReceiver<SupervisorEvent>,
}

fn config(folder: &Path) -> SupervisorConfig {
    SupervisorConfig {
        run_dir: folder.join("run"),
        home: folder.to_path_buf(),
        workspace_root: folder.join("work"),
        log_dir: folder.join("log"),
        keeper: PathBuf::from(env!("CARGO_BIN_EXE_cargo-cell")),
    }
}

/// Writes the script once a version: a file that runs cannot be written.
fn script(folder: &Path, version: &str) -> PathBuf {
    let path = folder.join(format!("cell.{version}"));
    if !path.exists() {
        std::fs::write(&path, SCRIPT).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    path
}

fn spec(folder: &Path, mark: &str, name: &str, version: &str, mode: &str) -> CellSpec {
    let package_dir = folder.join("work");
    std::fs::create_dir_all(&package_dir).unwrap();
    let env = [
        ("MODE", mode),
        ("VERSION", version),
        (marks::VARIABLE, mark),
    ];
    CellSpec {
        name: name.to_owned(),
        package: name.to_owned(),
        binary: script(folder, version),
        binary_hash: version.to_owned(),
        fingerprint: 1,
        serves: true,
        calls: Vec::new(),
        overlap: true,
        sandbox: SandboxMode::None,
        package_dir,
        data_dir: folder.join("data").join(name),
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        rights: Default::default(),
        restart: Default::default(),
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(1),
        ready_timeout: Duration::from_secs(30),
    }
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let supervisor = Supervisor::start(config(folder.path()), sender).unwrap();
        Stage {
            mark: marks::Mark::new(),
            folder,
            supervisor,
            events,
        }
    }

    fn spec(&self, name: &str, version: &str, mode: &str) -> CellSpec {
        spec(self.folder.path(), &self.mark, name, version, mode)
    }

    /// The next event that is wanted.
    async fn until<T>(&mut self, wanted: impl Fn(&SupervisorEvent) -> Option<T>) -> T {
        loop {
            let event = self.events.recv().await.expect("the supervisor runs");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    fn sockets(&self) -> Vec<String> {
        marks::sockets(&self.folder.path().join("run"))
    }

    async fn stop(self) {
        self.supervisor.stop_all(false).await;
        assert_eq!(marks::alive(&self.mark), Vec::<i32>::new());
        assert_eq!(self.sockets(), Vec::<String>::new());
    }
}
