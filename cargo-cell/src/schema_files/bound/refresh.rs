//! What must happen to one binding folder: all of it, or its locks alone.

use std::path::Path;

use cell_runtime::schema::{Fingerprint, Snapshot};

use super::{Binding, Work, belongs, compare, is_of_package, look, place};
use crate::bind::{Owned, Wanted, wanted};
use crate::error::Result;

/// What makes a folder hold bindings of these snapshots. Cells of the binding that have none are left as they are, and so
/// is everything else of ours in the `cells` folder of a Rust package, which builds fill as well.
pub fn generate(
    binding: &Binding,
    snapshots: &[&Snapshot],
    package: bool,
    shown: &dyn Fn(&Path) -> String,
) -> Result<Work> {
    let place = place(&binding.dir, binding.language, package)?;
    let wanted = wanted(binding.language, snapshots, &place, package)?;
    let folder = look(&binding.dir, binding.language, &wanted)?;
    let unknown: Vec<&String> = binding
        .cells
        .iter()
        .filter(|cell| !snapshots.iter().any(|snapshot| snapshot.name == **cell))
        .collect();
    let of_package = is_of_package(&binding.dir);
    let keep = |path: &str| {
        of_package
            || unknown
                .iter()
                .any(|cell| belongs(binding.language, cell, path))
    };
    compare(&wanted, &folder, &keep, &|path| {
        shown(&binding.dir.join(path))
    })
}

/// What makes the locks in a folder say what cells are now. Nothing else changes, so a stale binding stops compiling.
pub fn locks(
    binding: &Binding,
    cells: &[(&str, Fingerprint)],
    shown: &dyn Fn(&Path) -> String,
) -> Result<Work> {
    let lock = |(cell, fingerprint): &(&str, Fingerprint)| Owned {
        file: binding.language.lock(cell, *fingerprint),
        cell: Some((*cell).to_owned()),
    };
    let wanted = Wanted {
        files: cells.iter().map(lock).collect(),
        package: Vec::new(),
    };
    let folder = look(&binding.dir, binding.language, &wanted)?;
    compare(&wanted, &folder, &|_| true, &|path| {
        shown(&binding.dir.join(path))
    })
}
