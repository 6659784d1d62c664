//! Embeds the templates that `cargo cell new` writes.
#![expect(clippy::disallowed_methods, reason = "a build script is I/O")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    // In a published package the link `templates` stands for the folder at the top of the repository.
    let candidates = [manifest.join("templates"), manifest.join("../templates")];
    let mut table = String::from("&[\n");
    if let Some(root) = candidates
        .iter()
        .find_map(|folder| folder.canonicalize().ok())
    {
        println!("cargo:rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        collect(&root, &mut files);
        files.sort();
        for file in files {
            println!("cargo:rerun-if-changed={}", file.display());
            let name = file
                .strip_prefix(&root)
                .expect("it lies in the folder")
                .to_string_lossy()
                .into_owned();
            writeln!(
                table,
                "    ({name:?}, include_bytes!({:?})),",
                file.display().to_string()
            )
            .expect("strings grow");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
    table.push_str("]\n");
    std::fs::write(out.join("templates.rs"), table).expect("OUT_DIR may be written");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            println!("cargo:rerun-if-changed={}", path.display());
            if !matches!(
                path.file_name().and_then(|name| name.to_str()),
                Some("target" | ".git")
            ) {
                collect(&path, files);
            }
        } else {
            files.push(path);
        }
    }
}
