//! What a folder of bindings must hold: every cell's files, the files that they share, the package's files on demand.

use std::collections::BTreeMap;

use cell_runtime::schema::Snapshot;

use super::{File, Language, Place};
use crate::error::{Error, Result};

/// What a folder must hold in one language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The generated files, sorted by path.
    pub files: Vec<Owned>,
    /// The package manager's files: written where they are missing, never overwritten.
    pub package: Vec<File>,
}

/// A generated file and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The file.
    pub file: File,
    /// The cell that it belongs to; nothing for what all cells share.
    pub cell: Option<String>,
}

/// Generates everything that a folder must hold in one language. The snapshots are of different cells.
pub fn wanted(
    language: &dyn Language,
    snapshots: &[&Snapshot],
    place: &Place,
    package: bool,
) -> Result<Wanted> {
    let mut files: BTreeMap<String, Owned> = BTreeMap::new();
    for file in language.shared(place) {
        add(&mut files, Owned { file, cell: None })?;
    }
    let shared: Vec<String> = files
        .keys()
        .filter_map(|path| path.split_once('/').map(|(folder, _)| folder.to_owned()))
        .collect();
    // The cell of each folder: two cells in one would overwrite each other, file by file or as packages.
    let mut folders: BTreeMap<String, &str> = BTreeMap::new();
    for snapshot in snapshots {
        let generated = language
            .generate(snapshot, place)
            .map_err(|error| cannot(language, &snapshot.name, &error))?;
        for file in generated {
            if let Some((folder, _)) = file.path.split_once('/') {
                if shared.iter().any(|shared| shared == folder) {
                    return Err(taken(language, &snapshot.name, folder));
                }
                let other = folders.insert(folder.to_owned(), &snapshot.name);
                if let Some(other) = other.filter(|other| *other != snapshot.name) {
                    return Err(one_name(language, other, &snapshot.name, folder));
                }
            }
            let cell = Some(snapshot.name.clone());
            add(&mut files, Owned { file, cell })?;
        }
    }
    let package = match package {
        true => language.package(place),
        false => Vec::new(),
    };
    Ok(Wanted {
        files: files.into_values().collect(),
        package,
    })
}

fn add(files: &mut BTreeMap<String, Owned>, owned: Owned) -> Result<()> {
    let path = owned.file.path.clone();
    let inside = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !path.split('/').all(inside) {
        return Err(Error::bug(format!(
            "a generator gave the path `{}`",
            path.escape_debug()
        )));
    }
    match files.insert(path, owned) {
        None => Ok(()),
        Some(other) => Err(Error::bug(format!(
            "a generator gave `{}` twice",
            other.file.path
        ))),
    }
}

/// The error of a generator that cannot write a cell's binding.
pub(crate) fn cannot(
    language: &dyn Language,
    cell: &str,
    error: &cell_runtime::schema::Error,
) -> Error {
    let shown = Error::user(format!(
        "cannot write a binding of `{cell}` in {}",
        language.name()
    ))
    .because(error.message());
    match error.help() {
        Some(help) => shown.hint(help),
        None => shown,
    }
}

fn one_name(language: &dyn Language, one: &str, other: &str, folder: &str) -> Error {
    Error::user(format!(
        "`{one}` and `{other}` would both be `{folder}` in {}",
        language.name()
    ))
    .because(
        "a cell's folder is called like the cell without `_service`, and Go's packages have no `_`",
    )
    .hint("rename the service of one of them, or bind them to two folders")
}

fn taken(language: &dyn Language, cell: &str, folder: &str) -> Error {
    Error::user(format!(
        "`{cell}` cannot be bound in {}: the folder `{folder}` holds what all clients share",
        language.name()
    ))
    .hint("rename its service")
}

#[cfg(test)]
mod tests {
    use cell_runtime::schema::Fingerprint;

    use super::*;
    use crate::bind::short_name;
    use crate::bind::tests::{Plain, snapshot};

    fn paths(cells: &[&str]) -> Result<Vec<String>> {
        let snapshots: Vec<Snapshot> = cells.iter().map(|cell| snapshot(cell)).collect();
        let snapshots: Vec<&Snapshot> = snapshots.iter().collect();
        let wanted = wanted(&Plain, &snapshots, &Place::default(), true)?;
        assert_eq!(wanted.package.len(), 1);
        let files = wanted.files.into_iter().map(|owned| owned.file.path);
        Ok(files.collect())
    }

    #[test]
    fn a_folder_a_cell_and_one_for_all() {
        assert_eq!(
            paths(&["market_data", "button_service"]),
            Ok([
                "button/code.plain",
                "button/lock.plain",
                "market_data/code.plain",
                "market_data/lock.plain",
                "shared/core.plain"
            ]
            .map(str::to_owned)
            .to_vec())
        );
    }

    #[test]
    fn two_cells_of_one_short_name_are_an_error_that_names_both() {
        let error = paths(&["button", "button_service"]).expect_err("they collide");
        assert!(
            error.message.contains("`button` and `button_service`"),
            "{error}"
        );
        let error = paths(&["shared_service"]).expect_err("the name is taken");
        assert!(error.message.contains("`shared_service`"), "{error}");
    }

    #[test]
    fn short_names() {
        for (cell, short) in [
            ("button_service", "button"),
            ("market_data", "market_data"),
            ("_service", "_service"),
            ("__service", "__service"),
        ] {
            assert_eq!(short_name(cell), short);
        }
    }

    #[test]
    fn the_default_extension_is_the_locks() {
        assert_eq!(Plain.extensions(), ["plain"]);
        assert_eq!(Plain.lock("a", Fingerprint(1)).path, "a/lock.plain");
    }
}
