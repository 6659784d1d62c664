//! The binding's text: names, docs and types of any kind.

use super::*;

/// Writes what is generated from `CELL_PYTHON_FROM` where `CELL_PYTHON_OUT` says, to look at it.
#[test]
#[ignore = "writes a sample for a person to read"]
#[expect(clippy::disallowed_methods, reason = "a person reads the files")]
fn sample() {
    let out = std::env::var("CELL_PYTHON_OUT").expect("CELL_PYTHON_OUT");
    let from = std::env::var("CELL_PYTHON_FROM").expect("CELL_PYTHON_FROM");
    let text = std::fs::read_to_string(from).expect("a snapshot");
    let snapshot = Snapshot::from_json(&text).expect("a snapshot");
    let mut files = Python
        .generate(&snapshot, &Place::default())
        .expect("a binding");
    files.extend(Python.shared(&Place::default()));
    for file in files {
        let path = std::path::Path::new(&out).join(&file.path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, file.text).expect("written");
    }
}
