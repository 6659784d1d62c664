//! From an order to a process: what it may see, its sockets and pipes, and the keeper around it.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is part of the I/O edge of the supervisor for one process"
)]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};

use cell_runtime::control;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

use super::cgroup;
use super::process::{self, Keeper, Start};
use super::running::Order;
use super::sandbox::place::Place;
use super::sandbox::{self, Policy, Probe, SandboxMode};
use super::types::{CellSpec, InForce};

/// What all generations of a session have around them.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) run_dir: PathBuf,
    pub(super) home: PathBuf,
    pub(super) keeper: PathBuf,
    /// What bubblewrap, and what podman can do here.
    pub(super) probes: [OnceCell<Probe>; 2],
    /// The session's control group, where one can be had.
    pub(super) group: Option<cgroup::Session>,
}

impl Surroundings {
    /// A control group of this name for a cell, and the limits that it does not hold.
    fn group(&self, spec: &CellSpec, name: &str) -> (Option<PathBuf>, Vec<&'static str>) {
        let limits = &spec.rights.limits;
        match self
            .group
            .as_ref()
            .map(|group| group.generation(name, limits))
        {
            Some(Ok((group, missing))) => (Some(group), missing),
            Some(Err(_)) | None => (None, cgroup::asked_for(limits)),
        }
    }
}

/// A process that was started, and what goes with it.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) keeper: Keeper,
    /// The supervisor's end of the cell's control socket.
    pub(super) control: UnixStream,
    pub(super) in_force: InForce,
    pub(super) group: Option<PathBuf>,
    /// Where podman keeps it.
    pub(super) place: Option<Place>,
    /// The folder that holds its binary, where it stood ready before there was one.
    pub(super) stage: Option<PathBuf>,
    /// A lease on it that is there already.
    pub(super) lease: Option<PathBuf>,
    /// What it may see and touch.
    pub(super) policy: Policy,
}

/// Where podman keeps this generation.
fn place(
    mode: SandboxMode,
    probe: &Probe,
    run_dir: &Path,
    name: &str,
) -> Result<Option<Place>, String> {
    match (mode, probe) {
        (SandboxMode::Podman, Probe::Works(host)) => Place::make(Some(run_dir), name, host)
            .map(Some)
            .map_err(|cause| format!("cannot make a folder for podman: {cause}")),
        _ => Ok(None),
    }
}

/// Nobody lives there any more.
pub(super) fn vacate(place: Option<&Place>, stage: Option<&Path>) {
    if let Some(place) = place {
        place.remove();
    }
    if let Some(stage) = stage {
        // What stays is cleared with the session.
        let _ = std::fs::remove_dir_all(stage);
    }
}

/// What a cell may see and touch. Its control group and what that does not hold are not known yet.
pub(super) fn policy(order: &Order, around: &Surroundings, stage: Option<&Path>) -> Policy {
    let spec = &order.spec;
    Policy {
        name: spec.name.clone(),
        generation: order.generation,
        binary: spec.binary.clone(),
        stage: stage.map(Path::to_owned),
        keeper: around.keeper.clone(),
        package_dir: spec.package_dir.clone(),
        data_dir: spec.data_dir.clone(),
        run_dir: around.run_dir.clone(),
        calls_dir: order.calls_dir.clone(),
        home: around.home.clone(),
        env: spec.env.clone(),
        rights: spec.rights.clone(),
        as_root: nix::unistd::geteuid().is_root(),
        group: None,
        not_held: Vec::new(),
    }
}

/// Starts it; with `stage`, a sandbox that waits in that folder for its binary.
pub(super) async fn start(
    order: Order,
    around: &Surroundings,
    probe: &Probe,
    stage: Option<&Path>,
) -> Result<Started, String> {
    // A generation has the number, and what only waits for one the name of its folder.
    let name = match stage.and_then(Path::file_name) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => format!("{}.{}", order.spec.name, order.generation),
    };
    let place = place(order.spec.sandbox, probe, &around.run_dir, &name)?;
    let folder = place.as_ref().map_or(Path::new(""), |place| &place.path);
    match start_in(order, around, probe, stage, &name, folder).await {
        Ok((keeper, control, in_force, policy)) => Ok(Started {
            keeper,
            control,
            in_force,
            group: policy.group.clone(),
            place,
            stage: stage.map(Path::to_owned),
            lease: None,
            policy,
        }),
        Err(why) => {
            vacate(place.as_ref(), stage);
            Err(why)
        }
    }
}

async fn start_in(
    order: Order,
    around: &Surroundings,
    probe: &Probe,
    stage: Option<&Path>,
    name: &str,
    place: &Path,
) -> Result<(Keeper, UnixStream, InForce, Policy), String> {
    let spec = &order.spec;
    let said = |what: &str| {
        let what = what.to_owned();
        move |cause: io::Error| format!("{what}: {cause}")
    };
    std::fs::create_dir_all(&spec.data_dir).map_err(said("cannot create its data folder"))?;
    std::fs::create_dir_all(&order.calls_dir)
        .map_err(said("cannot create its folder of sockets"))?;
    if spec.sandbox != SandboxMode::None {
        sandbox::probe::refuse_disks(&spec.rights.devices)?;
    }
    let (group, not_held) = around.group(spec, name);
    let policy = Policy {
        group,
        not_held,
        ..policy(&order, around, stage)
    };
    let inherited: Vec<_> = std::env::vars_os().collect();
    let confined = sandbox::confine(spec.sandbox, &policy, probe, place, &inherited)?;
    let listener: OwnedFd = order.listener.map_err(said("it has no socket"))?;
    let (ours, theirs) = StdStream::pair().map_err(said("no control socket"))?;
    ours.set_nonblocking(true)
        .map_err(said("no control socket"))?;
    let control = UnixStream::from_std(ours).map_err(said("no control socket"))?;
    let start = Start {
        argv: confined.argv,
        env: confined.env,
        cwd: spec.package_dir.clone(),
        fds: vec![
            (listener, control::LISTENER_FD),
            (theirs.into(), control::CONTROL_FD),
        ],
        is_sandbox: confined.in_force.kind != "none",
    };
    let keeper = process::start(start)
        .await
        .map_err(said("cannot be started"))?;
    Ok((keeper, control, confined.in_force, policy))
}
