//! `cargo metadata` → what the workspace holds: its root, its packages and the cells among them.
//!
//! A cell is a package with a binary that depends directly on the package `cell-runtime`, whatever name it gives it.
//! Nothing here is configured; `Cell.toml` only changes how a cell runs.

pub mod config;
mod dirs;
mod discover;
pub mod limits;
pub mod metadata;
pub mod remote;
pub mod restart;
pub mod rights;
pub mod sandbox;

use std::path::{Path, PathBuf};

pub use config::Config;
pub use dirs::Dirs;
pub use discover::discover;

/// A workspace of cells.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The canonical root.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target_dir: PathBuf,
    /// Every package of the workspace.
    pub members: Vec<Member>,
    /// The packages that are cells, by package name.
    pub cells: Vec<Cell>,
}

/// A package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Cargo's id of it.
    pub id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// It has a build script, which may read any file of the package.
    pub has_build_script: bool,
    /// The folders of its path dependencies.
    pub path_dependencies: Vec<PathBuf>,
    /// The bindings that it declares.
    pub bindings: Vec<config::Declared>,
}

/// A package that is a cell. Its own name is known once it is built: its service's, or else its package's.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The package's name.
    pub package: String,
    /// Cargo's id of the package.
    pub package_id: String,
    /// The package's folder.
    pub dir: PathBuf,
    /// The binary target.
    pub bin: String,
    /// How it runs.
    pub config: Config,
}

impl Workspace {
    /// The member with this cargo id.
    #[must_use]
    pub fn member_by_id(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The member that a file lies in: the deepest one.
    #[must_use]
    pub fn member_of(&self, file: &Path) -> Option<&Member> {
        self.members
            .iter()
            .filter(|member| file.starts_with(&member.dir))
            .max_by_key(|member| member.dir.components().count())
    }

    /// Whether a file is cargo's output. The workspace itself may lie in a target folder, as those of tests do.
    #[must_use]
    pub fn is_output(&self, path: &Path) -> bool {
        let inside_out = self.root.starts_with(&self.target_dir);
        path.starts_with(&self.target_dir) && !(inside_out && path.starts_with(&self.root))
    }

    /// A path for people: relative to the root where it lies in it.
    #[must_use]
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}
