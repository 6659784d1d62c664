//! What follows from a round of cargo: who is built, who is not and why, and who lacks a binding.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use super::cargo::Said;
use super::messages;
use crate::event::Level;
use crate::workspace::Workspace;

/// What a round of cargo gave.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Executables by package id and target.
    pub(super) binaries: HashMap<(String, String), PathBuf>,
    /// The first error of each package, by package id.
    pub(super) errors: BTreeMap<String, String>,
    /// Bindings that packages lack, by package id.
    pub(super) missing: BTreeMap<String, BTreeSet<String>>,
    /// What cargo itself complained about.
    pub(super) complaint: Option<String>,
}

impl Round {
    pub(super) fn of(said: &Said) -> Self {
        let mut round = Round::default();
        for binary in &said.binaries {
            let key = (binary.package_id.clone(), binary.target.clone());
            round.binaries.insert(key, binary.executable.clone());
        }
        for (package_id, diagnostic) in &said.diagnostics {
            if diagnostic.level != Level::Error {
                continue;
            }
            if let Some(cell) = messages::missing_binding(&diagnostic.message) {
                round
                    .missing
                    .entry(package_id.clone())
                    .or_default()
                    .insert(cell.to_owned());
            }
            round
                .errors
                .entry(package_id.clone())
                .or_insert_with(|| match &diagnostic.at {
                    Some(at) => format!("{} ({at})", diagnostic.message),
                    None => diagnostic.message.clone(),
                });
        }
        if !said.finished || !said.success {
            round.complaint = said
                .complaints
                .first()
                .map(|line| line.trim_start_matches("error: ").to_owned());
        }
        round
    }
}

/// The cells that have no binary after this round, with the reason.
pub(super) fn failures(workspace: &Workspace, round: &Round) -> BTreeMap<String, String> {
    workspace
        .cells
        .iter()
        .filter(|cell| {
            !round
                .binaries
                .contains_key(&(cell.package_id.clone(), cell.bin.clone()))
        })
        .map(|cell| {
            let reason = match round.errors.get(&cell.package_id) {
                Some(error) => error.clone(),
                None => elsewhere(round),
            };
            (cell.package.clone(), reason)
        })
        .collect()
}

/// A cell may fail to build because of a package that it depends on.
fn elsewhere(round: &Round) -> String {
    match round.errors.iter().next() {
        Some((package_id, error)) => format!(
            "`{}` does not compile: {error}",
            messages::package_name(package_id)
        ),
        None => round
            .complaint
            .clone()
            .unwrap_or_else(|| "it was not built".to_owned()),
    }
}

/// The packages that the compiler found errors in.
pub(super) fn failed_packages(said: &Said) -> Vec<String> {
    let names: BTreeSet<String> = said
        .diagnostics
        .iter()
        .filter(|(_, diagnostic)| diagnostic.level == Level::Error)
        .map(|(id, _)| messages::package_name(id).to_owned())
        .collect();
    names.into_iter().collect()
}
