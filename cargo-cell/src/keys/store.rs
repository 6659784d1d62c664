//! The folder of keys.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the keys: it writes them, and reads the clock"
)]

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cell_runtime::remote::{AUTHORITY_FILE, identity_file};

use super::list::{self, Entry};
use super::{AUTHORITY_KEY_FILE, mint};
use crate::error::{Context as _, Error, Result};

/// A folder of keys.
pub struct Store {
    dir: PathBuf,
}

/// What lies in a folder of keys.
pub struct Listing {
    /// The authorities that are trusted.
    pub authorities: Vec<Entry>,
    /// The certificates, by name.
    pub cells: Vec<Entry>,
}

/// A certificate that was issued.
pub struct Issued {
    /// Its file.
    pub path: PathBuf,
    /// It replaces a former one.
    pub renewed: bool,
}

impl Store {
    /// The keys in `dir`.
    #[must_use]
    pub fn at(dir: PathBuf) -> Self {
        Store { dir }
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the authority; one that is there is kept.
    pub fn init(&self, days: u16) -> Result<()> {
        for file in [AUTHORITY_FILE, AUTHORITY_KEY_FILE] {
            let path = self.dir.join(file);
            if path.exists() {
                return Err(Error::usage(format!("`{}` is there already", path.display()))
                    .hint("replace the authority with `cargo cell keys rotate`: cells have time to follow"));
            }
        }
        let made = mint::authority(now()?, days)?;
        self.write(AUTHORITY_FILE, &made.certificate)?;
        self.write(AUTHORITY_KEY_FILE, &made.identity)
    }

    /// Issues a certificate, or renews the one that is there. A file that holds anything else is kept.
    pub fn issue(&self, name: &str, days: u16) -> Result<Issued> {
        let now = now()?;
        let made = mint::issue(&self.read(AUTHORITY_KEY_FILE)?, name, now, days)?;
        let path = self.dir.join(identity_file(name));
        let former = match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(
                    Error::environment(format!("cannot read `{}`", path.display())).because(error),
                );
            }
        };
        if let Some(bytes) = &former
            && !list::bears(&String::from_utf8_lossy(bytes), name)
        {
            return Err(Error::usage(format!(
                "`{}` is there already, and is no certificate of `{name}`",
                path.display()
            ))
            .hint("move it away, or choose another folder with `--dir`"));
        }
        self.write(&identity_file(name), &made.identity)?;
        Ok(Issued {
            path,
            renewed: former.is_some(),
        })
    }

    /// Makes a new authority; the former one is trusted until [`Store::retire`].
    pub fn rotate(&self, days: u16) -> Result<()> {
        let former = self.read(AUTHORITY_FILE)?;
        let made = mint::authority(now()?, days)?;
        // Trusted before it issues: whatever interrupts this, no certificate comes from an unknown authority.
        self.write(AUTHORITY_FILE, &(made.certificate + &former))?;
        self.write(AUTHORITY_KEY_FILE, &made.identity)
    }

    /// Trusts nobody but the authority that issues now; gives the names whose certificates are not accepted any more.
    pub fn retire(&self) -> Result<Vec<String>> {
        let own = self.read(AUTHORITY_KEY_FILE)?;
        let end = "-----END CERTIFICATE-----\n";
        let certificate = own
            .find(end)
            .map(|at| &own[..at + end.len()])
            .ok_or_else(|| {
                Error::environment(format!("`{AUTHORITY_KEY_FILE}` holds no certificate"))
            })?;
        self.write(AUTHORITY_FILE, certificate)?;
        let left = self.list()?.cells.into_iter();
        Ok(left
            .filter(|entry| entry.state == list::State::Untrusted)
            .map(|entry| entry.name)
            .collect())
    }

    /// What lies here.
    pub fn list(&self) -> Result<Listing> {
        let (now, bundle) = (now()?, self.read(AUTHORITY_FILE)?);
        let trusted = list::subjects(&bundle);
        let cannot = || format!("cannot read `{}`", self.dir.display());
        let mut cells = Vec::new();
        for file in std::fs::read_dir(&self.dir).environment(cannot)? {
            let file = file.environment(cannot)?.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".pem")) else {
                continue;
            };
            if mint::check_name(name).is_ok() {
                let text = self.read(&identity_file(name))?;
                cells.push(list::of(name, &text, &trusted, now));
            }
        }
        cells.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Listing {
            authorities: list::authorities(&bundle, now),
            cells,
        })
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.dir.join(file);
        std::fs::read_to_string(&path).map_err(|cause| {
            Error::environment(format!("cannot read `{}`", path.display()))
                .because(cause)
                .hint("make an authority with `cargo cell keys init`, or name its folder with `--dir`")
        })
    }

    /// Makes the folder, or checks that nobody else can put keys into the one that is there: its mode is its owner's to change.
    fn private_dir(&self) -> Result<()> {
        let cannot = || format!("cannot keep keys in `{}`", self.dir.display());
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .environment(cannot)?;
        let metadata = std::fs::metadata(&self.dir).environment(cannot)?;
        if metadata.mode() & 0o022 != 0 {
            return Err(Error::environment(cannot())
                .because(format!(
                    "others may write to it (mode {:03o})",
                    metadata.mode() & 0o777
                ))
                .hint(format!("run `chmod 700 {}`", self.dir.display())));
        }
        Ok(())
    }

    /// Writes a file that only its owner may read, whole or not at all.
    fn write(&self, file: &str, text: &str) -> Result<()> {
        let cannot = || format!("cannot write `{}`", self.dir.join(file).display());
        self.private_dir()?;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.dir).environment(cannot)?;
        temporary.write_all(text.as_bytes()).environment(cannot)?;
        temporary.as_file().sync_all().environment(cannot)?;
        temporary.persist(self.dir.join(file)).environment(cannot)?;
        Ok(())
    }
}

fn now() -> Result<Duration> {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .environment(|| "the clock of this machine is before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::list::State;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("keys"));
        (dir, store)
    }

    fn states(store: &Store) -> Vec<(String, State)> {
        let cells = store.list().unwrap().cells;
        cells
            .into_iter()
            .map(|entry| (entry.name, entry.state))
            .collect()
    }

    #[test]
    fn an_authority_issues_renews_rotates_and_retires() {
        let (_dir, store) = store();
        let error = store.issue("a", 90).err().unwrap();
        assert!(error.hints[0].contains("keys init"), "{error:?}");
        store.init(3650).unwrap();
        assert!(!store.issue("a", 90).unwrap().renewed);
        assert!(!store.issue("b", 3).unwrap().renewed);
        assert!(store.issue("a", 90).unwrap().renewed);
        for file in [AUTHORITY_FILE, AUTHORITY_KEY_FILE, "a.pem"] {
            let metadata = std::fs::metadata(store.dir().join(file)).unwrap();
            assert_eq!(metadata.mode() & 0o777, 0o600, "{file}");
        }
        assert_eq!(
            states(&store),
            [
                ("a".to_owned(), State::Valid),
                ("b".to_owned(), State::EndsSoon)
            ]
        );

        store.rotate(3650).unwrap();
        assert_eq!(store.list().unwrap().authorities.len(), 2);
        store.issue("a", 90).unwrap();
        // Whoever was not renewed in time is named.
        assert_eq!(store.retire().unwrap(), ["b"]);
        assert_eq!(store.list().unwrap().authorities.len(), 1);
        assert_eq!(
            states(&store),
            [
                ("a".to_owned(), State::Valid),
                ("b".to_owned(), State::Untrusted)
            ]
        );
        // What it made is what cells read.
        cell_runtime::remote::Keys::at(store.dir(), "a")
            .unwrap()
            .check()
            .unwrap();
    }

    #[test]
    fn nothing_of_somebody_elses_is_overwritten() {
        let (_dir, store) = store();
        store.init(10).unwrap();
        let authority = store.read(AUTHORITY_FILE).unwrap();
        let error = store.init(10).unwrap_err();
        assert!(error.message.contains("is there already"), "{error:?}");
        assert!(error.hints[0].contains("keys rotate"), "{error:?}");
        assert_eq!(store.read(AUTHORITY_FILE).unwrap(), authority);

        store.issue("b", 10).unwrap();
        let foreign = store.read("b.pem").unwrap();
        for text in ["mine\n", &foreign] {
            std::fs::write(store.dir().join("a.pem"), text).unwrap();
            let error = store.issue("a", 10).err().unwrap();
            assert!(error.message.contains("no certificate of `a`"), "{error:?}");
            assert_eq!(store.read("a.pem").unwrap(), text);
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused_and_left_as_it_is() {
        let (_dir, store) = store();
        std::fs::create_dir(store.dir()).unwrap();
        let mode = |mode| {
            std::fs::set_permissions(store.dir(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o775);
        let error = store.init(10).unwrap_err();
        assert!(error.causes[0].contains("mode 775"), "{error:?}");
        assert!(error.hints[0].contains("chmod 700"), "{error:?}");
        assert_eq!(std::fs::read_dir(store.dir()).unwrap().count(), 0);
        mode(0o755);
        store.init(10).unwrap();
        let metadata = std::fs::metadata(store.dir()).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o755);
    }

    #[test]
    fn names_are_checked_before_anything_is_written() {
        let (_dir, store) = store();
        store.init(10).unwrap();
        for bad in ["", "..", "../a", "a/b", "authority", "A B", "a-"] {
            assert!(store.issue(bad, 10).is_err(), "{bad:?}");
        }
        assert_eq!(std::fs::read_dir(store.dir()).unwrap().count(), 2);
    }
}
