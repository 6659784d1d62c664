//! Bindings in other languages and places: what a build does to the folders that `bind` has written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cell_runtime::schema::{Fingerprint, Snapshot};

use super::{Batch, Builder, Writes};
use crate::error::Result;
use crate::event::{Event, Sink};
use crate::schema_files::bound::{self, Binding, Memory, Work};
use crate::workspace::Workspace;

/// What the bound folders of a workspace hold, as far as a build is concerned.
pub(super) struct Bound {
    memories: Vec<Memory>,
    folders: Vec<Binding>,
}

impl Builder {
    /// Brings the bound folders up to date: their locks, or everything in them, or says how they differ.
    ///
    /// Trouble with one folder does not keep the others from being written; it ends up in the batch.
    pub(super) fn bound(
        &mut self,
        workspace: &Workspace,
        writes: Writes,
        batch: &mut Batch,
        sink: &Sink,
    ) -> Result<()> {
        let snapshots: BTreeMap<String, Arc<Snapshot>> = batch
            .built
            .values()
            .filter_map(|built| Some((built.name.clone(), built.snapshot.clone()?)))
            .collect();
        let mut bound = Bound::load(workspace, &self.schema_dir)?;
        if writes != Writes::Nothing {
            bound.forget(workspace, sink)?;
        }
        let seen = Seen {
            snapshots: snapshots.clone(),
            folders: bound.keys(),
        };
        // Between two saves of a body nothing about schemas changes: the folders are not even looked at.
        if writes == Writes::Everything && self.seen.as_ref() == Some(&seen) {
            return Ok(());
        }
        let mut trouble = Vec::new();
        for binding in &bound.folders {
            if let Err(error) = self.folder(workspace, binding, &snapshots, writes, batch, sink) {
                trouble.push(error);
            }
        }
        self.seen = trouble.is_empty().then_some(seen);
        batch.trouble.extend(trouble);
        Ok(())
    }

    fn folder(
        &self,
        workspace: &Workspace,
        binding: &Binding,
        snapshots: &BTreeMap<String, Arc<Snapshot>>,
        writes: Writes,
        batch: &mut Batch,
        sink: &Sink,
    ) -> Result<()> {
        let known: Vec<&Snapshot> = binding
            .cells
            .iter()
            .filter_map(|cell| Some(&**snapshots.get(cell)?))
            .collect();
        if known.is_empty() {
            return Ok(());
        }
        let shown = |path: &Path| workspace.shown(path);
        // A folder that a `Cell.toml` declares is made when it is not there.
        let missing = binding.declared
            && !known
                .iter()
                .all(|snapshot| bound::is_there(&binding.dir, binding.language, &snapshot.name));
        let work = match writes {
            Writes::LocksOnly | Writes::Workspace if !missing => {
                let locks: Vec<(&str, Fingerprint)> = known
                    .iter()
                    .map(|snapshot| (snapshot.name.as_str(), snapshot.fingerprint))
                    .collect();
                bound::locks(binding, &locks, &shown)?
            }
            Writes::LocksOnly => return Ok(()),
            Writes::Workspace | Writes::Everything | Writes::Nothing => {
                bound::generate(binding, &known, false, &shown)?
            }
        };
        if writes == Writes::Nothing {
            let lang = binding.language.name();
            for change in work.changes() {
                let what = match (&change.old, &change.new) {
                    (None, _) => format!("a file of the {lang} binding is missing"),
                    (_, None) => format!("nothing wants this file of {lang} bindings any more"),
                    _ => format!("a file of the {lang} binding differs"),
                };
                let path = workspace.shown(&binding.dir.join(&change.path));
                batch.bound_differences.push((path, what));
            }
            return Ok(());
        }
        self.apply(workspace, binding, &work, batch, sink)
    }

    fn apply(
        &self,
        workspace: &Workspace,
        binding: &Binding,
        work: &Work,
        batch: &mut Batch,
        sink: &Sink,
    ) -> Result<()> {
        let path = |change: &bound::Change| binding.dir.join(&change.path);
        for change in &work.writes {
            self.own
                .announce(&path(change), change.new.as_deref().unwrap_or_default());
        }
        bound::apply(&[(&binding.dir, work)])?;
        let lang = binding.language.name();
        for change in &work.writes {
            sink.send(Event::SchemaWritten {
                path: workspace.shown(&path(change)),
                why: match &change.cell {
                    Some(cell) => format!("the {lang} binding of `{cell}`"),
                    None => format!("what the {lang} bindings share"),
                },
            });
            let bytes = change.new.clone().unwrap_or_default();
            batch.written.push((path(change), bytes));
        }
        for change in &work.removes {
            sink.send(Event::Note {
                message: format!(
                    "removed `{}`, which no binding needs any more",
                    workspace.shown(&path(change))
                ),
            });
        }
        Ok(())
    }
}

/// What the bound folders followed from when they were brought up to date.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    snapshots: BTreeMap<String, Arc<Snapshot>>,
    folders: Vec<(PathBuf, &'static str, BTreeSet<String>)>,
}

impl Bound {
    fn load(workspace: &Workspace, schema_dir: &Path) -> Result<Bound> {
        let memories = vec![
            Memory::of_workspace(&workspace.root)?,
            Memory::of_home(schema_dir)?,
        ];
        let declared = bound::declared(workspace, &bound::real)?;
        let mut folders: BTreeMap<(PathBuf, &str), Binding> = BTreeMap::new();
        for binding in memories.iter().flat_map(Memory::bindings).chain(declared) {
            let key = (binding.dir.clone(), binding.language.name());
            match folders.get_mut(&key) {
                Some(known) => {
                    known.cells.extend(binding.cells);
                    known.declared |= binding.declared;
                }
                None => drop(folders.insert(key, binding)),
            }
        }
        Ok(Bound {
            memories,
            folders: folders.into_values().collect(),
        })
    }

    /// Forgets what is gone, with a word. What a `Cell.toml` declares is never forgotten.
    fn forget(&mut self, workspace: &Workspace, sink: &Sink) -> Result<()> {
        for binding in self.folders.iter_mut().filter(|binding| !binding.declared) {
            let lang = binding.language.name();
            let gone: Vec<String> = binding
                .cells
                .iter()
                .filter(|cell| !bound::is_there(&binding.dir, binding.language, cell))
                .cloned()
                .collect();
            for cell in gone {
                sink.send(Event::Note {
                    message: format!(
                        "the {lang} binding of `{cell}` in `{}` is gone and is forgotten",
                        workspace.shown(&binding.dir)
                    ),
                });
                binding.cells.remove(&cell);
                for memory in &mut self.memories {
                    memory.keep_only(&binding.dir, lang, &|kept| kept != cell);
                }
            }
        }
        self.folders.retain(|binding| !binding.cells.is_empty());
        for memory in &self.memories {
            memory.store()?;
        }
        Ok(())
    }

    fn keys(&self) -> Vec<(PathBuf, &'static str, BTreeSet<String>)> {
        let key = |binding: &Binding| {
            (
                binding.dir.clone(),
                binding.language.name(),
                binding.cells.clone(),
            )
        };
        self.folders.iter().map(key).collect()
    }
}
