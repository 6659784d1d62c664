//! Shaders that change while a cell runs. `cell::shader!` embeds the file and gives a [`Shader`]; a supervisor that watches the
//! file pushes what is saved, once it is valid.

pub mod import;
mod registry;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

pub(crate) use registry::{connect, take};

/// A version of a shader's text.
#[derive(Clone, PartialEq, Eq)]
pub struct ShaderSource {
    text: Arc<str>,
    version: u64,
}

impl ShaderSource {
    /// The text, with its imports in place.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// 0 is what the binary embeds; what is pushed has higher and higher ones.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl fmt::Debug for ShaderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}, {} bytes", self.version, self.text.len())
    }
}

/// A shader that this cell holds, made by `cell::shader!`. Each handle has its own place in the stream of new texts.
pub struct Shader {
    id: Id,
    texts: watch::Receiver<ShaderSource>,
    /// The version that this handle gave last, and one; 0 before the first.
    given: AtomicU64,
}

/// Which shader it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    /// The package that has the file.
    package: &'static str,
    /// The file, from the package's folder.
    path: &'static str,
}

impl Shader {
    /// What `cell::shader!` expands to.
    #[doc(hidden)]
    #[must_use]
    pub fn hold(package: &'static str, files: &[(&'static str, &'static str)]) -> Shader {
        let path = files.first().map_or("", |(path, _)| path);
        let id = Id { package, path };
        let mut texts = registry::hold(id, || embedded(id, files));
        texts.mark_changed();
        let given = AtomicU64::new(0);
        Shader { id, texts, given }
    }

    /// The file, from the package's folder.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.id.path
    }

    /// The current text.
    #[must_use]
    pub fn source(&self) -> ShaderSource {
        let source = self.texts.borrow().clone();
        self.given.fetch_max(source.version + 1, Ordering::Relaxed);
        source
    }

    /// Waits for a text that this handle has not given yet, and gives it; a new handle gives the current one at once. Texts that were saved in quick succession may be left out; the
    /// last one never is. Without a supervisor there is none, and the waiting does not end. Nothing is lost when it is dropped.
    pub async fn changed(&mut self) -> ShaderSource {
        loop {
            if self.texts.changed().await.is_err() {
                // The registry keeps every sender.
                std::future::pending::<()>().await;
            }
            let before = self.given.load(Ordering::Relaxed);
            let source = self.source();
            if source.version >= before {
                return source;
            }
        }
    }

    /// Tells who pushed it that this text cannot be used here, for example because the device refuses it: it is shown beside the file.
    pub fn refuse(&self, source: &ShaderSource, why: impl fmt::Display) {
        registry::refuse(self.id, source.version, &why.to_string());
    }
}

impl Clone for Shader {
    fn clone(&self) -> Shader {
        let given = AtomicU64::new(self.given.load(Ordering::Relaxed));
        Shader {
            id: self.id,
            texts: self.texts.clone(),
            given,
        }
    }
}

impl fmt::Debug for Shader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.id.path, *self.texts.borrow())
    }
}

/// The text that the binary holds.
fn embedded(id: Id, files: &[(&'static str, &'static str)]) -> ShaderSource {
    let joined = import::join(id.path, |path| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| (*text).to_owned()).ok_or_else(|| {
            format!(
                "the binary has no such file; write `cell::shader!(\"{}\", \"{path}\")`",
                id.path
            )
        })
    });
    let text = match joined {
        Ok(joined) => joined.text.into(),
        Err(error) => {
            eprintln!("shader `{}`: {}", id.path, error.message);
            // Whatever compiles it says what is missing; under a supervisor the whole text is pushed in a moment.
            files.first().map_or("", |(_, text)| text).into()
        }
    };
    ShaderSource { text, version: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("shaders/a.wgsl", "#import \"b.wgsl\"\nfn a() {}\n"),
        ("shaders/b.wgsl", "fn b() {}\n"),
    ];

    #[tokio::test]
    async fn what_is_pushed_reaches_every_handle_once() {
        let mut first = Shader::hold("one", FILES);
        let mut second = Shader::hold("one", FILES);
        assert_eq!(first.source().text(), "fn b() {}\nfn a() {}\n");
        // A handle that has given nothing yet begins with what there is.
        assert_eq!(second.changed().await.version(), 0);
        assert!(take("one", "shaders/a.wgsl", 3, "fn c() {}").is_ok());
        assert_eq!(first.changed().await.version(), 3);
        assert_eq!(second.changed().await.text(), "fn c() {}");
        // What was given is not given again.
        assert_eq!(first.source().version(), 3);
        tokio::select! {
            biased;
            again = first.changed() => panic!("{again:?} was given already"),
            () = std::future::ready(()) => {}
        }
        // The same text again has a new version, and wakes nobody.
        assert!(take("one", "shaders/a.wgsl", 4, "fn c() {}").is_ok());
        assert!(!first.texts.has_changed().expect("the sender lives"));
        assert_eq!(first.source().version(), 4);
        // An older one that comes late changes nothing.
        assert!(take("one", "shaders/a.wgsl", 2, "fn d() {}").is_ok());
        assert_eq!(second.source().text(), "fn c() {}");
    }

    #[test]
    fn what_nobody_holds_is_refused() {
        assert!(take("two", "shaders/a.wgsl", 1, "").is_err());
        assert!(take("one", "shaders/z.wgsl", 1, "").is_err());
    }

    #[test]
    fn a_binary_without_its_imports_still_has_its_text() {
        let lonely = Shader::hold("three", &FILES[..1]);
        assert_eq!(lonely.source().text(), FILES[0].1);
    }
}
