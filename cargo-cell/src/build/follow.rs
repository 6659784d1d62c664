//! What follows from the binaries' records: snapshots, locks and bindings that agree with them.

use std::collections::BTreeSet;

use super::inspect::Known;
use super::plan::Round;
use super::{Batch, Builder, Writes, messages};
use crate::error::Result;
use crate::event::{Event, Sink};
use crate::schema_files::{self, Authority, Consumer, View};
use crate::workspace::config::similar;
use crate::workspace::{Cell, Workspace};

impl Builder {
    /// Writes what follows from the records of this round's binaries; says whether cargo must run again because a binding
    /// changed.
    pub(super) fn follow(
        &self,
        workspace: &Workspace,
        round: &Round,
        writes: Writes,
        batch: &mut Batch,
        sink: &Sink,
    ) -> Result<bool> {
        let view = self.view(workspace, round);
        let plan = schema_files::plan(&view)?;
        match writes {
            Writes::Nothing => {
                let differences = schema_files::check(&plan.files)?;
                batch.differences = differences
                    .into_iter()
                    .filter(|difference| difference.path.starts_with(&workspace.root))
                    .map(|difference| (workspace.shown(&difference.path), difference.what))
                    .collect();
                return Ok(false);
            }
            Writes::LocksOnly => {
                self.write(workspace, &schema_files::lock_only(&view), batch, sink)?;
                return Ok(false);
            }
            Writes::Everything | Writes::Workspace => {}
        }
        let again = self.write(workspace, &plan.files, batch, sink)?;
        if !again {
            warn_of_strangers(round, &view, sink);
        }
        Ok(again)
    }

    fn view(&self, workspace: &Workspace, round: &Round) -> View {
        let known = |cell: &Cell| -> Option<&Known> {
            self.known.get(
                round
                    .binaries
                    .get(&(cell.package_id.clone(), cell.bin.clone()))?,
            )
        };
        let authorities = workspace
            .cells
            .iter()
            .filter_map(|cell| {
                let snapshot = known(cell)?.inspected.snapshot.as_deref()?.clone();
                Some(Authority {
                    package_dir: cell.dir.clone(),
                    snapshot,
                })
            })
            .collect();
        let consumers = workspace
            .members
            .iter()
            .filter_map(|member| {
                let mut cells = schema_files::bindings_of(&member.dir);
                cells.extend(round.missing.get(&member.id).into_iter().flatten().cloned());
                (!cells.is_empty()).then(|| Consumer {
                    package_dir: member.dir.clone(),
                    cells,
                })
            })
            .collect();
        View {
            root: workspace.root.clone(),
            home_schema_dir: self.schema_dir.clone(),
            authorities,
            consumers,
        }
    }

    /// Writes what differs; says whether any of it is compiled into a package.
    fn write(
        &self,
        workspace: &Workspace,
        files: &[schema_files::FileWrite],
        batch: &mut Batch,
        sink: &Sink,
    ) -> Result<bool> {
        for file in files {
            self.own.announce(&file.path, &file.bytes);
        }
        let mut again = false;
        for file in schema_files::apply(files)? {
            if file.path.starts_with(&workspace.root) {
                sink.send(Event::SchemaWritten {
                    path: workspace.shown(&file.path),
                    why: file.why,
                });
            }
            let folder = file.path.parent().and_then(|folder| folder.file_name());
            again |= folder.is_some_and(|name| name == "cells");
            batch.written.push((file.path, file.bytes));
        }
        Ok(again)
    }
}

/// A package may call a cell that no cell of the workspace is, by a slip of the pen for example.
fn warn_of_strangers(round: &Round, view: &View, sink: &Sink) {
    let names: BTreeSet<&str> = view
        .authorities
        .iter()
        .map(|authority| authority.snapshot.name.as_str())
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    for (package, cells) in &round.missing {
        for cell in cells.iter().filter(|cell| !names.contains(&cell.as_str())) {
            let package = messages::package_name(package);
            let message = match similar(cell, &names) {
                Some(close) => format!(
                    "`{package}` calls `{cell}`, which no built cell of the workspace is; did you mean `{close}`?"
                ),
                None => {
                    format!("`{package}` calls `{cell}`, which no built cell of the workspace is")
                }
            };
            sink.send(Event::Warning { message });
        }
    }
}
