//! The cells as the loop knows them: what was built, what serves, what to start next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::fleet::{Outcome, Start};
use super::sets::{self, Candidate, Set, Version};
use crate::build::{Batch, Built};
use crate::event::Event;
use crate::graph::Graph;
use crate::workspace::remote::Remote;
use crate::workspace::sandbox::SandboxMode;
use crate::workspace::{Cell, Workspace};

/// Everything known of the cells.
pub struct Roster {
    data_dir: PathBuf,
    /// The sandbox of the command line; it wins over a `Cell.toml`.
    sandbox: Option<SandboxMode>,
    /// By package.
    cells: BTreeMap<String, Entry>,
    /// Names that serve and belong to no package any more.
    gone: Vec<String>,
    cycles: Vec<Vec<String>>,
    held: BTreeMap<String, String>,
    /// The names of committed snapshots.
    committed: BTreeSet<String>,
    /// The cells that are to run, by name or package; the others start when they are called. All where nothing is said.
    wanted: Option<BTreeSet<String>>,
    /// The cells that somebody stopped, by name: a new build alone does not start them.
    resting: BTreeSet<String>,
}

struct Entry {
    name: String,
    candidate: Candidate,
    start: Option<Start>,
    serving_binary: Option<PathBuf>,
}

/// A swap that is to be done.
#[derive(Debug)]
pub struct Swap {
    /// The batch it belongs to.
    pub batch: u64,
    /// What is to start, callees first.
    pub starts: Vec<Start>,
    /// A schema changes: all of them serve, or none.
    pub all_or_none: bool,
    /// Told when the swap is over.
    pub done: watch::Sender<bool>,
    versions: BTreeMap<String, Version>,
}

/// What a batch leads to.
#[derive(Default)]
pub struct Plan {
    /// Swaps, each with the swaps of its callees that it waits for.
    pub swaps: Vec<(Swap, Vec<watch::Receiver<bool>>)>,
    /// What is held back.
    pub held: Vec<Event>,
}

impl Roster {
    /// A roster of nobody.
    #[must_use]
    pub fn new(data_dir: PathBuf, sandbox: Option<SandboxMode>) -> Self {
        Roster {
            data_dir,
            sandbox,
            cells: BTreeMap::new(),
            gone: Vec::new(),
            cycles: Vec::new(),
            held: BTreeMap::new(),
            committed: BTreeSet::new(),
            wanted: None,
            resting: BTreeSet::new(),
        }
    }

    /// Only these cells are to run; the others start when they are called.
    pub fn only(&mut self, cells: &[String]) {
        self.wanted = Some(cells.iter().cloned().collect());
    }

    /// These cells are to run as well; all where none is named.
    pub fn want(&mut self, cells: &[String]) {
        match cells.is_empty() {
            true => self.resting.clear(),
            false => self.resting.retain(|name| !cells.contains(name)),
        }
        match &mut self.wanted {
            Some(_) if cells.is_empty() => self.wanted = None,
            Some(wanted) => wanted.extend(cells.iter().cloned()),
            None => {}
        }
    }

    /// A cell runs no more until it is wanted again.
    pub fn rest(&mut self, name: &str) {
        self.resting.insert(name.to_owned());
        self.is_down(name);
    }

    /// A cell does not run, whatever was started before; says whether there is a build of it.
    pub fn is_down(&mut self, name: &str) -> bool {
        let entry = self.cells.values_mut().find(|entry| entry.name == name);
        entry.is_some_and(|entry| {
            entry.candidate.serving = None;
            entry.candidate.tried = None;
            entry.start.is_some()
        })
    }

    /// The binary of a cell's last build.
    #[must_use]
    pub fn binary(&self, name: &str) -> Option<&Path> {
        let entry = self.cells.values().find(|entry| entry.name == name)?;
        entry.start.as_ref().map(|start| start.binary.as_path())
    }

    /// Whether a cell or a package has this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        let mut cells = self.cells.iter();
        cells.any(|(package, entry)| package == name || entry.name == name)
    }

    /// The cells that need not run and do not.
    pub fn parked(&self) -> impl Iterator<Item = &Start> {
        let parked = |(package, entry): (&String, &'_ Entry)| {
            !self.wants(package, entry) && entry.candidate.serving.is_none()
        };
        self.cells
            .iter()
            .filter(move |(package, entry)| parked((package, entry)))
            .filter_map(|(_, entry)| entry.start.as_ref())
    }

    fn wants(&self, package: &str, entry: &Entry) -> bool {
        if self.resting.contains(&entry.name) {
            return false;
        }
        self.wanted.as_ref().is_none_or(|wanted| {
            entry.candidate.serving.is_some()
                || wanted.contains(package)
                || wanted.contains(&entry.name)
        })
    }

    /// Takes over the outcome of a build.
    pub fn built(&mut self, workspace: &Workspace, batch: &Batch) {
        for cell in &workspace.cells {
            let built = batch.built.get(&cell.package);
            let name = built.map(|built| built.name.clone());
            let start = built.map(|built| self.start(cell, built));
            let entry = self.entry(&cell.package);
            if let Some(name) = name
                && name != entry.name
            {
                let before = std::mem::replace(&mut entry.name, name);
                if entry.candidate.serving.take().is_some() {
                    entry.candidate.tried = None;
                    self.gone.push(before);
                }
            }
            let entry = self.entry(&cell.package);
            entry.candidate.built = built
                .zip(start.as_ref())
                .map(|(built, start)| version(built, start));
            entry.candidate.failure = batch.failed.get(&cell.package).cloned();
            entry.start = start;
        }
        self.committed.clone_from(&batch.committed);
        let packages: BTreeSet<&String> =
            workspace.cells.iter().map(|cell| &cell.package).collect();
        let gone = &mut self.gone;
        self.cells.retain(|package, entry| {
            let stays = packages.contains(package);
            if !stays {
                gone.push(entry.name.clone());
            }
            stays
        });
    }

    /// Nothing could be built at all.
    pub fn failed(&mut self, workspace: &Workspace, reason: &str) {
        for cell in &workspace.cells {
            let entry = self.entry(&cell.package);
            entry.candidate.built = None;
            entry.candidate.failure = Some(reason.to_owned());
        }
    }

    /// The cells that are to be open to the network, by name; one that never served has no name yet.
    #[must_use]
    pub fn doors(&self, workspace: &Workspace) -> BTreeMap<String, Remote> {
        let door = |cell: &Cell| {
            let entry = self.cells.get(&cell.package)?;
            let is_known = entry.start.is_some() || entry.candidate.serving.is_some();
            let remote = cell.config.remote.clone().filter(|_| is_known)?;
            Some((entry.name.clone(), remote))
        };
        workspace.cells.iter().filter_map(door).collect()
    }

    /// The names that are to stop for good.
    pub fn gone(&mut self) -> Vec<String> {
        std::mem::take(&mut self.gone)
    }

    /// The cells that have nothing to serve, with the reason.
    #[must_use]
    pub fn unavailable(&self) -> Vec<(String, String)> {
        let idle = || {
            self.cells
                .iter()
                .filter(|(_, entry)| entry.candidate.serving.is_none())
        };
        let failed: Vec<(&String, &Entry, &String)> = idle()
            .filter_map(|(package, entry)| {
                Some((package, entry, entry.candidate.failure.as_ref()?))
            })
            .collect();
        let mut unavailable: Vec<(String, String)> = failed
            .iter()
            .map(|(_, entry, reason)| (entry.name.clone(), (*reason).clone()))
            .collect();
        // The service of a package that was never built is not known, but a committed snapshot that nobody claims is
        // one of theirs.
        let unbuilt: Vec<String> = failed
            .iter()
            .filter(|(package, entry, _)| entry.name == **package)
            .map(|(package, _, reason)| format!("package `{package}` does not compile: {reason}"))
            .collect();
        if !unbuilt.is_empty() {
            let claimed: BTreeSet<&String> = self.cells.values().map(|entry| &entry.name).collect();
            let nobodys = self.committed.iter().filter(|name| !claimed.contains(name));
            unavailable.extend(nobodys.map(|name| (name.clone(), unbuilt.join("; "))));
        }
        unavailable
    }

    /// Circles of calls that were not there before.
    pub fn new_cycles(&mut self) -> Vec<Vec<String>> {
        let cycles = self.graph().cycles();
        let new = cycles
            .iter()
            .filter(|cycle| !self.cycles.contains(cycle))
            .cloned()
            .collect();
        self.cycles = cycles;
        new
    }

    /// The cells that serve.
    #[must_use]
    pub fn serving(&self) -> Vec<String> {
        self.cells
            .values()
            .filter(|entry| entry.candidate.serving.is_some())
            .map(|entry| entry.name.clone())
            .collect()
    }

    /// Whether a private copy of a binary is still needed.
    #[must_use]
    pub fn uses(&self, binary: &Path) -> bool {
        self.cells.values().any(|entry| {
            entry.serving_binary.as_deref() == Some(binary)
                || entry
                    .start
                    .as_ref()
                    .is_some_and(|start| start.binary == binary)
        })
    }

    /// The cells that stay on their old generation, with the blocker's words.
    #[must_use]
    pub fn held(&self) -> &BTreeMap<String, String> {
        &self.held
    }

    /// What to do now; what is planned counts as tried.
    pub fn plan(&mut self, batch: u64) -> Plan {
        let candidates = self
            .cells
            .iter()
            .filter(|(package, entry)| self.wants(package, entry))
            .map(|(_, entry)| (entry.name.clone(), entry.candidate.clone()))
            .collect();
        let level_of: BTreeMap<String, usize> = self
            .graph()
            .levels()
            .into_iter()
            .enumerate()
            .flat_map(|(level, names)| names.into_iter().map(move |name| (name, level)))
            .collect();
        let mut plan = Plan::default();
        let mut swaps = Vec::new();
        self.held.clear();
        for set in sets::sets(&candidates) {
            match &set.blocker {
                Some((blocker, reason)) => {
                    let message = format!(
                        "{reason}; {} stays as it is until this is fixed",
                        listed(&set.cells)
                    );
                    for cell in &set.cells {
                        self.held
                            .insert(cell.clone(), format!("`{blocker}`: {reason}"));
                    }
                    plan.held.push(Event::Held {
                        blocker: blocker.clone(),
                        cells: set.cells.iter().cloned().collect(),
                        message,
                    });
                }
                None => swaps.push(self.swap(batch, &set, &level_of)),
            }
        }
        let waits: Vec<Vec<watch::Receiver<bool>>> = swaps
            .iter()
            .map(|swap| callees(swap, &swaps, &level_of))
            .collect();
        plan.swaps = swaps.into_iter().zip(waits).collect();
        plan
    }

    /// Takes over the outcome of a swap.
    pub fn applied(&mut self, swap: &Swap, outcome: &Outcome) {
        for entry in self.cells.values_mut() {
            if let Some(version) = swap.versions.get(&entry.name)
                && outcome.serving.contains(&entry.name)
            {
                entry.candidate.serving = Some(version.clone());
                entry.serving_binary = swap
                    .starts
                    .iter()
                    .find(|start| start.name == entry.name)
                    .map(|start| start.binary.clone());
            }
        }
    }

    fn swap(&mut self, batch: u64, set: &Set, level_of: &BTreeMap<String, usize>) -> Swap {
        let mut starts = Vec::new();
        let mut versions = BTreeMap::new();
        for entry in self
            .cells
            .values_mut()
            .filter(|entry| set.cells.contains(&entry.name))
        {
            entry.candidate.tried = entry.candidate.built.clone();
            if let (Some(start), Some(version)) = (&entry.start, &entry.candidate.built) {
                starts.push(start.clone());
                versions.insert(entry.name.clone(), version.clone());
            }
        }
        starts.sort_by_key(|start| level_of.get(&start.name).copied().unwrap_or(0));
        Swap {
            batch,
            starts,
            all_or_none: set.all_or_none,
            done: watch::channel(false).0,
            versions,
        }
    }

    fn graph(&self) -> Graph {
        let calls = self
            .cells
            .values()
            .map(|entry| {
                let version = entry
                    .candidate
                    .built
                    .as_ref()
                    .or(entry.candidate.serving.as_ref());
                (
                    entry.name.clone(),
                    version
                        .map(|version| version.calls.clone())
                        .unwrap_or_default(),
                )
            })
            .collect();
        Graph::new(&calls)
    }

    fn entry(&mut self, package: &str) -> &mut Entry {
        self.cells
            .entry(package.to_owned())
            .or_insert_with(|| Entry {
                name: package.to_owned(),
                candidate: Candidate::default(),
                start: None,
                serving_binary: None,
            })
    }

    fn start(&self, cell: &Cell, built: &Built) -> Start {
        let sandbox = self.sandbox.or(cell.config.sandbox);
        Start {
            name: built.name.clone(),
            package: cell.package.clone(),
            binary: built.binary.clone(),
            binary_hash: built.hash.clone(),
            fingerprint: built.fingerprint,
            snapshot: built.snapshot.clone(),
            calls: built.calls.iter().cloned().collect(),
            overlap: cell.config.overlap,
            sandbox: sandbox.unwrap_or_default(),
            package_dir: cell.dir.clone(),
            data_dir: self.data_dir.join(&built.name),
            env: cell.config.env.clone(),
            rights: cell.config.rights.clone(),
            restart: cell.config.restart.clone(),
            drain: cell.config.drain,
            grace: cell.config.grace,
            ready: cell.config.ready,
        }
    }
}

/// A changed configuration is a changed cell too.
fn version(built: &Built, start: &Start) -> Version {
    let configuration = format!(
        "{}|{:?}|{:?}|{:?}|{:?}|{:?}|{:?}|{:?}",
        start.overlap,
        start.sandbox,
        start.env,
        start.drain,
        start.grace,
        start.ready,
        start.rights,
        start.restart
    );
    let configuration = blake3::hash(configuration.as_bytes()).to_hex();
    Version {
        identity: format!("{}:{}", built.hash, &configuration[..16]),
        fingerprint: built.fingerprint,
        calls: built.calls.clone(),
    }
}

/// The swaps of what this one calls. Only lower levels are waited for, so a circle cannot wait for itself.
fn callees(
    swap: &Swap,
    swaps: &[Swap],
    level_of: &BTreeMap<String, usize>,
) -> Vec<watch::Receiver<bool>> {
    let height = |swap: &Swap| {
        swap.starts
            .iter()
            .filter_map(|start| level_of.get(&start.name))
            .max()
            .copied()
    };
    swaps
        .iter()
        .filter(|other| height(other) < height(swap))
        .filter(|other| {
            other.starts.iter().any(|start| {
                swap.starts
                    .iter()
                    .any(|caller| caller.calls.contains(&start.name))
            })
        })
        .map(|other| other.done.subscribe())
        .collect()
}

fn listed(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
