//! A built executable: whether it really changed, and a private copy of it that the next link cannot disturb.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of `build` for executables"
)]

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use object::read::ReadCache;
use object::{Object, ObjectSection, SectionFlags};

/// What tells two states of a file apart without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

/// The state of a file.
pub fn stat(path: &Path) -> std::io::Result<Stat> {
    let metadata = std::fs::metadata(path)?;
    Ok(Stat {
        inode: metadata.ino(),
        len: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// A hash over what is loaded when the binary runs, without the schema records (docs do not restart a cell) and the
/// build id; debug information is never loaded. A file that is not an object is hashed whole.
pub fn hash(path: &Path) -> std::io::Result<String> {
    let hash = match loaded(path) {
        Some(hash) => hash,
        None => {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(File::open(path)?)?;
            hasher.finalize()
        }
    };
    Ok(hash.to_hex()[..16].to_owned())
}

fn loaded(path: &Path) -> Option<blake3::Hash> {
    let cache = ReadCache::new(BufReader::new(File::open(path).ok()?));
    let file = object::File::parse(&cache).ok()?;
    // What is hashed is read piece by piece: the cache would keep all of it in memory.
    let mut bytes = File::open(path).ok()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file.entry().to_le_bytes());
    let mut sections = 0_u32;
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            return None;
        };
        let name = section.name().ok()?;
        if sh_flags.0 & object::elf::SHF_ALLOC.0 == 0
            || matches!(name, "cell_schema" | ".note.gnu.build-id")
        {
            continue;
        }
        sections += 1;
        hasher.update(name.as_bytes());
        hasher.update(&section.address().to_le_bytes());
        hasher.update(&section.size().to_le_bytes());
        // Zeros that the file does not hold have no range.
        if let Some((start, len)) = section.file_range() {
            bytes.seek(SeekFrom::Start(start)).ok()?;
            hasher.update_reader((&mut bytes).take(len)).ok()?;
        }
    }
    (sections > 0).then(|| hasher.finalize())
}

/// Makes the private copy `<folder>/<cell>.<hash>` and returns its path: a hard link, or a copy across file systems.
pub fn keep(executable: &Path, folder: &Path, cell: &str, hash: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let private = folder.join(format!("{cell}.{hash}"));
    if private.exists() {
        return Ok(private);
    }
    match std::fs::hard_link(executable, &private) {
        Ok(()) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(_) => {
            let unfinished = folder.join(format!("{cell}.{hash}.tmp"));
            std::fs::copy(executable, &unfinished)?;
            std::fs::rename(&unfinished, &private)?;
        }
    }
    Ok(private)
}

/// Removes the private copies that no longer serve anybody.
pub fn forget(folder: &Path, in_use: &dyn Fn(&Path) -> bool) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if !in_use(&path) {
            // A copy that stays is only a waste of space, and the next round tries again.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_its_bytes_when_the_original_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let original = folder.path().join("cell");
        std::fs::write(&original, b"one").expect("written");
        let first = hash(&original).expect("hashed");
        let kept = keep(&original, &folder.path().join("bin"), "cell", &first).expect("kept");
        std::fs::remove_file(&original).expect("removed");
        std::fs::write(&original, b"two").expect("written");
        assert_ne!(hash(&original).expect("hashed"), first);
        assert_eq!(std::fs::read(&kept).expect("read"), b"one");
        forget(&folder.path().join("bin"), &|_| false);
        assert!(!kept.exists());
    }

    #[test]
    fn what_is_not_loaded_does_not_change_the_hash() {
        // This test's own executable: bytes added at its end belong to no section.
        let own = std::env::current_exe().expect("it runs");
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy");
        std::fs::copy(&own, &copy).expect("copied");
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&copy)
            .expect("opened");
        file.write_all(b"debug information").expect("written");
        assert_eq!(hash(&own).expect("hashed"), hash(&copy).expect("hashed"));
    }
}
