//! `#import` in shaders: one text out of several files, and where each piece of it came from.
//!
//! A line `#import "other.wgsl"` stands for the text of that file, once; the path is relative to the file that the line is in.
//! Names stay what they are: WGSL looks them up in the whole text, in any order, so that files may import each other.

use std::collections::BTreeSet;
use std::ops::Range;

/// The longest text of a shader with all that it imports, in bytes.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;
/// The most files of one shader.
pub const FILES_MAX: usize = 64;

/// A shader with its imports in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The whole text.
    pub text: String,
    /// Its files, the shader's own first.
    pub files: Vec<File>,
    pieces: Vec<Piece>,
}

/// One file of a shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it lies, as the reader was asked.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// What kept a shader from being put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// What and why.
    pub message: String,
    /// The file with the line that asked for it; nothing where the shader itself cannot be read.
    pub at: Option<(File, Range<usize>)>,
}

/// Bytes of the text that lie in a file as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    text_start: usize,
    file: usize,
    file_start: usize,
    bytes: usize,
}

impl Joined {
    /// The file, by its number, and the bytes there, of a range of the text. A range over several pieces is cut at the end of the first.
    #[must_use]
    pub fn locate(&self, range: Range<usize>) -> Option<(usize, Range<usize>)> {
        let after = self.pieces.partition_point(|p| p.text_start <= range.start);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        let clamp = |at: usize| piece.file_start + (at - piece.text_start).min(piece.bytes);
        Some((
            piece.file,
            clamp(range.start)..clamp(range.end.max(range.start)),
        ))
    }
}

/// Puts a shader together. `read` is asked for each file once, by its path from the folder that `root` is relative to.
pub fn join(
    root: &str,
    mut read: impl FnMut(&str) -> Result<String, String>,
) -> Result<Joined, ImportError> {
    let root = resolve("", root);
    let mut joined = Joined::default();
    let mut taken = BTreeSet::from([root.clone()]);
    let text = read(&root).map_err(|why| ImportError {
        message: format!("cannot read `{root}`: {why}"),
        at: None,
    })?;
    let mut open = vec![enter(&mut joined, root, text)];
    while let Some((file, from)) = open.pop() {
        let (line, next) = line_at(&joined.files[file].text, from);
        if line.is_empty() {
            continue;
        }
        open.push((file, next));
        let trouble = |joined: &Joined, message: String| ImportError {
            message,
            at: Some((
                joined.files[file].clone(),
                trimmed(&joined.files[file].text, from..next),
            )),
        };
        match wanted(line) {
            None => {
                let bytes = line.len();
                joined.pieces.push(Piece {
                    text_start: joined.text.len(),
                    file,
                    file_start: from,
                    bytes,
                });
                let line = joined.files[file].text[from..next].to_owned();
                joined.text.push_str(&line);
                if !line.ends_with('\n') {
                    joined.text.push('\n');
                }
                if joined.text.len() > SOURCE_BYTES_MAX {
                    let message =
                        format!("a shader with its imports may have {SOURCE_BYTES_MAX} bytes");
                    return Err(trouble(&joined, message));
                }
            }
            Some(Err(message)) => return Err(trouble(&joined, message)),
            Some(Ok(import)) => {
                let path = resolve(&joined.files[file].path, &import);
                if !taken.insert(path.clone()) {
                    continue;
                }
                if joined.files.len() == FILES_MAX {
                    return Err(trouble(
                        &joined,
                        format!("a shader may have {FILES_MAX} files"),
                    ));
                }
                let text = read(&path)
                    .map_err(|why| trouble(&joined, format!("cannot import `{path}`: {why}")))?;
                open.push(enter(&mut joined, path, text));
            }
        }
    }
    Ok(joined)
}

fn enter(joined: &mut Joined, path: String, text: String) -> (usize, usize) {
    joined.files.push(File { path, text });
    (joined.files.len() - 1, 0)
}

/// The line that begins here, with its break, and where the next one begins.
fn line_at(text: &str, from: usize) -> (&str, usize) {
    let rest = &text[from..];
    let bytes = rest.find('\n').map_or(rest.len(), |at| at + 1);
    (&rest[..bytes], from + bytes)
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let line = &text[range.clone()];
    let start = range.start + (line.len() - line.trim_start().len());
    start..start + line.trim().len()
}

/// The path that a line imports, if it is such a line.
fn wanted(line: &str) -> Option<Result<String, String>> {
    let rest = line.trim_start().strip_prefix("#import")?;
    if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let path = || {
        let (path, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let rest = rest.trim_start().trim_start_matches(';').trim_start();
        let sound = !path.is_empty()
            && !path.starts_with('/')
            && (rest.is_empty() || rest.starts_with("//"));
        sound.then(|| path.to_owned())
    };
    Some(path().ok_or_else(|| {
        "write `#import \"file.wgsl\"`, a path from this file's folder; names of modules are not known".to_owned()
    }))
}

/// A path that is written in a file, from where that file's own path starts.
fn resolve(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(files: &[(&str, &str)]) -> Result<Joined, ImportError> {
        join(files[0].0, |path| {
            let found = files.iter().find(|(name, _)| *name == path);
            found
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| "no such file".to_owned())
        })
    }

    #[test]
    fn imports_come_once_and_every_byte_knows_its_file() {
        let files = [
            (
                "s/a.wgsl",
                "// a\n  #import \"b.wgsl\" // colours\n#import \"../c.wgsl\";\nfn a() {}",
            ),
            (
                "s/b.wgsl",
                "#import \"a.wgsl\"\n#import \"../c.wgsl\"\nfn b() {}\n",
            ),
            ("c.wgsl", "fn c() {}\n"),
        ];
        let all = joined(&files).expect("it joins");
        assert_eq!(all.text, "// a\nfn c() {}\nfn b() {}\nfn a() {}\n");
        for name in ["a", "b", "c"] {
            let at = all.text.find(&format!("fn {name}")).expect("it is there");
            let (file, range) = all.locate(at..at + 4).expect("it has a place");
            assert!(all.files[file].path.ends_with(&format!("{name}.wgsl")));
            assert_eq!(&all.files[file].text[range], format!("fn {name}"));
        }
        // Past the end is the end of the last piece.
        let (file, range) = all
            .locate(all.text.len()..all.text.len() + 9)
            .expect("the end");
        assert_eq!((file, range.is_empty()), (0, true));
        assert_eq!(Joined::default().locate(0..1), None);
    }

    #[test]
    fn what_cannot_be_imported_is_named_at_its_line() {
        let table = [
            (
                "#import \"x.wgsl\"\n",
                "cannot import `x.wgsl`: no such file",
            ),
            ("#import bevy::x\n", "write `#import \"file.wgsl\"`"),
            ("#import \"\"", "write `#import \"file.wgsl\"`"),
            ("#import \"/etc/x.wgsl\"", "write `#import \"file.wgsl\"`"),
            ("#import", "write `#import \"file.wgsl\"`"),
        ];
        for (text, message) in table {
            let error = joined(&[("a.wgsl", text)]).expect_err(text);
            assert!(error.message.starts_with(message), "{error:?}");
            let (file, range) = error.at.expect("a place");
            assert_eq!(&file.text[range], text.trim());
        }
        assert_eq!(
            joined(&[("a.wgsl", "#important\n")])
                .expect("naga's matter")
                .text,
            "#important\n"
        );
    }

    #[test]
    fn sizes_and_numbers_are_bounded() {
        let long = "/".repeat(SOURCE_BYTES_MAX);
        assert!(joined(&[("a.wgsl", &long)]).is_err());
        let mut asked = 0;
        let endless = join("0.wgsl", |_| {
            asked += 1;
            Ok(format!("#import \"{asked}.wgsl\"\n"))
        });
        assert!(
            endless
                .expect_err("it never ends")
                .message
                .contains("64 files")
        );
        assert_eq!(asked, FILES_MAX);
    }
}
