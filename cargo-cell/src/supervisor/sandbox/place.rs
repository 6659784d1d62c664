//! Where podman keeps one container: a short path, because podman takes none of more than 50 bytes, which the run folder
//! remembers, so that whoever clears up after a killed tool finds it.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the sandbox for podman's folders"
)]

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::podman::{HOME, ROOTFS, settings};
use super::probe::Host;

/// Links to the places of a session, in its run folder.
const LINKS: &str = "podman";
/// How the name of a place begins.
const PREFIX: &str = "cell-podman-";
/// Bytes of podman's `--runroot`, `<place>/run`.
const RUNROOT_BYTES_MAX: usize = 50;

/// Somebody who is just being killed may still write into a place that is removed.
const REMOVALS_MAX: u32 = 50;
const AGAIN: Duration = Duration::from_millis(10);

/// A place in use. Only [`Place::remove`] removes it.
#[derive(Debug)]
pub(in crate::supervisor) struct Place {
    /// Its folder.
    pub(in crate::supervisor) path: PathBuf,
    link: Option<PathBuf>,
}

impl Place {
    /// Makes the place of a generation, `name`, and remembers it in the run folder, where there is one.
    pub(in crate::supervisor) fn make(
        run_dir: Option<&Path>,
        name: &str,
        host: &Host,
    ) -> io::Result<Place> {
        let path = fresh();
        let link = match run_dir {
            Some(run_dir) => {
                let links = run_dir.join(LINKS);
                std::fs::create_dir_all(&links)?;
                let link = links.join(name);
                // First the link: a folder that nobody remembers would stay.
                symlink(&path, &link)?;
                Some(link)
            }
            None => None,
        };
        let place = Place { path, link };
        place.fill(host)?;
        Ok(place)
    }

    fn fill(&self, host: &Host) -> io::Result<()> {
        // Fails where somebody else was there first.
        std::fs::DirBuilder::new().mode(0o700).create(&self.path)?;
        let rootfs = self.path.join(ROOTFS);
        std::fs::create_dir(&rootfs)?;
        std::fs::create_dir(self.path.join(HOME))?;
        for (file, text) in settings(&self.path) {
            std::fs::write(self.path.join(file), text)?;
        }
        for (link, target) in &host.links {
            if let Ok(inside) = link.strip_prefix("/") {
                symlink(target, rootfs.join(inside))?;
            }
        }
        Ok(())
    }

    /// Removes it. Nobody lives in it any more.
    pub(in crate::supervisor) fn remove(&self) {
        remove(&self.path);
        if let Some(link) = &self.link {
            // One that stays is cleared with the session.
            let _ = std::fs::remove_file(link);
        }
    }
}

/// Removes the places that a run folder remembers.
pub(in crate::supervisor) fn clear(run_dir: &Path) {
    let links = run_dir.join(LINKS);
    for link in std::fs::read_dir(&links).into_iter().flatten().flatten() {
        if let Ok(place) = std::fs::read_link(link.path()) {
            remove(&place);
            let _ = std::fs::remove_file(link.path());
        }
    }
    // Only an empty folder goes: what else somebody put there is theirs.
    let _ = std::fs::remove_dir(links);
}

/// A path that nobody has; nobody can guess it, so that nobody can be there first for long.
fn fresh() -> PathBuf {
    let temporary = std::env::temp_dir();
    let longest = RUNROOT_BYTES_MAX - PREFIX.len() - "/0123456789abcdef/run".len();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let fits = temporary.is_absolute()
        && temporary.as_os_str().len() <= longest
        && temporary.as_os_str().as_encoded_bytes().iter().all(plain);
    // Not every path can be said in podman's settings.
    let parent = if fits { temporary } else { "/tmp".into() };
    let random = RandomState::new().hash_one(std::process::id());
    parent.join(format!("{PREFIX}{random:016x}"))
}

/// Removes a place, and nothing that is not one or not ours.
fn remove(place: &Path) {
    let named = place
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(PREFIX));
    let ours = place.symlink_metadata().is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == nix::unistd::geteuid().as_raw()
    });
    if !(named && ours) {
        return;
    }
    for _ in 0..REMOVALS_MAX {
        match std::fs::remove_dir_all(place) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => std::thread::sleep(AGAIN),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_and_nothing_else_is_removed() {
        let run = tempfile::tempdir().expect("a folder");
        let host = Host {
            links: vec![("/lib".into(), "usr/lib".into())],
            ..Host::default()
        };
        let place = Place::make(Some(run.path()), "a.1", &host).expect("made");
        assert!(place.path.join("run").as_os_str().len() <= RUNROOT_BYTES_MAX);
        let lib = std::fs::read_link(place.path.join("rootfs/lib")).expect("linked");
        assert_eq!(lib, Path::new("usr/lib"));
        let mode = place.path.metadata().expect("there").mode();
        assert_eq!(mode & 0o777, 0o700);
        // Somebody's own folder that a link happens to name.
        let theirs = run.path().join("theirs");
        std::fs::create_dir(&theirs).expect("made");
        symlink(&theirs, run.path().join(LINKS).join("b.1")).expect("linked");
        clear(run.path());
        assert!(!place.path.exists() && theirs.exists());
        assert!(!run.path().join(LINKS).exists());
        let place = Place::make(Some(run.path()), "a.2", &host).expect("made");
        place.remove();
        assert!(!place.path.exists());
        assert!(!run.path().join(LINKS).join("a.2").exists());
    }
}
