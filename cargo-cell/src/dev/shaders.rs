//! Shaders of running cells: read and checked when they are saved or somebody begins to hold one, and pushed.
//!
//! A task of its own, so that a save reaches its cells while a build or a swap is under way.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is part of the I/O edge of `dev`: it reads shaders and the clock"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cell_runtime::control::ToCell;
use cell_runtime::shader::import::SOURCE_BYTES_MAX;
use tokio::sync::{mpsc, oneshot};

use super::fleet::Fleet;
use crate::event::{Event, Sink};
use crate::shader::{Book, Checked, Holder, Key, Push, Report, STACK_BYTES, check};
use crate::supervisor::{ShaderSaid, SupervisorEvent};
use crate::workspace::Workspace;

/// A check takes a millisecond. One that takes this long would take for ever.
const CHECK_LIMIT: Duration = Duration::from_secs(10);

/// The task, for those who have something to tell it.
#[derive(Debug, Clone)]
pub struct Shaders(mpsc::UnboundedSender<Word>);

#[derive(Debug)]
enum Word {
    Workspace(Folders),
    Saved(Vec<PathBuf>, Instant),
    Said(Key, Holder, ShaderSaid),
    Gone(Holder),
}

/// Where packages lie.
#[derive(Debug, Clone, Default)]
struct Folders {
    root: PathBuf,
    packages: BTreeMap<String, PathBuf>,
}

impl Shaders {
    /// Starts the task; it ends with the last handle.
    pub fn start(fleet: Arc<dyn Fleet>, sink: Sink) -> Shaders {
        let (words, received) = mpsc::unbounded_channel();
        let desk = Desk {
            folders: Folders::default(),
            book: Book::default(),
            fleet,
            sink,
        };
        tokio::spawn(desk.run(received));
        Shaders(words)
    }

    /// Where the packages lie now.
    pub(super) fn workspace(&self, workspace: &Workspace) {
        let packages = workspace.members.iter();
        self.say(Word::Workspace(Folders {
            root: workspace.root.clone(),
            packages: packages
                .map(|member| (member.name.clone(), member.dir.clone()))
                .collect(),
        }));
    }

    /// These files were saved then.
    pub(super) fn saved(&self, paths: Vec<PathBuf>, at: Instant) {
        self.say(Word::Saved(paths, at));
    }

    /// The supervisor said something, perhaps about a shader.
    pub(super) fn heard(&self, event: &SupervisorEvent) {
        match event {
            SupervisorEvent::Shader {
                cell,
                generation,
                package,
                path,
                said,
            } => {
                let key = Key {
                    package: package.clone(),
                    path: path.clone(),
                };
                self.say(Word::Said(key, holder(cell, *generation), said.clone()));
            }
            SupervisorEvent::Stopped { cell, generation }
            | SupervisorEvent::Exited {
                cell, generation, ..
            }
            | SupervisorEvent::StartFailed {
                cell, generation, ..
            } => self.say(Word::Gone(holder(cell, *generation))),
            _ => {}
        }
    }

    fn say(&self, word: Word) {
        // The task ends with its handles.
        let _ = self.0.send(word);
    }
}

fn holder(cell: &str, generation: u64) -> Holder {
    let cell = cell.to_owned();
    Holder { cell, generation }
}

struct Desk {
    folders: Folders,
    book: Book,
    fleet: Arc<dyn Fleet>,
    sink: Sink,
}

impl Desk {
    async fn run(mut self, mut words: mpsc::UnboundedReceiver<Word>) {
        while let Some(word) = words.recv().await {
            match word {
                Word::Workspace(folders) => self.folders = folders,
                Word::Saved(paths, at) => {
                    for key in self.book.concerned(&paths) {
                        self.look(&key, at, None).await;
                    }
                }
                Word::Said(key, holder, ShaderSaid::Held) => {
                    if self.book.hold(&key, &holder) {
                        self.look(&key, Instant::now(), Some(&holder)).await;
                    }
                }
                Word::Said(key, holder, ShaderSaid::Applied(version)) => {
                    self.applied(&key, &holder, version);
                }
                Word::Said(key, holder, ShaderSaid::Refused(version, message)) => {
                    self.book.answered(&key, &holder, version);
                    self.sink.send(Event::ShaderRefused {
                        path: self.folders.shown(&key),
                        version,
                        cell: holder.cell,
                        generation: holder.generation,
                        message,
                    });
                }
                Word::Gone(holder) => self.book.gone(&holder),
            }
        }
    }

    /// Looks at a shader; who begins to hold it gets the last good text in any case.
    async fn look(&mut self, key: &Key, saved: Instant, new: Option<&Holder>) {
        let begun = Instant::now();
        let path = self.folders.shown(key);
        let (files, outcome) = self.folders.check(key).await;
        match outcome {
            Ok(text) => match self.book.good(key, files, &text) {
                Some((version, pushes)) => {
                    for push in &pushes {
                        self.push(key, push, saved);
                    }
                    self.sink.send(Event::ShaderPushed {
                        path,
                        version,
                        cells: pushes.into_iter().map(|push| push.to.cell).collect(),
                        check_ms: ms(begun.elapsed()),
                    });
                }
                None => self.give(key, saved, new),
            },
            Err(report) => {
                // What was said when the first one held it need not be said again for the next.
                let known = new.is_some() && self.book.is_bad(key);
                let kept = self.book.bad(key, files);
                if !known {
                    self.sink.send(Event::ShaderRejected {
                        path,
                        at: report.at,
                        message: report.message,
                        rendered: report.rendered,
                        kept,
                    });
                }
                self.give(key, saved, new);
            }
        }
    }

    fn give(&mut self, key: &Key, saved: Instant, new: Option<&Holder>) {
        let push = new.and_then(|holder| self.book.current(key, holder));
        if let Some(push) = push {
            self.push(key, &push, saved);
        }
    }

    fn push(&mut self, key: &Key, push: &Push, saved: Instant) {
        self.book.sent(key, push, saved);
        let shader = ToCell::Shader {
            package: key.package.clone(),
            path: key.path.clone(),
            version: push.version,
            source: push.source.to_string(),
        };
        self.fleet
            .push_shader(&push.to.cell, push.to.generation, &shader);
    }

    fn applied(&mut self, key: &Key, holder: &Holder, version: u64) {
        if let Some(saved) = self.book.answered(key, holder, version) {
            self.sink.send(Event::ShaderApplied {
                path: self.folders.shown(key),
                version,
                cell: holder.cell.clone(),
                generation: holder.generation,
                ms: ms(saved.elapsed()),
            });
        }
    }
}

impl Folders {
    /// The folder that paths of a shader start from, and its own path there: the workspace's root, where the package lies in it.
    fn place(&self, key: &Key) -> Option<(PathBuf, String)> {
        let folder = self.packages.get(&key.package)?;
        match folder.strip_prefix(&self.root) {
            Ok(inner) => Some((
                self.root.clone(),
                inner.join(&key.path).display().to_string(),
            )),
            Err(_) => Some((folder.clone(), key.path.clone())),
        }
    }

    fn shown(&self, key: &Key) -> String {
        self.place(key)
            .map_or_else(|| key.path.clone(), |(_, path)| path)
    }

    /// Reads and checks a shader, on a thread of its own.
    async fn check(&self, key: &Key) -> (BTreeSet<PathBuf>, Result<String, Report>) {
        let Some((base, path)) = self.place(key) else {
            let report = Report::plain(format!(
                "`{}` is held from the package `{}`, which the workspace does not have",
                key.path, key.package
            ));
            return (BTreeSet::new(), Err(report));
        };
        let (reply, answer) = oneshot::channel();
        let (inside, own) = (base.clone(), path.clone());
        let spawned = std::thread::Builder::new()
            .name("shader-check".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let checked = check(&own, |file| read(&inside, file));
                // Nobody waits for what took too long.
                let _ = reply.send(checked);
            });
        let failed = |why: String| Checked {
            files: vec![path.clone()],
            outcome: Err(Report::plain(format!("`{path}` cannot be checked: {why}"))),
        };
        let checked = match spawned {
            Err(cause) => failed(cause.to_string()),
            Ok(_) => match tokio::time::timeout(CHECK_LIMIT, answer).await {
                Ok(Ok(checked)) => checked,
                Ok(Err(_)) => failed("the check failed".to_owned()),
                Err(_) => failed(format!("it takes longer than {CHECK_LIMIT:?}")),
            },
        };
        let files = checked.files.iter().map(|file| base.join(file)).collect();
        (files, checked.outcome)
    }
}

/// Reads one file of a shader. Names of files come from cells, which may be anybody's code: they get nothing but `.wgsl` files of
/// the workspace.
fn read(base: &Path, file: &str) -> Result<String, String> {
    let said = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => cause.to_string(),
    };
    let path = base.join(file).canonicalize().map_err(said)?;
    let base = base.canonicalize().map_err(said)?;
    if !path.starts_with(base) {
        return Err("it does not lie in the workspace".to_owned());
    }
    if path.extension().is_none_or(|extension| extension != "wgsl") {
        return Err("it is no `.wgsl` file".to_owned());
    }
    if !std::fs::metadata(&path).map_err(said)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(&path).map_err(said)?;
    let mut limited = opened.take(SOURCE_BYTES_MAX as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() > SOURCE_BYTES_MAX {
        return Err(format!("it has more than {SOURCE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}
