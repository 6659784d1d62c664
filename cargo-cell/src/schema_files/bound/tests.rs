//! Decisions about folders, and what happens to real ones.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests are about files on disk"
)]

use std::fs;
use std::path::Path;

use cell_runtime::schema::Snapshot;

use super::*;
use crate::bind::tests::{Plain, snapshot};
use crate::bind::{Place, wanted};
use crate::error::Kind;

fn plain(cells: &[&str], package: bool) -> Wanted {
    let snapshots: Vec<Snapshot> = cells.iter().map(|cell| snapshot(cell)).collect();
    let snapshots: Vec<&Snapshot> = snapshots.iter().collect();
    let place = Place {
        name: "clients".to_owned(),
        import_path: None,
    };
    wanted(&Plain, &snapshots, &place, package).expect("the language is simple")
}

fn work(dir: &Path, wanted: &Wanted) -> Result<Work> {
    let folder = look(dir, &Plain, wanted)?;
    compare(wanted, &folder, &|_| false, &str::to_owned)
}

fn bind(dir: &Path, wanted: &Wanted) -> Result<Work> {
    let work = work(dir, wanted)?;
    apply(&[(dir, &work)])?;
    Ok(work)
}

fn paths(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|change| change.path.as_str()).collect()
}

/// Every file below a folder with its content.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it is a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(dir).expect("it lies inside");
            let name = name.to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).expect("it is readable"));
        }
    }
    files
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room")
}

#[test]
fn a_second_run_writes_nothing_and_touches_nothing() {
    let dir = scratch();
    let wanted = plain(&["a_service", "b"], false);
    assert_eq!(
        bind(dir.path(), &wanted).expect("it is empty").writes.len(),
        5
    );
    let before = tree(dir.path());
    let time = |path: &str| fs::metadata(dir.path().join(path)).and_then(|m| m.modified());
    let written = time("a/code.plain").expect("it is there");
    let again = bind(dir.path(), &wanted).expect("nothing is in the way");
    assert!(again.is_done() && again.unchanged == 5, "{again:?}");
    assert_eq!(tree(dir.path()), before);
    assert_eq!(time("a/code.plain").ok(), Some(written));
}

#[test]
fn stale_files_of_ours_go_and_others_stay() {
    let dir = scratch();
    bind(dir.path(), &plain(&["a_service", "b"], false)).expect("it is empty");
    let ours = format!("# {MARK}\n");
    for (path, text) in [
        ("a/old.plain", ours.as_str()),
        ("a/deep/old.plain", &ours),
        ("a/mine.plain", "hand-written\n"),
        ("a/notes.txt", &ours),
        ("far/away/old.plain", &ours),
        ("node_modules/x.plain", &ours),
        ("top.plain", &ours),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("there is room");
        fs::write(path, text).expect("there is room");
    }
    let work = bind(dir.path(), &plain(&["a_service"], false)).expect("nothing is in the way");
    assert_eq!(
        paths(&work.removes),
        [
            "a/deep/old.plain",
            "a/old.plain",
            "b/code.plain",
            "b/lock.plain"
        ]
    );
    let left: Vec<String> = tree(dir.path()).into_keys().collect();
    assert_eq!(
        left,
        [
            "a/code.plain",
            "a/lock.plain",
            "a/mine.plain",
            "a/notes.txt",
            "far/away/old.plain",
            "node_modules/x.plain",
            "shared/core.plain",
            "top.plain"
        ]
    );
    assert!(!dir.path().join("b").exists() && !dir.path().join("a/deep").exists());
}

#[test]
fn a_file_in_the_way_is_an_error_before_anything_is_written() {
    for (name, make) in [
        ("b/code.plain", "file"),
        ("b/code.plain", "folder"),
        ("b/code.plain", "link"),
        ("b", "file"),
    ] {
        let dir = scratch();
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("there is room");
        let made = match make {
            "file" => fs::write(&path, "hand-written\n"),
            "folder" => fs::create_dir(&path),
            _ => std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path),
        };
        made.expect("there is room");
        let before = tree_names(dir.path());
        let error = bind(dir.path(), &plain(&["a", "b"], false)).expect_err(make);
        assert!(
            error.kind == Kind::User && error.to_string().contains("b/code.plain"),
            "{error}"
        );
        assert_eq!(tree_names(dir.path()), before, "{make}");
    }
}

fn tree_names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("it is a folder").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_package_file_is_written_once_and_never_overwritten() {
    let dir = scratch();
    let wanted = plain(&["a"], true);
    bind(dir.path(), &wanted).expect("it is empty");
    assert!(work(dir.path(), &wanted).expect("it is ours").is_done());
    fs::write(dir.path().join("plain.package"), "mine\n").expect("there is room");
    let work = bind(dir.path(), &wanted).expect("it is not in the way");
    assert_eq!(
        (work.is_done(), work.kept),
        (true, vec!["plain.package".to_owned()])
    );
    let text = fs::read_to_string(dir.path().join("plain.package"));
    assert_eq!(text.ok().as_deref(), Some("mine\n"));
}

#[test]
fn a_failure_half_way_puts_everything_back() {
    let dir = scratch();
    bind(dir.path(), &plain(&["a", "b"], false)).expect("it is empty");
    let before = tree(dir.path());
    let mut new = plain(&["a", "b", "c"], false);
    for owned in &mut new.files {
        owned.file.text.push_str("more\n");
    }
    let work = work(dir.path(), &new).expect("nothing is in the way");
    // Somebody puts a folder where a new file will be, after we have looked.
    fs::create_dir_all(dir.path().join("c/lock.plain")).expect("there is room");
    let error = apply(&[(dir.path(), &work)]).expect_err("a folder is in the way");
    assert!(error.kind == Kind::Environment, "{error}");
    assert!(error.to_string().contains("c/lock.plain"), "{error}");
    assert_eq!(tree(dir.path()), before);
    assert!(!dir.path().join("c/code.plain").exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_environment_error() {
    let dir = scratch();
    fs::write(dir.path().join("file"), "").expect("there is room");
    let below = dir.path().join("file/clients");
    let wanted = plain(&["a"], false);
    let folder = Folder::new();
    let work = compare(&wanted, &folder, &|_| false, &str::to_owned).expect("it is empty");
    let error = apply(&[(&below, &work)]).expect_err("a file is no folder");
    assert_eq!(error.kind, Kind::Environment);
}

#[test]
fn an_overwrite_is_in_place() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = scratch();
    let mut wanted = plain(&["a"], false);
    bind(dir.path(), &wanted).expect("it is empty");
    let inode = || {
        fs::metadata(dir.path().join("a/code.plain"))
            .map(|m| m.ino())
            .ok()
    };
    let before = inode();
    wanted.files[0].file.text = format!("# {MARK}\n");
    bind(dir.path(), &wanted).expect("it is ours");
    assert_eq!(inode(), before);
    let text = fs::read_to_string(dir.path().join("a/code.plain")).ok();
    assert_eq!(text, Some(format!("# {MARK}\n")));
}

#[test]
fn a_binding_is_there_while_any_of_its_files_is() {
    let dir = scratch();
    bind(dir.path(), &plain(&["a_service", "b"], false)).expect("it is empty");
    assert!(is_there(dir.path(), &Plain, "a_service"));
    fs::remove_file(dir.path().join("a/lock.plain")).expect("it is there");
    assert!(is_there(dir.path(), &Plain, "a_service"));
    fs::remove_dir_all(dir.path().join("a")).expect("it is there");
    assert!(!is_there(dir.path(), &Plain, "a_service"));
    assert!(is_there(dir.path(), &Plain, "b"));
    assert!(!is_there(&dir.path().join("nowhere"), &Plain, "b"));
}

#[test]
fn a_rust_lock_is_ours_by_what_it_holds() {
    assert!(is_ours("a.lock", b"0x0123456789abcdef\n"));
    assert!(!is_ours("Cargo.lock", b"# made by cargo\n"));
    assert!(!is_ours("a.txt", b"0x0123456789abcdef\n"));
    assert!(!is_ours(
        "a.go",
        format!("package a\n// {MARK}\n").as_bytes()
    ));
}

#[test]
fn checksums_are_ours_where_their_module_is() {
    let dir = scratch();
    for (folder, head) in [("ours", format!("// {MARK}\n")), ("other", String::new())] {
        let folder = dir.path().join(folder);
        fs::create_dir(&folder).expect("there is room");
        fs::write(folder.join("go.mod"), head + "module x\n").expect("there is room");
        fs::write(folder.join("go.sum"), "y v1.0.0 h1:z=\n").expect("there is room");
    }
    let go = crate::bind::language("go").expect("it is there");
    let found = look(dir.path(), go, &Wanted::default()).expect("it can be read");
    let ours: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(ours, ["ours/go.mod", "ours/go.sum"]);
}

#[test]
fn a_real_path_has_no_links_and_may_end_nowhere() {
    let dir = scratch();
    let root = fs::canonicalize(dir.path()).expect("it is there");
    fs::create_dir(root.join("a")).expect("there is room");
    std::os::unix::fs::symlink(root.join("a"), root.join("link")).expect("there is room");
    for (path, expected) in [
        ("link/x/y", "a/x/y"),
        ("a/../b", "b"),
        ("link/../b", "b"),
        ("x/../../", ""),
    ] {
        let real = real(&root.join(path)).expect("it is a path");
        let expected = match expected {
            "" => root.parent().expect("it has one").to_owned(),
            expected => root.join(expected),
        };
        assert_eq!(real, expected, "{path}");
    }
}

#[test]
fn the_published_schema_of_cell_toml_names_every_language() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cell-toml.schema.json");
    let text = fs::read_to_string(path).expect("it is committed");
    let schema: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let named = schema["$defs"]["language"]["enum"].as_array();
    let mut named: Vec<&str> = named
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    named.sort_unstable();
    let mut known: Vec<&str> = crate::bind::LANGUAGES
        .iter()
        .flat_map(|language| {
            std::iter::once(language.name()).chain(language.aliases().iter().copied())
        })
        .collect();
    known.sort_unstable();
    assert_eq!(named, known);
}
