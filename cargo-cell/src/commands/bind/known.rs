//! What is known of folders and snapshots where the command runs.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::schema_files::bound::{self, Binding, Memory};
use crate::schema_files::find::{Shelves, Source, folders};
use crate::workspace::Workspace;

/// Where the snapshot of a cell in a folder comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// The command line names it.
    Named,
    /// The workspace that the command runs in.
    Here,
    /// The workspace with these schemas in `$CELL_HOME`.
    Home(PathBuf),
}

/// The cells of each folder in each language.
pub(super) type Folders = BTreeMap<(PathBuf, String), BTreeMap<String, Whose>>;

/// Everything that is remembered, declared and built.
pub(super) struct Known {
    shelves: Shelves,
    current: PathBuf,
    root: Option<PathBuf>,
    /// The workspace's own, and those in `$CELL_HOME` by the folder of the schemas.
    own: Option<Memory>,
    home: BTreeMap<PathBuf, Memory>,
    declared: Vec<Binding>,
}

impl Known {
    /// Reads what is remembered. A file in another workspace's folder that cannot be read only gives a warning.
    pub(super) fn new(
        shelves: Shelves,
        current: &Path,
        workspace: Option<Workspace>,
        warn: &dyn Fn(String),
    ) -> Result<Known> {
        let here = shelves.here.clone();
        let own = workspace
            .as_ref()
            .map(|workspace| Memory::of_workspace(&workspace.root))
            .transpose()?;
        let declared = match &workspace {
            Some(workspace) => bound::declared(workspace, &bound::real)?,
            None => Vec::new(),
        };
        let mut known = Known {
            current: bound::real(current)?,
            root: workspace.map(|workspace| workspace.root),
            own,
            home: BTreeMap::new(),
            declared,
            shelves,
        };
        let mut dirs: BTreeSet<PathBuf> = folders(&known.shelves.home).into_iter().collect();
        dirs.extend(here.as_ref().map(|(_, schema_dir)| schema_dir.clone()));
        for dir in dirs {
            match Memory::of_home(&dir) {
                Ok(memory) => drop(known.home.insert(dir, memory)),
                Err(error) if here.as_ref().is_some_and(|(_, own)| *own == dir) => {
                    return Err(error);
                }
                Err(error) => warn(error.to_string()),
            }
        }
        Ok(known)
    }

    /// The snapshots that the command line names.
    pub(super) fn sources(
        &self,
        cells: &[String],
        files: &[PathBuf],
    ) -> Result<BTreeMap<String, Source>> {
        let mut sources: BTreeMap<String, Source> = BTreeMap::new();
        for file in files {
            let source = self.shelves.file(file)?;
            let name = source.snapshot.name.clone();
            if let Some(other) = sources.get(&name) {
                return Err(Error::usage(format!(
                    "two snapshots of one cell, `{name}`: `{}` and `{}`",
                    other.path.display(),
                    file.display()
                )));
            }
            sources.insert(name, source);
        }
        if files.is_empty() {
            for cell in cells {
                sources.insert(cell.clone(), self.shelves.find(cell)?);
            }
        }
        if let Some(missing) = cells.iter().find(|cell| !sources.contains_key(*cell)) {
            let there: Vec<&str> = sources.keys().map(String::as_str).collect();
            return Err(Error::usage(format!(
                "no `--from` is a snapshot of `{}`",
                missing.escape_debug()
            ))
            .hint(format!("they are of {}", there.join(", "))));
        }
        if !cells.is_empty() {
            sources.retain(|name, _| cells.contains(name));
        }
        Ok(sources)
    }

    /// The snapshot of a cell that a folder holds a binding of; nothing where there is none any more.
    pub(super) fn find(&self, cell: &str, whose: &Whose) -> Result<Option<Source>> {
        let own = self.shelves.here.as_ref().map(|(_, schema_dir)| schema_dir);
        let here = match whose {
            Whose::Home(dir) if Some(dir) != own => Some((dir.clone(), dir.clone())),
            _ => self.shelves.here.clone(),
        };
        let shelves = Shelves {
            here,
            home: PathBuf::new(),
        };
        match shelves.names().contains(cell) {
            true => shelves.find(cell).map(Some),
            false => Ok(None),
        }
    }

    /// Everything that is remembered and declared.
    fn all(&self) -> Folders {
        let mut all = Folders::new();
        let mut add = |binding: Binding, whose: &Whose| {
            let key = (binding.dir, binding.language.name().to_owned());
            let cells = all.entry(key).or_default();
            for cell in binding.cells {
                cells.entry(cell).or_insert_with(|| whose.clone());
            }
        };
        let own = self.own.iter().flat_map(Memory::bindings);
        for binding in own.chain(self.declared.iter().cloned()) {
            add(binding, &Whose::Here);
        }
        for (dir, memory) in &self.home {
            for binding in memory.bindings() {
                add(binding, &Whose::Home(dir.clone()));
            }
        }
        all
    }

    /// The cells that a folder holds in a language.
    pub(super) fn at(&self, dir: &Path, lang: &str) -> BTreeMap<String, Whose> {
        let key = (dir.to_owned(), lang.to_owned());
        self.all().remove(&key).unwrap_or_default()
    }

    /// The folders that are remembered and match: of this workspace, and those around the current folder.
    pub(super) fn remembered(
        &self,
        dir: Option<&Path>,
        langs: &[String],
        cells: &[String],
    ) -> Folders {
        let own = self.shelves.here.as_ref().map(|(_, schema_dir)| schema_dir);
        let mut all = self.all();
        all.retain(|(folder, lang), held| {
            let near = folder.starts_with(&self.current) || self.current.starts_with(folder);
            let of_here = held.values().any(|whose| match whose {
                Whose::Named | Whose::Here => true,
                Whose::Home(schema_dir) => Some(schema_dir) == own,
            });
            // Outside the workspace a folder whose surroundings are gone as well is not meant to be made again.
            let inside = self
                .root
                .as_ref()
                .is_some_and(|root| folder.starts_with(root));
            (inside || folder.parent().is_none_or(Path::exists))
                && (near || of_here)
                && dir.is_none_or(|dir| dir == folder)
                && (langs.is_empty() || langs.contains(lang))
                && (cells.is_empty() || cells.iter().any(|cell| held.contains_key(cell)))
        });
        all
    }

    /// Forgets what a folder holds in a language.
    pub(super) fn forget(&mut self, binding: &Binding) {
        let memories = self.own.iter_mut().chain(self.home.values_mut());
        for memory in memories {
            memory.keep_only(&binding.dir, binding.language.name(), &|_| false);
        }
    }

    /// Remembers what a folder holds, with the workspace that writes each snapshot; gives the cells that none writes.
    pub(super) fn remember(
        &mut self,
        binding: &Binding,
        sources: &BTreeMap<String, Source>,
    ) -> Vec<String> {
        let mut unowned = Vec::new();
        let lang = binding.language.name();
        let own = self.shelves.here.as_ref().map(|(_, schema_dir)| schema_dir);
        for (cell, source) in sources {
            let Some(schema_dir) = &source.schema_dir else {
                unowned.push(cell.clone());
                continue;
            };
            let cells = std::slice::from_ref(cell);
            let is_declared = |declared: &Binding| {
                declared.dir == binding.dir
                    && declared.language.name() == lang
                    && declared.cells.contains(cell)
            };
            if self.declared.iter().any(is_declared) {
                continue;
            }
            let inside = self
                .root
                .as_ref()
                .is_some_and(|root| binding.dir.starts_with(root));
            match &mut self.own {
                Some(memory) if inside && Some(schema_dir) == own => {
                    memory.remember(&binding.dir, lang, cells);
                }
                _ => {
                    let memory = self.home.get_mut(schema_dir);
                    memory
                        .into_iter()
                        .for_each(|memory| memory.remember(&binding.dir, lang, cells));
                }
            }
        }
        unowned
    }

    /// Writes what is remembered.
    pub(super) fn store(&self) -> Result<()> {
        for memory in self.own.iter().chain(self.home.values()) {
            memory.store()?;
        }
        Ok(())
    }

    /// The names of the cells that have snapshots.
    pub(super) fn cell_names(&self) -> Vec<String> {
        self.shelves.names().into_iter().collect()
    }

    /// A path for people: relative to the current folder where it lies in it.
    pub(super) fn shown(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.current);
        match inside {
            Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
            Ok(inside) => inside.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }
}
