//! Sandboxes that stand ready: while cargo works on a cell, the next one for it is set up, up to our shim, which waits in it. The
//! binary appears in a folder that the sandbox has mounted, and the shim is told to start it: from then on nothing tells the cell
//! from one that was started at once. No code of a cell runs in a sandbox before that.
//!
//! What stands ready is used only for what it was made for: the same rights, the same folders and the same listener. Otherwise it
//! ends, as it does when nobody wants it any more.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is part of the I/O edge of the supervisor for one process"
)]

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::cgroup;
use super::lease::{self, Lease};
use super::running::Order;
use super::sandbox::{Policy, Probe, SandboxMode};
use super::session::{LEASES, STAGES};
use super::starting::{Started, Surroundings, policy, start, vacate};
use super::task::probed;

/// How many stand ready at once: each takes the processor from cargo, and a save that changes more cells than this has a long
/// build before it.
pub(super) const SPARES_MAX: usize = 4;

/// A sandbox that stands ready, or soon does. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Standing {
    wanted: oneshot::Sender<oneshot::Sender<Spare>>,
    gone: JoinHandle<()>,
}

/// What stands ready.
#[derive(Debug)]
struct Spare {
    started: Started,
    sandbox: SandboxMode,
    mounted: Vec<Mounted>,
    listener: Option<Identity>,
}

/// A file, whatever it is called.
type Identity = (u64, u64);
/// A path that is mounted, and what it was.
type Mounted = (PathBuf, Option<Identity>);

impl Standing {
    /// Sets one up. `number` makes its name unique in the session. Must be called in a tokio runtime.
    pub(super) fn start(order: Order, number: u64, around: Arc<Surroundings>) -> Standing {
        let (wanted, asked) = oneshot::channel::<oneshot::Sender<Spare>>();
        let gone = tokio::spawn(async move {
            let Some(mut spare) = set_up(order, number, &around).await else {
                return;
            };
            tokio::select! {
                asked = asked => if let Ok(give) = asked {
                    match give.send(spare) {
                        Ok(()) => return,
                        Err(back) => spare = back,
                    }
                },
                // It has nothing to say before it is told to start: this is its end.
                _ = spare.started.keeper.watch.word() => {}
            }
            spare.end().await;
        });
        Standing { wanted, gone }
    }

    /// Nobody wants it any more; what is returned is done when nothing of it is left.
    pub(super) fn dismiss(self) -> JoinHandle<()> {
        drop(self.wanted);
        self.gone
    }

    /// Starts a generation in it, if it fits; otherwise it ends, and what is returned second is done when it has.
    pub(super) async fn occupy(
        self,
        order: &Order,
        around: &Surroundings,
    ) -> (Option<Started>, Option<JoinHandle<()>>) {
        let (give, given) = oneshot::channel();
        if self.wanted.send(give).is_err() {
            return (None, Some(self.gone));
        }
        let Ok(spare) = given.await else {
            return (None, Some(self.gone));
        };
        match spare.fits(order, around) && spare.enter(order) {
            true => (Some(spare.started), None),
            false => (None, Some(tokio::spawn(spare.end()))),
        }
    }
}

impl Spare {
    /// Whether it is what a sandbox that is made now would be.
    fn fits(&self, order: &Order, around: &Surroundings) -> bool {
        let wanted = policy(order, around, self.started.stage.as_deref());
        let of_one = |policy: &Policy| Policy {
            generation: 0,
            binary: PathBuf::new(),
            group: None,
            not_held: Vec::new(),
            ..policy.clone()
        };
        let listener = order.listener.as_ref().ok().and_then(socket);
        self.sandbox == order.spec.sandbox
            && of_one(&self.started.policy) == of_one(&wanted)
            && self.mounted == mounted(&wanted)
            && listener.is_some()
            && self.listener == listener
    }

    /// Puts the binary where it is looked for, and says so.
    fn enter(&self, order: &Order) -> bool {
        let Some(stage) = &self.started.stage else {
            return false;
        };
        std::fs::hard_link(&order.spec.binary, stage.join(&order.spec.name)).is_ok()
            && self.started.keeper.lifeline.go(order.generation)
    }

    /// Ends it, and returns when nothing of it is left.
    async fn end(self) {
        let Started {
            mut keeper,
            group,
            place,
            stage,
            lease,
            ..
        } = self.started;
        keeper.lifeline.kill();
        drop(keeper.lifeline);
        keeper.watch.ended().await;
        if let Some(group) = group {
            // Usually the guardian has done that; one that was killed has not.
            let _ = tokio::task::spawn_blocking(move || cgroup::end(&group)).await;
        }
        vacate(place.as_ref(), stage.as_deref());
        if let Some(lease) = lease {
            lease::remove(&lease);
        }
    }
}

/// Nothing where it does not work: then the generation is started at once, and whatever is wrong is said.
async fn set_up(order: Order, number: u64, around: &Surroundings) -> Option<Spare> {
    let sandbox = order.spec.sandbox;
    let probe = probed(around, sandbox).await;
    let bubblewrap = matches!(sandbox, SandboxMode::Auto | SandboxMode::Bwrap);
    if !bubblewrap || !matches!(probe, Probe::Works(_)) {
        return None;
    }
    let name = format!("{}.spare{number}", order.spec.name);
    let stage = around.run_dir.join(STAGES).join(&name);
    std::fs::create_dir_all(&stage).ok()?;
    let listener = order.listener.as_ref().ok().and_then(socket);
    // Looked at before they are mounted: what changes in between does not fit.
    let mounted = mounted(&policy(&order, around, Some(&stage)));
    let mut started = start(order, around, &probe, Some(&stage)).await.ok()?;
    started.lease = Lease::of(started.keeper.pid, &format!("{name} (stands ready)"))
        .and_then(|lease| lease::write(&around.run_dir.join(LEASES), &name, &lease).ok());
    Some(Spare {
        started,
        sandbox,
        mounted,
        listener,
    })
}

/// What is mounted by its path: a folder that was made anew under the same name is another one.
fn mounted(policy: &Policy) -> Vec<Mounted> {
    let own = [&policy.package_dir, &policy.data_dir, &policy.calls_dir];
    let rights = &policy.rights;
    own.into_iter()
        .chain(&rights.read)
        .chain(&rights.write)
        .chain(&rights.devices)
        .map(|path| (path.clone(), identity(path)))
        .collect()
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn socket(fd: &OwnedFd) -> Option<Identity> {
    let stat = nix::sys::stat::fstat(fd).ok()?;
    Some((stat.st_dev, stat.st_ino))
}
