//! Records survive what linkers do to data that nobody refers to: a real build with fat LTO and strip, message types in a
//! dependency crate, generic and mutually recursive ones among them.
#![expect(
    clippy::disallowed_methods,
    reason = "the test builds a workspace with cargo"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use cell_runtime::schema::Records;
use object::{Object, ObjectSection};

const WORKSPACE: &str = r#"
[workspace]
resolver = "3"
members = ["shop", "messages"]

[profile.release]
opt-level = 1
lto = "fat"
strip = true
"#;

const MESSAGES: &str = r#"
use cell_sdk::cell;

/// Two types that hold each other.
#[derive(cell::Protein)]
pub struct Folder {
    pub name: String,
    pub entries: Vec<Entry>,
}

#[derive(cell::Protein)]
pub enum Entry {
    File(u64),
    Folder(Box<Folder>),
}

#[derive(cell::Protein)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Box<Page<T>>>,
}
"#;

const SHOP: &str = r#"
use cell_sdk::cell;

#[cell::service]
mod shop {
    use cell_sdk::cell;
    use messages::{Folder, Page};

    /// Lists what is there.
    #[cell::handler]
    async fn list(after: Option<String>) -> Page<Folder> {
        let _ = after;
        Page { items: Vec::new(), next: None }
    }
}

fn main() {
    let schema = cell_sdk::schema::own_service("shop::shop").expect("has records");
    println!("{}", schema.fingerprint);
    if std::env::args().count() > 1 {
        let _ = cell::serve_local(shop::handlers());
    }
}
"#;

fn manifest(name: &str, dependencies: &str) -> String {
    let runtime = env!("CARGO_MANIFEST_DIR");
    format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n\
         cell-sdk = {{ package = \"cell-runtime\", path = {runtime:?} }}\n{dependencies}"
    )
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("has a folder")).expect("creates the folder");
    // A file that stays as it was is not built again.
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text).expect("writes");
    }
}

#[test]
fn records_survive_strip_and_fat_lto_in_a_dependency() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sections");
    write(&root.join("Cargo.toml"), WORKSPACE);
    write(&root.join("messages/Cargo.toml"), &manifest("messages", ""));
    write(&root.join("messages/src/lib.rs"), MESSAGES);
    write(
        &root.join("shop/Cargo.toml"),
        &manifest("shop", "messages = { path = \"../messages\" }\n"),
    );
    write(&root.join("shop/src/main.rs"), SHOP);
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    write(
        &root.join("Cargo.lock"),
        &fs::read_to_string(lock).expect("the workspace has a lock file"),
    );

    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--offline", "--quiet", "--target-dir"])
        .arg(root.join("target"))
        .current_dir(&root)
        .output()
        .expect("cargo runs");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );

    let binary = root.join("target/release/shop");
    let bytes = fs::read(&binary).expect("the binary is there");
    let file = object::File::parse(&*bytes).expect("is an object file");
    let section = file
        .section_by_name("cell_schema")
        .expect("has the section");
    let records = Records::parse(section.data().expect("has bytes")).expect("has good records");
    let schema = records
        .service(Some("shop::shop"))
        .expect("has the service");
    let names: Vec<&str> = schema.types.iter().map(|ty| ty.name.as_str()).collect();
    assert_eq!(names, ["Entry", "Folder", "Page"]);
    assert_eq!(schema.routes[0].res.to_string(), "Page<Folder>");
    assert_eq!(schema.routes[0].docs, "Lists what is there.");

    // The process finds the same records in itself.
    let ran = Command::new(&binary).output().expect("runs");
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout).trim(),
        schema.fingerprint.to_string()
    );
}
