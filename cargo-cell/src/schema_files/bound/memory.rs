//! Which folders hold bindings: those that `bind` has written, and those that a `Cell.toml` declares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use cell_runtime::schema::is_identifier;
use serde::{Deserialize, Serialize};

use crate::bind::{LANGUAGES, Language, language};
use crate::error::{Error, Result};
use crate::workspace::Workspace;
use crate::workspace::config::similar;

/// The version of `bindings.json`.
const FORMAT: u32 = 1;
/// A file that somebody else may have written.
const BINDINGS_MAX: usize = 1024;

/// Bindings in one folder and language.
#[derive(Clone)]
pub struct Binding {
    /// The folder.
    pub dir: PathBuf,
    /// The language.
    pub language: &'static dyn Language,
    /// The cells.
    pub cells: BTreeSet<String>,
    /// A `Cell.toml` says so: it is not forgotten when it is gone.
    pub declared: bool,
}

/// A `bindings.json`: the workspace's, whose folders are relative to its root, or one in `$CELL_HOME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The file.
    pub file: PathBuf,
    /// What its folders are relative to; nothing where they are absolute.
    pub base: Option<PathBuf>,
    folders: BTreeMap<(PathBuf, String), BTreeSet<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    format: u32,
    bindings: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    lang: String,
    out: String,
    cells: Vec<String>,
}

impl Memory {
    /// One that remembers nothing.
    #[must_use]
    pub fn new(file: PathBuf, base: Option<PathBuf>) -> Self {
        Memory {
            file,
            base,
            folders: BTreeMap::new(),
        }
    }

    /// Reads a file's text: it may come from a stranger, so it leads nowhere outside its workspace.
    pub fn parse(text: &str, file: PathBuf, base: Option<PathBuf>) -> Result<Self> {
        let broken = |why: String| {
            Error::user(format!("cannot read `{}`", file.display()))
                .because(why)
                .hint("remove it and run `cargo cell bind` for each folder again")
        };
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(|cause| broken(cause.to_string()))?;
        if head.format > FORMAT {
            return Err(Error::user(format!(
                "`{}` was written by a newer cargo-cell: it has format {}, this version reads {FORMAT}",
                file.display(),
                head.format
            ))
            .hint("update cargo-cell"));
        }
        let json: Json = serde_json::from_str(text).map_err(|cause| broken(cause.to_string()))?;
        if json.bindings.len() > BINDINGS_MAX {
            return Err(broken(format!("it has more than {BINDINGS_MAX} bindings")));
        }
        let mut memory = Memory::new(file.clone(), base.clone());
        for entry in json.bindings {
            let out = Path::new(&entry.out);
            let plain = |part| matches!(part, Component::Normal(_));
            let dir = match &base {
                Some(base) if out.components().all(plain) => base.join(out),
                None if out.is_absolute() => out.to_owned(),
                _ => {
                    return Err(broken(format!(
                        "`{}` is not a folder of this workspace",
                        entry.out.escape_debug()
                    )));
                }
            };
            let known = language(&entry.lang)
                .ok_or_else(|| unknown_language(&entry.lang, &file.display().to_string()))?;
            if let Some(bad) = entry.cells.iter().find(|cell| !is_identifier(cell)) {
                return Err(broken(format!("`{}` names no cell", bad.escape_debug())));
            }
            memory.remember(&dir, known.name(), &entry.cells);
        }
        Ok(memory)
    }

    /// The file's text; nothing where nothing is remembered.
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        let entry = |((dir, lang), cells): (&(PathBuf, String), &BTreeSet<String>)| {
            let out = match &self.base {
                Some(base) => dir.strip_prefix(base).unwrap_or(dir),
                None => dir,
            };
            Entry {
                lang: lang.clone(),
                out: out.to_string_lossy().into_owned(),
                cells: cells.iter().cloned().collect(),
            }
        };
        let json = Json {
            format: FORMAT,
            bindings: self.folders.iter().map(entry).collect(),
        };
        // Only a map with keys that are no strings could fail, and there is none.
        let text = serde_json::to_string_pretty(&json).unwrap_or_default() + "\n";
        (!self.folders.is_empty()).then_some(text)
    }

    /// Remembers cells in a folder, beside those that are remembered there already.
    pub fn remember(&mut self, dir: &Path, lang: &str, cells: &[String]) {
        let folder = self.folders.entry((dir.to_owned(), lang.to_owned()));
        folder.or_default().extend(cells.iter().cloned());
    }

    /// Forgets all cells of a folder but these.
    pub fn keep_only(&mut self, dir: &Path, lang: &str, keep: &dyn Fn(&str) -> bool) {
        if let Some(cells) = self.folders.get_mut(&(dir.to_owned(), lang.to_owned())) {
            cells.retain(|cell| keep(cell));
        }
        self.folders.retain(|_, cells| !cells.is_empty());
    }

    /// Every folder.
    #[must_use]
    pub fn bindings(&self) -> Vec<Binding> {
        let binding = |((dir, lang), cells): (&(PathBuf, String), &BTreeSet<String>)| {
            Some(Binding {
                dir: dir.clone(),
                language: language(lang)?,
                cells: cells.clone(),
                declared: false,
            })
        };
        self.folders.iter().filter_map(binding).collect()
    }
}

/// The bindings that the packages of a workspace declare, each with the file that says so. `real` makes a path canonical.
pub fn declared(
    workspace: &Workspace,
    real: &dyn Fn(&Path) -> Result<PathBuf>,
) -> Result<Vec<Binding>> {
    let mut bindings = Vec::new();
    for member in &workspace.members {
        for declared in &member.bindings {
            let place = format!("[[bindings]] of `{}`", member.name);
            for lang in &declared.langs {
                let language = language(lang).ok_or_else(|| unknown_language(lang, &place))?;
                bindings.push(Binding {
                    dir: real(&member.dir.join(&declared.out))?,
                    language,
                    cells: declared.cells.iter().cloned().collect(),
                    declared: true,
                });
            }
        }
    }
    Ok(bindings)
}

/// The error of a language that there is none of.
#[must_use]
pub(crate) fn unknown_language(name: &str, place: &str) -> Error {
    let names: Vec<&str> = LANGUAGES.iter().map(|language| language.name()).collect();
    let error = Error::user(format!(
        "unknown language `{}` in {place}",
        name.escape_debug()
    ));
    error.hint(match similar(name, &names) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("one of {}", names.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Memory> {
        Memory::parse(text, PathBuf::from("b.json"), Some(PathBuf::from("/w")))
    }

    #[test]
    fn what_is_remembered_is_read_back() {
        let mut memory = Memory::new("b.json".into(), Some("/w".into()));
        assert_eq!(memory.to_json(), None);
        memory.remember(
            Path::new("/w/clients"),
            "rust",
            &["b".to_owned(), "a".to_owned()],
        );
        memory.remember(Path::new("/w/clients"), "rust", &["c".to_owned()]);
        let text = memory.to_json().expect("there is something");
        assert!(
            text.contains("\"out\": \"clients\"") && !text.contains("/w"),
            "{text}"
        );
        assert_eq!(parse(&text), Ok(memory.clone()));
        memory.keep_only(Path::new("/w/clients"), "rust", &|cell| cell == "c");
        assert_eq!(memory.bindings()[0].cells, BTreeSet::from(["c".to_owned()]));
        memory.keep_only(Path::new("/w/clients"), "rust", &|_| false);
        assert_eq!(memory.to_json(), None);
    }

    #[test]
    fn a_strangers_file_leads_nowhere() {
        let entry = |out: &str, lang: &str, cell: &str| {
            format!(
                "{{\"format\": 1, \"bindings\": [{{\"lang\": {lang:?}, \"out\": {out:?}, \"cells\": [{cell:?}]}}]}}"
            )
        };
        assert!(parse(&entry("a/b", "rust", "c")).is_ok());
        for (text, part) in [
            (entry("../a", "rust", "c"), "../a"),
            (entry("a/../../b", "rust", "c"), "a/../../b"),
            (entry("/etc", "rust", "c"), "/etc"),
            (entry("a", "rsut", "c"), "rsut"),
            (entry("a", "rust", "../c"), "../c"),
            ("{".to_owned(), "b.json"),
            ("{\"format\": 2, \"x\": 1}".to_owned(), "newer cargo-cell"),
            (
                "{\"format\": 1, \"bindings\": [], \"x\": 1}".to_owned(),
                "x",
            ),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!error.hints.is_empty(), "{text}");
        }
    }
}
