//! The whole loop over a real workspace, a real cargo and a real file system, with a double for the supervisor.
#![expect(clippy::disallowed_methods, reason = "a test of the loop edits files")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver};

use cargo_cell::dev::control;
use cargo_cell::dev::event_loop::{self, Setup};
use cargo_cell::dev::fleet::{Answer, Fleet, Outcome, Start, Status};
use cargo_cell::dev::hub::Hub;
use cargo_cell::dev::shaders::Shaders;
use cargo_cell::dev::signals::Signals;
use cargo_cell::event::{Event, Sink};
use cargo_cell::workspace::{Dirs, metadata};

/// Only a loop that is stuck takes longer.
const WATCHDOG: Duration = Duration::from_secs(120);

#[derive(Default, Clone)]
struct Double {
    applied: Arc<Mutex<Vec<Vec<String>>>>,
    refuses: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Fleet for Double {
    fn apply(&self, cells: Vec<Start>, _: bool) -> Answer<Outcome> {
        let names: Vec<String> = cells.iter().map(|start| start.name.clone()).collect();
        self.applied.lock().expect("sound").push(names.clone());
        let refuses = self.refuses.lock().expect("sound").clone();
        let (failed, serving) = names
            .into_iter()
            .partition::<Vec<_>, _>(|name| refuses.contains_key(name));
        let failed = failed
            .into_iter()
            .map(|name| (name.clone(), refuses[&name].clone()))
            .collect();
        Box::pin(async move { Outcome { serving, failed } })
    }
    fn restart(&self, _: &str) -> Answer<Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn retire(&self, _: &str) -> Answer<()> {
        Box::pin(async {})
    }
    fn rest(&self, _: &str) -> Answer<()> {
        Box::pin(async {})
    }
    fn stop_all(&self, _: bool) -> Answer<()> {
        Box::pin(async {})
    }
    fn status(&self) -> Answer<Vec<Status>> {
        Box::pin(async { Vec::new() })
    }
    fn set_unavailable(&self, _: &str, _: &str) {}
}

struct Bench {
    root: PathBuf,
    run: PathBuf,
    double: Double,
    events: UnboundedReceiver<Event>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start(test: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists").join("w");
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("created");
            std::fs::write(path, text).expect("written");
        };
        write(
            "Cargo.toml",
            "[workspace]\nresolver = '3'\nmembers = ['a', 'b', 'cell-runtime']\n",
        );
        write(".gitignore", "/target\n");
        write(
            "cell-runtime/Cargo.toml",
            "[package]\nname = 'cell-runtime'\nversion = '0.1.0'\nedition = '2024'\n",
        );
        write("cell-runtime/src/lib.rs", "");
        for name in ["a", "b"] {
            // The target folder may be shared with other tests: each has binaries of its own.
            let manifest = format!(
                "[package]\nname = '{name}'\nversion = '0.1.0'\nedition = '2024'\n[[bin]]\nname = '{test}-{name}'\npath = 'src/main.rs'\n[dependencies]\ncell-sdk = {{ package = 'cell-runtime', path = '../cell-runtime' }}\n"
            );
            write(&format!("{name}/Cargo.toml"), &manifest);
            write(
                &format!("{name}/src/main.rs"),
                "fn main() { println!(\"one\"); }\n",
            );
        }
        write("a/src/unused.txt", "x");
        write("a/src/look.wgsl", "x");
        let workspace = metadata::load(Some(&root), &root).expect("it loads");
        let dirs = Dirs::new(&folder.path().join("home"), &workspace.root);
        std::fs::create_dir_all(&dirs.run).expect("created");
        let run = dirs.run.clone();
        let (sent, events) = mpsc::unbounded_channel();
        let double = Double::default();
        let fleet: Arc<dyn Fleet> = Arc::new(double.clone());
        let sink = Sink::new(move |event| {
            let _ = sent.send(event);
        });
        let setup = Setup {
            workspace,
            dirs,
            manifest: root.clone(),
            keeper: env!("CARGO_BIN_EXE_cargo-cell").into(),
            sandbox: None,
            shaders: Shaders::start(fleet.clone(), sink.clone()),
            fleet,
            sink,
            hub: Arc::new(Hub::default()),
            only: None,
            called: mpsc::unbounded_channel().1,
            bound: Box::new(|| ()),
        };
        tokio::spawn(event_loop::run(setup, Signals::begin().expect("signals")));
        Bench {
            root,
            run,
            double,
            events,
            _folder: folder,
        }
    }

    fn edit(&self, path: &str, text: &str) {
        std::fs::write(self.root.join(path), text).expect("written");
    }

    /// Waits for the end of a batch; gives what happened until then.
    async fn batch(&mut self) -> Vec<Event> {
        self.until(|event| matches!(event, Event::Timings(_) | Event::Failure { .. }))
            .await
    }

    async fn until(&mut self, last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = Vec::new();
        let waited = tokio::time::timeout(WATCHDOG, async {
            while let Some(event) = self.events.recv().await {
                let done = last(&event);
                seen.push(event);
                if done {
                    return;
                }
            }
        });
        assert!(waited.await.is_ok(), "the loop is stuck after {seen:#?}");
        seen
    }

    fn applied(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.double.applied.lock().expect("sound"))
    }
}

fn changed(events: &[Event]) -> Vec<String> {
    let paths = |event: &Event| match event {
        Event::ChangeSeen { paths } => paths.clone(),
        _ => Vec::new(),
    };
    events.iter().flat_map(paths).collect()
}

fn builds(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, Event::BuildStarted { .. }))
        .count()
}

fn names(list: &[&str]) -> Vec<Vec<String>> {
    list.iter().map(|name| vec![(*name).to_owned()]).collect()
}

fn program(text: &str) -> String {
    format!("fn main() {{ println!(\"{text}\"); }}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_save_is_built_once_and_restarts_only_what_changed() {
    let mut bench = Bench::start("saves").await;
    bench.batch().await;
    let mut first = bench.applied();
    first.sort();
    assert_eq!(first, names(&["a", "b"]));

    // A plain save.
    bench.edit("a/src/main.rs", &program("two"));
    let events = bench.batch().await;
    assert_eq!(
        (changed(&events), builds(&events)),
        (vec!["a/src/main.rs".to_owned()], 1)
    );
    assert_eq!(bench.applied(), names(&["a"]));

    // Saves that change nothing: had any of them counted, the next batch would name it.
    bench.edit("a/src/main.rs", &program("two"));
    bench.edit("a/src/unused.txt", "y");
    bench.edit("a/src/.main.rs.swp", "y");
    bench.edit("a/src/look.wgsl", "y");
    bench
        .until(|event| matches!(event, Event::ShaderSeen { .. }))
        .await;
    bench.edit("b/src/main.rs", &program("two"));
    let events = bench.batch().await;
    assert_eq!(
        (changed(&events), builds(&events)),
        (vec!["b/src/main.rs".to_owned()], 1)
    );
    assert_eq!(bench.applied(), names(&["b"]));

    // A comment at the end of a line leaves the binary as it is.
    bench.edit("a/src/main.rs", &program("two").replace('\n', " // two\n"));
    let events = bench.batch().await;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Unchanged { .. })),
        "{events:#?}"
    );
    assert_eq!(bench.applied(), Vec::<Vec<String>>::new());

    // Vim: the old file is renamed away, the new one is written under the old name.
    let file = bench.root.join("a/src/main.rs");
    std::fs::rename(&file, bench.root.join("a/src/main.rs~")).expect("renamed");
    bench.edit("a/src/main.rs", &program("three"));
    std::fs::remove_file(bench.root.join("a/src/main.rs~")).expect("removed");
    let events = bench.batch().await;
    assert_eq!(
        (changed(&events), builds(&events)),
        (vec!["a/src/main.rs".to_owned()], 1)
    );
    assert_eq!(bench.applied(), names(&["a"]));

    // Others write a file beside it and rename that over it; and some truncate first.
    bench.edit("a/src/new-file", &program("four"));
    std::fs::rename(bench.root.join("a/src/new-file"), &file).expect("renamed");
    let events = bench.batch().await;
    assert_eq!(builds(&events), 1, "{events:#?}");
    assert_eq!(bench.applied(), names(&["a"]));
    bench.edit("a/src/main.rs", "");
    bench.edit("a/src/main.rs", &program("five"));
    let events = bench.batch().await;
    assert_eq!(builds(&events), 1, "{events:#?}");
    assert_eq!(bench.applied(), names(&["a"]));

    // A file that is moved here from long ago: cargo alone would pass it over.
    bench.edit("old.rs", &program("old"));
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let old = std::fs::File::open(bench.root.join("old.rs")).expect("opened");
    old.set_modified(long_ago).expect("aged");
    std::fs::rename(bench.root.join("old.rs"), &file).expect("renamed");
    let events = bench.batch().await;
    assert_eq!(builds(&events), 1, "{events:#?}");
    assert_eq!(bench.applied(), names(&["a"]));

    // Two files of one checkout make one batch.
    bench.edit("a/src/main.rs", &program("six"));
    bench.edit("b/src/main.rs", &program("six"));
    let events = bench.batch().await;
    assert_eq!((changed(&events).len(), builds(&events)), (2, 1));
    let mut both = bench.applied();
    both.sort();
    assert_eq!(both, names(&["a", "b"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_broken_stays_on_the_old_code_until_it_is_mended() {
    let mut bench = Bench::start("broken").await;
    bench.batch().await;
    bench.applied();

    // A syntax error: the message, no swap, and the healthy cell goes on.
    bench.edit("a/src/main.rs", "fn main() { oops\n");
    let events = bench.batch().await;
    let message = events
        .iter()
        .position(|event| matches!(event, Event::Diagnostic(_)));
    let end = events
        .iter()
        .position(|event| matches!(event, Event::BuildFinished { success: false, .. }));
    assert!(message.is_some() && message < end, "{events:#?}");
    assert_eq!(bench.applied(), Vec::<Vec<String>>::new());
    bench.edit("b/src/main.rs", &program("two"));
    bench.batch().await;
    assert_eq!(bench.applied(), names(&["b"]));

    // A module that is missing, and is written afterwards.
    bench.edit("a/src/main.rs", "mod later;\nfn main() { later::run(); }\n");
    bench.batch().await;
    bench.edit("a/src/later.rs", "pub fn run() { println!(\"later\"); }\n");
    let events = bench.batch().await;
    assert_eq!(changed(&events), ["a/src/later.rs"]);
    assert_eq!(bench.applied(), names(&["a"]));

    // A cell that does not start is not tried again before it changes.
    bench
        .double
        .refuses
        .lock()
        .expect("sound")
        .insert("a".to_owned(), "it panics".to_owned());
    bench.edit("a/src/later.rs", "pub fn run() { println!(\"bad\"); }\n");
    let events = bench.batch().await;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::SwapFailed { culprit, .. } if culprit == "a")),
        "{events:#?}"
    );
    bench.edit("b/src/main.rs", &program("three"));
    bench.batch().await;
    assert_eq!(bench.applied(), names(&["a", "b"]));
    bench.double.refuses.lock().expect("sound").clear();
    bench.edit("a/src/later.rs", "pub fn run() { println!(\"good\"); }\n");
    bench.batch().await;
    assert_eq!(bench.applied(), names(&["a"]));

    // A broken configuration is named, and mending it goes on; it changes how the cell runs, so it restarts.
    bench.edit("a/Cell.toml", "overlpa = false\n");
    let events = bench.batch().await;
    let Some(Event::Failure { message, hints }) = events.last() else {
        panic!("{events:#?}")
    };
    assert!(message.contains("unknown key `overlpa`"), "{message}");
    assert_eq!(*hints, ["did you mean `overlap`?"]);
    bench.edit("a/Cell.toml", "overlap = false\n");
    bench
        .until(|event| matches!(event, Event::Swapped { .. }))
        .await;
    assert_eq!(bench.applied(), names(&["a"]));

    // Asked to stop, it leaves nothing.
    let run = bench.run.clone();
    let down = tokio::task::spawn_blocking(move || {
        control::ask(&run, &control::Request::Down, &mut |_| true)
    });
    bench.until(|event| matches!(event, Event::Stopped)).await;
    assert_eq!(down.await.expect("it returns"), Ok(true));
    assert!(!Path::new(&bench.run.join(control::NAME)).exists());
}
