//! The ways in which editors and tools save a file, as the file system sees them.

use std::io::{Result, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Takes the steps of a save one by one, each whole: between two of them somebody may look.
pub(crate) struct Editor(Arc<Mutex<()>>);

type Save = fn(&Editor, &Path, &str);

/// Every way, by name. What is named `nothing` leaves the file's bytes as they were.
pub(crate) const SAVES: [(&str, Save); 16] = [
    ("in place", in_place),
    ("in two writes", in_two_writes),
    ("vim, backupcopy=no", vim_rename),
    ("vim, backupcopy=yes", vim_copy),
    ("helix", helix),
    ("VS Code, empty for a moment", emptied),
    ("JetBrains", jetbrains),
    ("emacs", emacs),
    ("rename over", rename_over),
    ("rename over, with an old time", rename_over_old),
    ("sed -i", sed),
    ("git checkout", git_checkout),
    ("git checkout of another folder", folder_renamed),
    ("nothing: touch", touch),
    ("nothing: the same text again", same),
    ("nothing: chmod", chmod),
];

impl Editor {
    pub(crate) fn new(steps: Arc<Mutex<()>>) -> Self {
        Editor(steps)
    }

    /// One step that nobody looks into.
    pub(crate) fn step(&self, step: impl FnOnce() -> Result<()>) {
        let _whole = self.0.lock().unwrap();
        step().unwrap();
    }
}

fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name.replace('%', path.file_name().unwrap().to_str().unwrap()))
}

fn in_place(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::write(path, text));
}

/// Within one step: that half a text may be taken for a whole one is what the quiet time is for, and no order of looks.
fn in_two_writes(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| {
        let mut file = std::fs::File::create(path)?;
        let (one, two) = text.split_at(text.len() / 2);
        file.write_all(one.as_bytes())?;
        file.write_all(two.as_bytes())
    });
}

fn vim_rename(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::write(beside(path, "4913"), ""));
    editor.step(|| std::fs::remove_file(beside(path, "4913")));
    editor.step(|| std::fs::rename(path, beside(path, "%~")));
    editor.step(|| std::fs::write(path, text));
    editor.step(|| std::fs::remove_file(beside(path, "%~")));
}

fn vim_copy(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::copy(path, beside(path, "%~")).map(drop));
    editor.step(|| std::fs::File::create(path).map(drop));
    editor.step(|| std::fs::write(path, text));
    editor.step(|| std::fs::remove_file(beside(path, "%~")));
}

fn helix(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::rename(path, beside(path, "%.bck")));
    editor.step(|| std::fs::write(path, text));
    editor.step(|| std::fs::remove_file(beside(path, "%.bck")));
}

fn emptied(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::File::create(path).map(drop));
    editor.step(|| std::fs::write(path, text));
}

fn jetbrains(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::write(beside(path, "%___jb_tmp___"), text));
    editor.step(|| std::fs::rename(path, beside(path, "%___jb_old___")));
    editor.step(|| std::fs::rename(beside(path, "%___jb_tmp___"), path));
    editor.step(|| std::fs::remove_file(beside(path, "%___jb_old___")));
}

fn emacs(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::os::unix::fs::symlink("me@here.1:1", beside(path, ".#%")));
    editor.step(|| std::fs::write(beside(path, "#%#"), text));
    editor.step(|| std::fs::rename(path, beside(path, "%~")));
    editor.step(|| std::fs::write(path, text));
    editor.step(|| std::fs::remove_file(beside(path, "#%#")));
    editor.step(|| std::fs::remove_file(beside(path, ".#%")));
    editor.step(|| std::fs::remove_file(beside(path, "%~")));
}

fn rename_over(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::write(beside(path, ".%.tmp"), text));
    editor.step(|| std::fs::rename(beside(path, ".%.tmp"), path));
}

fn rename_over_old(editor: &Editor, path: &Path, text: &str) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    editor.step(|| std::fs::write(beside(path, "new"), text));
    editor.step(|| std::fs::File::open(beside(path, "new"))?.set_modified(long_ago));
    editor.step(|| std::fs::rename(beside(path, "new"), path));
}

fn sed(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::write(beside(path, "sedX1y2Z3"), text));
    editor.step(|| std::fs::rename(beside(path, "sedX1y2Z3"), path));
}

fn git_checkout(editor: &Editor, path: &Path, text: &str) {
    editor.step(|| std::fs::remove_file(path));
    editor.step(|| std::fs::write(path, text));
}

/// The folder goes away, changes and comes back, with all that is in it; where it must not, only the file does.
fn folder_renamed(editor: &Editor, path: &Path, text: &str) {
    let folder = path.parent().unwrap();
    let (from, to) = match folder.ends_with("deep") {
        true => (folder.to_owned(), folder.with_file_name("other")),
        false => (path.to_owned(), beside(path, "elsewhere")),
    };
    editor.step(|| std::fs::rename(&from, &to));
    let moved = match to.is_dir() {
        true => to.join(path.file_name().unwrap()),
        false => to.clone(),
    };
    editor.step(|| std::fs::write(moved, text));
    editor.step(|| std::fs::rename(&to, &from));
}

fn touch(editor: &Editor, path: &Path, _: &str) {
    editor.step(|| std::fs::File::open(path)?.set_modified(SystemTime::now()));
}

fn same(editor: &Editor, path: &Path, _: &str) {
    editor.step(|| std::fs::write(path, std::fs::read(path)?));
}

fn chmod(editor: &Editor, path: &Path, _: &str) {
    use std::os::unix::fs::PermissionsExt;
    for mode in [0o600, 0o644] {
        let permissions = std::fs::Permissions::from_mode(mode);
        editor.step(|| std::fs::set_permissions(path, permissions));
    }
}
