//! Records and bindings through the real toolchain: what a release profile leaves of them, and what lints say of them.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests of toolchains read the disk, start processes and fail by panicking"
)]

mod go;
mod go_remote;
mod matrix;
mod mutations;
mod network;
mod python;
mod python_remote;
mod random;
mod remote;
mod sources;
mod tools;
mod typescript;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_cell::schema_files::{self, Authority, Consumer, View};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bindings/fixture");
const RUNTIME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cell-runtime");

/// A copy of the fixture: manifests are templates, so that cargo does not take the folder for a workspace of its own.
struct Fixture {
    dir: tempfile::TempDir,
    target: PathBuf,
    /// What is compiled is shared by the tests; what is linked is not.
    build: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(Path::new(FIXTURE), dir.path());
        let target = dir.path().join("target");
        let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end-to-end-build");
        Fixture { dir, target, build }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn cargo(&self, args: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO"))
            .args(args)
            .args(["--offline", "--quiet"])
            .current_dir(self.dir.path())
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_BUILD_BUILD_DIR", &self.build)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text)
    }

    fn build(&self, args: &[&str]) {
        let (success, text) = self.cargo(args);
        assert!(success, "cargo {args:?}: {text}");
    }

    fn view(&self, binary: &str) -> View {
        let records = schema_files::read_binary(&self.target.join(binary)).unwrap();
        View {
            root: self.path(""),
            home_schema_dir: self.path("home"),
            authorities: vec![Authority {
                package_dir: self.path("shop"),
                snapshot: records.service(None).unwrap(),
            }],
            consumers: vec![Consumer {
                package_dir: self.path("asks"),
                cells: BTreeSet::from(["shop".to_owned()]),
            }],
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let name = name.strip_suffix(".template").unwrap_or(name);
        std::fs::write(to.join(name), text.replace("RUNTIME", RUNTIME)).unwrap();
    }
}

#[test]
fn records_survive_other_crates_generics_recursion_strip_and_fat_lto() {
    let fixture = Fixture::new();
    fixture.build(&["build", "-p", "shop"]);
    fixture.build(&["build", "-p", "shop", "--release"]);
    let debug = fixture.view("debug/shop").authorities.remove(0).snapshot;
    let release = fixture.view("release/shop").authorities.remove(0).snapshot;
    assert_eq!(debug, release);
    let names: Vec<_> = debug.types.iter().map(|def| def.name.as_str()).collect();
    assert_eq!(
        names,
        ["Everything", "Left", "Page", "Pair", "Right", "Unit"]
    );
    // The process finds the same by itself, whatever the linker has dropped.
    for profile in ["debug", "release"] {
        let output = Command::new(fixture.target.join(profile).join("shop"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, format!("{}\n", debug.fingerprint), "{profile}");
    }
}

#[test]
fn a_binding_of_everything_passes_the_strictest_lints_and_rustfmt() {
    let fixture = Fixture::new();
    fixture.build(&["build", "-p", "shop"]);
    let view = fixture.view("debug/shop");
    let (success, text) = fixture.cargo(&["check", "-p", "asks"]);
    let errors = text
        .lines()
        .filter(|line| line.starts_with("error: no binding"))
        .count();
    assert!(!success && errors == 1, "{text}");

    let plan = schema_files::plan(&view).unwrap();
    assert!(!schema_files::check(&plan.files).unwrap().is_empty());
    let written = schema_files::apply(&plan.files).unwrap();
    assert_eq!(written.len(), plan.files.len());
    assert_eq!(schema_files::apply(&plan.files), Ok(Vec::new()));
    assert_eq!(schema_files::check(&plan.files), Ok(Vec::new()));
    assert_eq!(
        schema_files::bindings_of(&fixture.path("asks")),
        BTreeSet::from(["shop".to_owned()])
    );

    fixture.build(&["clippy", "-p", "asks"]);
    let binding = fixture.path("asks/cells/shop.rs");
    let output = Command::new("rustfmt")
        .args(["--edition", "2024", "--check"])
        .arg(&binding)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );

    fixture.build(&["build", "-p", "asks"]);
    let records = schema_files::read_binary(&fixture.target.join("debug/asks")).unwrap();
    let calls: Vec<_> = records
        .calls()
        .iter()
        .map(|call| (call.cell.as_str(), call.binding))
        .collect();
    assert_eq!(calls, [("shop", view.authorities[0].snapshot.fingerprint)]);

    std::fs::write(fixture.path("asks/cells/shop.lock"), "0x000000000000002a\n").unwrap();
    let (success, text) = fixture.cargo(&["check", "-p", "asks"]);
    let drift = format!(
        "schema drift: `shop` has fingerprint 0x000000000000002a, but this binding was generated from {}; run `cargo cell build`",
        view.authorities[0].snapshot.fingerprint
    );
    assert!(!success && text.contains(&drift), "{text}");
}
