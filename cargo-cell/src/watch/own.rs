//! Files that we write ourselves: their events are no edits.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Content;

/// What we are about to write, so that the watch knows it before the file system says so.
#[derive(Debug, Default)]
pub struct OwnWrites(Mutex<HashMap<PathBuf, Content>>);

impl OwnWrites {
    /// These bytes are about to be written there.
    pub fn announce(&self, path: &Path, bytes: &[u8]) {
        // A panic between two entries leaves both sound.
        let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes.insert(path.to_owned(), Content::of(bytes));
    }

    /// Whether a file holds what we wrote last.
    #[must_use]
    pub fn wrote(&self, path: &Path, content: Content) -> bool {
        let writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes.get(path) == Some(&content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_wrote_is_ours() {
        let own = OwnWrites::default();
        own.announce(Path::new("cells/a.rs"), b"generated");
        assert!(own.wrote(Path::new("cells/a.rs"), Content::of(b"generated")));
        assert!(!own.wrote(Path::new("cells/a.rs"), Content::of(b"edited")));
        assert!(!own.wrote(Path::new("cells/b.rs"), Content::of(b"generated")));
    }
}
