//! What the loop sees of the file system: the watch, what has settled, and what of it matters.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is part of the I/O edge of `dev`: it reads the clock"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc::UnboundedSender;

use super::timing::Stamps;
use crate::build::Batch;
use crate::error::{Error, Result};
use crate::watch::notify::{Raw, Watch, content, now, renew, since_written};
use crate::watch::{Content, Debounce, Interest, OwnWrites, Relevance, Tracker, Verdict, filter};
use crate::workspace::{Dirs, Workspace};

/// The loop's eyes.
pub struct Sight {
    watch: Watch,
    debounce: Debounce,
    tracker: Tracker,
    own: Arc<OwnWrites>,
    relevance: Relevance,
    /// When cargo was started last.
    built: SystemTime,
}

/// What has changed and matters.
pub struct Seen {
    /// Shaders: they never ask for a build.
    pub shaders: Vec<PathBuf>,
    /// When the last of them was written.
    pub shaders_saved: Option<Instant>,
    /// Files that ask for a build; may be empty.
    pub changed: Vec<PathBuf>,
    /// What the workspace is made of changed.
    pub workspace: bool,
    /// When.
    pub(super) stamps: Stamps,
}

impl Sight {
    /// Eyes that look at nothing yet.
    pub fn new(
        workspace: &Workspace,
        dirs: &Dirs,
        own: Arc<OwnWrites>,
        raw: UnboundedSender<Raw>,
    ) -> Result<Self> {
        // The workspace may lie in either of them.
        let mut skipped: Vec<PathBuf> = ["run", "schema", "data"]
            .iter()
            .map(|name| dirs.home.join(name))
            .collect();
        if !workspace.root.starts_with(&workspace.target_dir) {
            skipped.push(workspace.target_dir.clone());
        }
        Ok(Sight {
            watch: Watch::new(skipped, raw)?,
            own,
            debounce: Debounce::default(),
            tracker: Tracker::default(),
            relevance: Relevance {
                broad: true,
                ..Relevance::default()
            },
            built: SystemTime::UNIX_EPOCH,
        })
    }

    /// Watches the workspace and its path dependencies and notes what every new file holds, before anything is built
    /// from it: an edit after this moment is never lost. Gives the number of watched folders.
    pub fn look_around(&mut self, workspace: &Workspace) -> Result<usize> {
        let mut files = self.watch.add(&workspace.root)?;
        let members = || workspace.members.iter();
        let packages: Vec<PathBuf> = members()
            .flat_map(|member| std::iter::once(&member.dir).chain(&member.path_dependencies))
            .cloned()
            .collect();
        for folder in packages
            .iter()
            .filter(|dir| !dir.starts_with(&workspace.root) && dir.is_dir())
        {
            files.extend(self.watch.add(folder)?);
        }
        for file in files {
            self.note_new(file);
        }
        self.relevance.member_dirs = packages;
        self.relevance.script_dirs = members()
            .filter(|m| m.has_build_script)
            .map(|m| m.dir.clone())
            .collect();
        Ok(self.watch.folders())
    }

    /// The file system says something.
    pub fn files(&mut self, raw: Raw) -> Result<()> {
        if raw.rescan {
            self.debounce.rescan(raw.at);
        }
        let mut trouble = Ok(());
        let mut paths = Vec::new();
        let whole = raw.paths.last().filter(|_| raw.whole).cloned();
        for path in raw.paths {
            if path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(filter::is_noise)
            {
                continue;
            }
            match self.watch.appeared(&path) {
                Ok(files) => paths.extend(files),
                Err(error) => trouble = Err(error),
            }
            // A folder comes and goes with all that is in it.
            paths.extend(self.tracker.within(&path).cloned());
            paths.push(path);
        }
        let passed: Vec<PathBuf> = paths
            .iter()
            .filter(|path| !self.tracker.knows(path) && !path.exists())
            .cloned()
            .collect();
        self.debounce.push(paths, raw.at);
        for path in passed {
            self.debounce.passed(&path);
        }
        if let Some(path) = whole {
            self.debounce.whole(&path);
        }
        trouble
    }

    /// When [`Sight::settle`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.debounce.due()
    }

    /// Looks at what has settled.
    pub fn settle(&mut self) -> Result<Option<Seen>> {
        let Some(settled) = self.debounce.take(Instant::now()) else {
            return Ok(None);
        };
        let mut paths = settled.paths;
        if settled.rescan {
            paths.extend(self.watch.rescan()?);
            paths.extend(self.tracker.paths().cloned());
        }
        let mut changed: Vec<(PathBuf, Interest)> = Vec::new();
        for path in paths {
            let interest = self
                .relevance
                .judge(&path, self.watch.ignored(&path, false));
            if interest == Interest::Nothing && !self.tracker.knows(&path) {
                continue;
            }
            let held = content(&path);
            if self.own.wrote(&path, held) {
                self.tracker.note(path, held);
                continue;
            }
            match self.tracker.look(&path, held, Instant::now()) {
                Verdict::Same => {}
                Verdict::Wait(at) => self.debounce.look_again([path], at),
                Verdict::Changed => changed.push((path, interest)),
            }
        }
        let decided = Instant::now();
        let of = |wanted: &dyn Fn(Interest) -> bool| -> Vec<PathBuf> {
            changed
                .iter()
                .filter(|(_, interest)| wanted(*interest))
                .map(|(path, _)| path.clone())
                .collect()
        };
        let builds = of(&|interest| interest >= Interest::Build);
        let shaders = of(&|interest| interest == Interest::Shader);
        let written = since_written(shaders.iter()).and_then(|before| decided.checked_sub(before));
        let written_before_decided = since_written(builds.iter());
        renew(builds.iter(), self.built);
        Ok(Some(Seen {
            shaders_saved: (!shaders.is_empty()).then_some(written.unwrap_or(settled.first_seen)),
            shaders,
            workspace: changed
                .iter()
                .any(|(_, interest)| *interest == Interest::Workspace),
            stamps: Stamps {
                seen: settled.first_seen,
                written_before_decided,
                decided,
                started: None,
            },
            changed: builds,
        }))
    }

    /// Takes over what a build says about files.
    pub fn learn(&mut self, workspace: &Workspace, batch: &Batch) -> Result<(), Vec<Error>> {
        for (path, bytes) in &batch.written {
            self.tracker.note(path.clone(), Content::of(bytes));
        }
        // Cargo brings the lock file up to date by itself: that is no edit.
        let lock = workspace.root.join("Cargo.lock");
        let held = content(&lock);
        self.tracker.note(lock, held);
        self.relevance.broad = !batch.success;
        if batch.success {
            self.relevance.sources.clear();
        }
        let mut trouble = Vec::new();
        // What build scripts generate changes with every build.
        for file in batch
            .sources
            .iter()
            .filter(|file| !workspace.is_output(file))
        {
            self.relevance.sources.insert(file.clone());
            if !self.tracker.knows(file) {
                let folder = file.parent().unwrap_or(Path::new("/"));
                trouble.extend(self.watch.add_shallow(folder).err());
                self.note_new(file.clone());
            }
        }
        if trouble.is_empty() {
            Ok(())
        } else {
            Err(trouble)
        }
    }

    /// Cargo is about to be started.
    pub fn building(&mut self) {
        self.built = now();
    }

    /// Dep-info cannot be trusted: every file of a package may matter.
    pub fn widen(&mut self) {
        self.relevance.broad = true;
    }

    fn note_new(&mut self, file: PathBuf) {
        if !self.tracker.knows(&file) {
            let held = content(&file);
            self.tracker.note(file, held);
        }
    }
}
