//! The sockets of the run folder: one listener a cell and fingerprint, `<cell>.sock` as a link to the current one, and for
//! each sandboxed cell a folder with hard links to the sockets of the cells that it calls.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor for sockets"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::session::CALLS;

/// A cell and a fingerprint.
pub(super) type Key = (String, u64);

/// The name of a listener's socket; one without a fingerprint has a name of its own too, since `<cell>.sock` is a link.
fn file_name((cell, fingerprint): &Key) -> String {
    format!("{cell}.{fingerprint:016x}.sock")
}

fn link_name(cell: &str) -> String {
    format!("{cell}.sock")
}

/// The bound listeners.
#[derive(Debug)]
pub(super) struct Listeners {
    folder: PathBuf,
    bound: BTreeMap<Key, UnixListener>,
    current: BTreeMap<String, u64>,
    folders: BTreeMap<String, BTreeSet<String>>,
}

impl Listeners {
    pub(super) fn new(folder: PathBuf) -> Self {
        Listeners {
            folder,
            bound: BTreeMap::new(),
            current: BTreeMap::new(),
            folders: BTreeMap::new(),
        }
    }

    /// The keys that are bound.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.bound.keys().cloned().collect()
    }

    /// Binds a listener with a backlog large enough that callers wait in it during a swap.
    pub(super) fn bind(&mut self, key: &Key) -> io::Result<()> {
        if self.bound.contains_key(key) {
            return Ok(());
        }
        let path = self.folder.join(file_name(key));
        cell_runtime::discovery::check_socket_path(&path).map_err(io::Error::other)?;
        // The run folder is ours: whatever has this name was left behind.
        let _ = std::fs::remove_file(&path);
        let listener = cell_runtime::transport::bind_std(&path)?;
        listener.set_nonblocking(true)?;
        self.bound.insert(key.clone(), listener);
        Ok(())
    }

    /// Closes a listener and removes its socket.
    pub(super) fn close(&mut self, key: &Key) {
        if self.bound.remove(key).is_none() {
            return;
        }
        let name = file_name(key);
        // Already gone is as good.
        let _ = std::fs::remove_file(self.folder.join(&name));
        for consumer in self.folders.keys() {
            let _ = std::fs::remove_file(self.folder_of(consumer).join(&name));
        }
    }

    /// Another handle of a bound listener.
    pub(super) fn share(&self, key: &Key) -> io::Result<OwnedFd> {
        let bound = self
            .bound
            .get(key)
            .ok_or_else(|| io::Error::other(format!("no socket is bound for `{}`", key.0)))?;
        Ok(bound.try_clone()?.into())
    }

    /// Brings the links to the current sockets and the folders of the consumers up to date.
    pub(super) fn link(
        &mut self,
        current: BTreeMap<String, u64>,
        folders: BTreeMap<String, BTreeSet<String>>,
    ) -> io::Result<()> {
        for gone in self
            .current
            .keys()
            .filter(|cell| !current.contains_key(*cell))
        {
            let _ = std::fs::remove_file(self.folder.join(link_name(gone)));
        }
        for (cell, fingerprint) in &current {
            if self.current.get(cell) != Some(fingerprint) {
                let target = file_name(&(cell.clone(), *fingerprint));
                switch(&self.folder.join(link_name(cell)), &target)?;
            }
        }
        self.current = current;
        let gone = self
            .folders
            .keys()
            .filter(|name| !folders.contains_key(*name));
        for consumer in gone {
            // A folder that stays is cleared with the session.
            let _ = std::fs::remove_dir_all(self.folder_of(consumer));
        }
        for (consumer, callees) in &folders {
            self.fill(consumer, callees)?;
        }
        self.folders = folders;
        Ok(())
    }

    /// The folder with the sockets that a cell may use.
    pub(super) fn folder_of(&self, consumer: &str) -> PathBuf {
        self.folder.join(CALLS).join(consumer)
    }

    /// Puts exactly the sockets of the callees into a consumer's folder. The folder itself stays the same one: it is
    /// mounted in the sandbox.
    fn fill(&self, consumer: &str, callees: &BTreeSet<String>) -> io::Result<()> {
        let folder = self.folder_of(consumer);
        std::fs::create_dir_all(&folder)?;
        let mut wanted: BTreeSet<String> = self
            .bound
            .keys()
            .filter(|key| callees.contains(&key.0))
            .map(file_name)
            .collect();
        for name in &wanted {
            match std::fs::hard_link(self.folder.join(name), folder.join(name)) {
                Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
                _ => {}
            }
        }
        for cell in callees {
            if let Some(fingerprint) = self.current.get(cell) {
                let (link, target) = (link_name(cell), file_name(&(cell.clone(), *fingerprint)));
                if std::fs::read_link(folder.join(&link)).ok() != Some(PathBuf::from(&target)) {
                    switch(&folder.join(&link), &target)?;
                }
                wanted.insert(link);
            }
        }
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let known = entry
                .file_name()
                .to_str()
                .is_some_and(|name| wanted.contains(name));
            if !known {
                // It is only a link to a socket.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Points a link elsewhere without a moment in which it is missing.
fn switch(link: &Path, target: &str) -> io::Result<()> {
    let unfinished = link.with_extension("new");
    let _ = std::fs::remove_file(&unfinished);
    std::os::unix::fs::symlink(target, &unfinished)?;
    std::fs::rename(&unfinished, link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn callers_reach_the_current_listener_by_name_and_from_a_consumers_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        let mut listeners = Listeners::new(run.to_path_buf());
        let (old, new) = (("a".to_owned(), 1), ("a".to_owned(), 2));
        listeners.bind(&old).expect("bound");
        let folders = BTreeMap::from([("b".to_owned(), set(&["a", "later"]))]);
        let current = |fingerprint| BTreeMap::from([("a".to_owned(), fingerprint)]);
        listeners.link(current(1), folders.clone()).expect("linked");
        let calls = listeners.folder_of("b");
        for path in [
            run.join("a.sock"),
            calls.join("a.sock"),
            calls.join("a.0000000000000001.sock"),
        ] {
            UnixStream::connect(&path).expect("a listener");
        }
        listeners.bind(&new).expect("bound");
        listeners.link(current(2), folders.clone()).expect("linked");
        assert_eq!(
            std::fs::read_link(run.join("a.sock")).expect("a link"),
            Path::new("a.0000000000000002.sock")
        );
        UnixStream::connect(calls.join("a.0000000000000002.sock")).expect("a listener");
        listeners.close(&old);
        assert!(!calls.join("a.0000000000000001.sock").exists());
        // A callee that comes later appears in the same folder, which a sandbox has mounted.
        listeners.bind(&("later".to_owned(), 7)).expect("bound");
        let both = BTreeMap::from([("a".to_owned(), 2), ("later".to_owned(), 7)]);
        listeners.link(both, folders).expect("linked");
        UnixStream::connect(calls.join("later.sock")).expect("a listener");
        listeners
            .link(BTreeMap::new(), BTreeMap::new())
            .expect("linked");
        assert!(!calls.exists() && !run.join("a.sock").exists());
    }
}
