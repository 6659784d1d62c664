//! The shaders that this process holds, and the supervisor that wants to know of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use super::{Id, ShaderSource};
use crate::control::{self, FromCell};
use crate::lock::lock;

/// Reasons are for people; a device's may be a whole listing.
const WHY_BYTES_MAX: usize = 8 << 10;

#[derive(Default)]
struct Registry {
    control: Option<UnixStream>,
    held: BTreeMap<Id, watch::Sender<ShaderSource>>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    control: None,
    held: BTreeMap::new(),
});

fn registry() -> MutexGuard<'static, Registry> {
    // Every change is one insertion or one assignment: a panic leaves nothing half done.
    lock(&REGISTRY)
}

impl Registry {
    fn say(&mut self, message: &FromCell) {
        if let Some(control) = &mut self.control {
            // A supervisor that is gone is noticed by the control thread.
            let _ = control.write_all(control::encode(message).as_bytes());
        }
    }
}

/// Holds a shader; who already does shares its texts.
pub(super) fn hold(
    id: Id,
    embedded: impl FnOnce() -> ShaderSource,
) -> watch::Receiver<ShaderSource> {
    let mut registry = registry();
    if let Some(sender) = registry.held.get(&id) {
        return sender.subscribe();
    }
    let (sender, receiver) = watch::channel(embedded());
    registry.held.insert(id, sender);
    registry.say(&holding(id));
    receiver
}

/// A supervisor listens from now on.
pub(crate) fn connect(control: UnixStream) {
    let mut registry = registry();
    registry.control = Some(control);
    for id in registry.held.keys().copied().collect::<Vec<_>>() {
        registry.say(&holding(id));
    }
}

/// The supervisor has a text; gives what to answer.
pub(crate) fn take(
    package: &str,
    path: &str,
    version: u64,
    text: &str,
) -> Result<(), &'static str> {
    let registry = registry();
    let found = registry
        .held
        .iter()
        .find(|(id, _)| id.package == package && id.path == path);
    let (_, sender) = found.ok_or("nobody here holds it")?;
    sender.send_if_modified(|current| {
        if version <= current.version {
            return false;
        }
        current.version = version;
        let new = *current.text != *text;
        if new {
            current.text = text.into();
        }
        new
    });
    Ok(())
}

pub(super) fn refuse(id: Id, version: u64, why: &str) {
    let end = why.floor_char_boundary(WHY_BYTES_MAX);
    registry().say(&FromCell::ShaderRefused {
        package: id.package.to_owned(),
        path: id.path.to_owned(),
        version,
        why: why[..end].to_owned(),
    });
}

fn holding(id: Id) -> FromCell {
    FromCell::ShaderHeld {
        package: id.package.to_owned(),
        path: id.path.to_owned(),
    }
}
