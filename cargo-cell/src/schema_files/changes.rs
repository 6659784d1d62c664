//! What changed between two sets of schemas, cell by cell and field by field.

use std::fmt;

use cell_runtime::schema::{self, Change, Fingerprint, Impact};
use serde_json::{Value, json};

use super::baseline::Schemas;

/// What changed in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellChanges {
    /// The cell.
    pub cell: String,
    /// What it was; nothing for a new one.
    pub old: Option<Fingerprint>,
    /// What it is; nothing for one that is gone.
    pub new: Option<Fingerprint>,
    /// The changes; none where only documentation changed.
    pub changes: Vec<Change>,
}

/// The cells that changed, in order. Cells that are missing now are gone only when `complete`.
#[must_use]
pub fn changes(old: &Schemas, new: &Schemas, complete: bool) -> Vec<CellChanges> {
    let mut cells = Vec::new();
    let whole = |cell: &str, what: &str, impact| {
        vec![Change {
            place: cell.to_owned(),
            what: what.to_owned(),
            impact,
        }]
    };
    for (cell, was) in old {
        match new.get(cell) {
            Some(is) if is == was => {}
            Some(is) => cells.push(CellChanges {
                cell: cell.clone(),
                old: Some(was.fingerprint),
                new: Some(is.fingerprint),
                changes: schema::diff(was, is),
            }),
            None if complete => cells.push(CellChanges {
                cell: cell.clone(),
                old: Some(was.fingerprint),
                new: None,
                changes: whole(cell, "is gone", Impact::BreakingOnTheWire),
            }),
            None => {}
        }
    }
    for (cell, is) in new.iter().filter(|(cell, _)| !old.contains_key(*cell)) {
        cells.push(CellChanges {
            cell: cell.clone(),
            old: None,
            new: Some(is.fingerprint),
            changes: whole(cell, "is new", Impact::None),
        });
    }
    cells.sort_by(|a, b| a.cell.cmp(&b.cell));
    cells
}

impl CellChanges {
    /// The gravest impact.
    #[must_use]
    pub fn impact(&self) -> Impact {
        schema::impact(&self.changes)
    }

    /// For scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "cell": self.cell,
            "old": self.old.map(|fingerprint| fingerprint.to_string()),
            "new": self.new.map(|fingerprint| fingerprint.to_string()),
            "impact": self.impact(),
            "changes": self.changes,
        })
    }
}

impl fmt::Display for CellChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cell, self.impact())?;
        match (self.old, self.new) {
            (Some(old), Some(new)) if old == new => writeln!(f, ", documentation alone changed")?,
            (Some(old), Some(new)) => writeln!(f, ", {old} is now {new}")?,
            (None, Some(new)) => writeln!(f, ", new with {new}")?,
            (Some(old), None) => writeln!(f, ", {old} is gone")?,
            (None, None) => writeln!(f)?,
        }
        // Of a cell that came or went everything has been said.
        if self.old.is_some() && self.new.is_some() {
            for change in &self.changes {
                writeln!(f, "    {change}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::tests::snapshot;

    #[test]
    fn cells_come_change_and_go() {
        let of = |cells: &[&str]| -> Schemas {
            let named = cells
                .iter()
                .map(|cell| ((*cell).to_owned(), snapshot(cell)));
            named.collect()
        };
        let (old, new) = (of(&["gone", "same"]), of(&["new", "same"]));
        let said: Vec<String> = changes(&old, &new, true)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            said,
            [
                "gone: breaking on the wire, 0x0000000000000004 is gone\n",
                "new: none, new with 0x0000000000000003\n"
            ]
        );
        let incomplete: Vec<String> = changes(&old, &new, false)
            .into_iter()
            .map(|cell| cell.cell)
            .collect();
        assert_eq!(incomplete, ["new"]);
    }

    #[test]
    fn documentation_alone_is_said() {
        let mut new = Schemas::from([("a".to_owned(), snapshot("a"))]);
        let old = new.clone();
        if let Some(snapshot) = new.get_mut("a") {
            snapshot.docs = "more".to_owned();
        }
        let said = changes(&old, &new, true);
        assert_eq!(said.len(), 1);
        assert_eq!(
            said[0].to_string(),
            "a: none, documentation alone changed\n"
        );
        assert_eq!(said[0].to_json()["impact"], "none");
    }
}
