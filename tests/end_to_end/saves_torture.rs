//! Thousands of saves as editors make them, on a real disk under a real watch: each final state is seen once.
//!
//! `CELL_TEST_SAVES` says how many. The saves and their order are the same in every run; how they fall among the looks is not.
//! What is built for real after a save is in `saves.rs`: here nothing is compiled, which is what makes thousands possible.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cargo_cell::build::Batch;
use cargo_cell::dev::sight::Sight;
use cargo_cell::watch::notify::{Raw, content};
use cargo_cell::watch::tracker::PATIENCE;
use cargo_cell::watch::{Content, OwnWrites};
use cargo_cell::workspace::{Dirs, Workspace, metadata};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::dice::Dice;
use crate::editors::{Editor, SAVES};
use crate::overflow;
use crate::support::{self, rounds};

/// Files in the package that is watched; the last ones lie in a folder that is renamed.
const FILES: usize = 12;

/// A workspace of one package, and eyes on it as `cargo cell dev` has them after a build.
struct Watched {
    _folder: tempfile::TempDir,
    src: PathBuf,
    files: Vec<PathBuf>,
    cookie: PathBuf,
    sight: Sight,
    raw: UnboundedReceiver<Raw>,
    /// Held for each single step of a save and for each look: what was looked at can be told afterwards.
    steps: Arc<Mutex<()>>,
    /// What each file held when it was reported last.
    reported: BTreeMap<PathBuf, Content>,
    overflows: usize,
    /// Reports of a file that was empty or gone, while somebody saved it again and again.
    halves: usize,
}

/// What a burst of saves led to.
#[derive(Default)]
struct Reports(Vec<(PathBuf, Content)>);

impl Watched {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("w");
        let src = root.join("a/src");
        std::fs::create_dir_all(src.join("deep")).unwrap();
        std::fs::write(
            root.join("Cargo.toml"),
            "[workspace]\nresolver = '3'\nmembers = ['a']\n",
        )
        .unwrap();
        std::fs::write(
            root.join("a/Cargo.toml"),
            "[package]\nname = 'a'\nversion = '0.1.0'\nedition = '2024'\n",
        )
        .unwrap();
        std::fs::write(src.join("main.rs"), "fn main() {}\n").unwrap();
        let file = |n: usize| match n < FILES * 2 / 3 {
            true => src.join(format!("f{n}.rs")),
            false => src.join(format!("deep/f{n}.rs")),
        };
        let files: Vec<PathBuf> = (0..FILES).map(file).collect();
        let cookie = src.join("cookie.rs");
        for path in files.iter().chain([&cookie]) {
            std::fs::write(path, "// as it was\n").unwrap();
        }
        let workspace = metadata::load(Some(&root), &root).unwrap();
        let dirs = Dirs::new(&folder.path().join("home"), &workspace.root);
        let (sender, raw) = unbounded_channel();
        let mut sight =
            Sight::new(&workspace, &dirs, Arc::new(OwnWrites::default()), sender).unwrap();
        sight.look_around(&workspace).unwrap();
        learn(&mut sight, &workspace, files.iter().chain([&cookie]));
        let reported = files.iter().chain([&cookie]);
        let reported = reported.map(|path| (path.clone(), content(path))).collect();
        Watched {
            _folder: folder,
            src,
            files,
            cookie,
            sight,
            raw,
            steps: Arc::default(),
            reported,
            overflows: 0,
            halves: 0,
        }
    }

    /// Follows the watch while `save` runs, until it is over and nothing is left to look at. Whoever saves writes the cookie
    /// last: once that is seen, all that happened before has been.
    fn follow(&mut self, number: usize, save: impl FnOnce(&Editor) + Send) -> Reports {
        let editor = Editor::new(self.steps.clone());
        let (cookie, text) = (self.cookie.clone(), format!("// {number}\n"));
        let last = Content::of(text.as_bytes());
        let mut reports = Reports::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                save(&editor);
                editor.step(|| std::fs::write(&cookie, &text));
            });
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(self.until(&last, &mut reports));
        });
        reports
    }

    async fn until(&mut self, last: &Content, reports: &mut Reports) {
        loop {
            let over = self.reported.get(&self.cookie) == Some(last);
            let due = self.sight.due();
            if over && due.is_none() && self.raw.is_empty() {
                return;
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                self.look(reports);
                continue;
            }
            let until = due.unwrap_or_else(|| Instant::now() + support::PATIENCE);
            match tokio::time::timeout_at(until.into(), self.raw.recv()).await {
                Ok(raw) => {
                    let raw = raw.expect("the watch goes on");
                    self.overflows += usize::from(raw.rescan);
                    self.sight.files(raw).unwrap();
                }
                Err(_) => assert!(due.is_some(), "the cookie was missed"),
            }
        }
    }

    fn look(&mut self, reports: &mut Reports) {
        let _no_step = self.steps.lock().unwrap();
        let Some(seen) = self.sight.settle().unwrap() else {
            return;
        };
        for path in seen.changed {
            let held = content(&path);
            let before = self.reported.insert(path.clone(), held);
            assert!(before.is_some(), "{} is nobody's source", path.display());
            assert_ne!(before, Some(held), "{} was reported twice", path.display());
            if path != self.cookie {
                reports.0.push((path, held));
            }
        }
    }

    /// Nothing was missed: what was reported last is what is there.
    fn check(&self, what: &str) {
        for path in &self.files {
            assert_eq!(
                self.reported[path],
                content(path),
                "{what}: the last state of {} was missed",
                path.display()
            );
        }
    }
}

/// As after a good build: these are the sources, and nothing else matters.
fn learn<'a>(sight: &mut Sight, workspace: &Workspace, files: impl Iterator<Item = &'a PathBuf>) {
    let batch = Batch {
        success: true,
        sources: files.cloned().collect::<BTreeSet<_>>(),
        ..Batch::default()
    };
    sight.learn(workspace, &batch).unwrap();
}

fn text(number: usize) -> String {
    format!("// save {number}\nfn f() {{}}\n")
}

/// One save by itself is one report, of what was saved.
fn alone(watched: &mut Watched, number: usize, dice: &mut Dice) {
    let path = watched.files[dice.index(FILES)].clone();
    let (name, save) = SAVES[dice.index(SAVES.len())];
    let mut took = Duration::ZERO;
    let reports = watched.follow(number, |editor| {
        let begun = Instant::now();
        save(editor, &path, &text(number));
        took = begun.elapsed();
    });
    let what = format!("save {number}, {name} of {}", path.display());
    watched.check(&what);
    let changes = usize::from(!name.starts_with("nothing"));
    // Of one that took so long that it might have been a deletion the halves may be seen as well.
    let held = reports
        .0
        .iter()
        .filter(|(_, held)| matches!(held, Content::Hash(_)));
    let whole = held.filter(|(seen, _)| *seen == path).count();
    assert_eq!(whole, changes, "{what}: {:?}", reports.0);
    assert!(
        reports.0.len() == changes || took >= PATIENCE,
        "{what}, in {took:?}: {:?}",
        reports.0
    );
}

/// Several saves one after the other without a pause, of the same files too.
fn burst(watched: &mut Watched, first: usize, count: usize, dice: &mut Dice) {
    let mut plan = Vec::new();
    for number in first..first + count {
        plan.push((
            watched.files[dice.index(FILES)].clone(),
            SAVES[dice.index(SAVES.len())],
            text(number),
        ));
    }
    let mut of_file: BTreeMap<&Path, usize> = BTreeMap::new();
    for (path, (name, _), _) in &plan {
        *of_file.entry(path).or_default() += usize::from(!name.starts_with("nothing"));
    }
    let reports = watched.follow(first, |editor| {
        for (path, (_, save), text) in &plan {
            save(editor, path, text);
        }
    });
    let names: Vec<&str> = plan.iter().map(|(_, (name, _), _)| *name).collect();
    let what = format!("saves {first} to {}: {names:?}", first + count - 1);
    watched.check(&what);
    for (path, most) in of_file {
        let of_path = || reports.0.iter().filter(|(seen, _)| seen == path);
        let whole = of_path().filter(|(_, held)| matches!(held, Content::Hash(_)));
        assert!(whole.count() <= most, "{what}: {:?}", reports.0);
    }
    let half = |(_, held): &&(PathBuf, Content)| !matches!(held, Content::Hash(_));
    watched.halves += reports.0.iter().filter(half).count();
}

/// So many events that the kernel loses some, and saves in their midst.
fn storm(watched: &mut Watched, first: usize, count: usize, dice: &mut Dice) {
    let before = watched.overflows;
    let paths: Vec<PathBuf> = (0..count)
        .map(|_| watched.files[dice.index(FILES)].clone())
        .collect();
    let src = watched.src.clone();
    watched.follow(first, |editor| {
        overflow::while_the_queue_is_full(&src, || {
            for (number, path) in (first..).zip(&paths) {
                editor.step(|| std::fs::write(path, text(number)));
            }
        });
    });
    watched.check(&format!(
        "saves {first} to {} in a storm",
        first + count - 1
    ));
    assert!(watched.overflows > before, "the kernel lost no event");
}

#[test]
fn no_save_is_missed_and_none_is_seen_twice() {
    let total = rounds("CELL_TEST_SAVES", 1000);
    let mut dice = Dice::new(0x853c_49e6_748f_ea9b);
    let mut watched = Watched::new();
    let (mut done, mut alones, mut bursts, mut storms) = (0, 0, 0, 0);
    while done < total {
        if done * 10 / total >= storms {
            storms += 1;
            storm(&mut watched, done, FILES, &mut dice);
            done += FILES;
        } else if dice.below(2) == 0 {
            alones += 1;
            alone(&mut watched, done, &mut dice);
            done += 1;
        } else {
            let count = 2 + dice.index(15);
            bursts += 1;
            burst(&mut watched, done, count, &mut dice);
            done += count;
        }
    }
    println!(
        "{done} saves ({alones} alone, {bursts} bursts, {storms} with lost events), {} overflows: none missed, none doubled; \
         empty or missing in the midst of a burst: {}",
        watched.overflows, watched.halves
    );
}
