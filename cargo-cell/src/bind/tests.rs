//! A language that is small enough to read at a glance, for tests of everything around generators.

use cell_runtime::schema::{Error, Fingerprint, Snapshot};

use super::{File, Language, MARK, Place, short_name};

/// The language: a code file and a lock a cell, a file for all cells, and a package file.
pub(crate) struct Plain;

impl Language for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn generate(&self, snapshot: &Snapshot, _place: &Place) -> Result<Vec<File>, Error> {
        let code = File {
            path: format!("{}/code.plain", short_name(&snapshot.name)),
            text: format!("# {MARK}\n{}\n{}\n", snapshot.fingerprint, snapshot.docs),
        };
        Ok(vec![code, self.lock(&snapshot.name, snapshot.fingerprint)])
    }

    fn lock(&self, cell: &str, fingerprint: Fingerprint) -> File {
        File {
            path: format!("{}/lock.plain", short_name(cell)),
            text: format!("# {MARK}\n{fingerprint}\n"),
        }
    }

    fn shared(&self, _place: &Place) -> Vec<File> {
        vec![File {
            path: "shared/core.plain".to_owned(),
            text: format!("# {MARK}\n"),
        }]
    }

    fn package(&self, place: &Place) -> Vec<File> {
        vec![File {
            path: "plain.package".to_owned(),
            text: format!("name {}\n", place.name),
        }]
    }
}

/// A snapshot of a service without routes.
pub(crate) fn snapshot(cell: &str) -> Snapshot {
    Snapshot {
        format: cell_runtime::schema::FORMAT,
        name: cell.to_owned(),
        fingerprint: Fingerprint(cell.len() as u64),
        archive: cell_runtime::schema::ARCHIVE.to_owned(),
        docs: String::new(),
        types: Vec::new(),
        routes: Vec::new(),
        layouts: Vec::new(),
    }
}
