//! The Go binding through Go's own tools: compiled, checked, run against values of Rust and against a live service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_cell::bind::{File, Language, Place, language};
use cell_runtime::schema::{Field, Fingerprint, Route, Snapshot, Ty, dynamic};
use conformance::random::{Model, Rng, json, value};

use crate::{matrix, tools};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bindings/go");
const CONFORMANCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bindings/go.md");

/// A module of Go with bindings in its folder `cells`.
pub(crate) struct Module {
    pub(crate) dir: tempfile::TempDir,
}

impl Module {
    pub(crate) fn of(snapshots: &[&Snapshot]) -> Module {
        let module = Module {
            dir: tempfile::tempdir().unwrap(),
        };
        module.write("go.mod", "module example.com/app\n\ngo 1.21\n");
        for snapshot in snapshots {
            module.write_all(go().generate(snapshot, &place()).unwrap());
        }
        module.write_all(go().shared(&place()));
        module
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn write_all(&self, files: Vec<File>) {
        for file in files {
            self.write(&format!("cells/{}", file.path), &file.text);
        }
    }

    /// Copies the Go files of a folder beside this one.
    pub(crate) fn add(&self, from: &str, to: &str) {
        for entry in std::fs::read_dir(Path::new(SOURCES).join(from)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            self.write(&format!("{to}/{name}"), &text);
        }
    }

    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = tools::go().command(program);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("GOFLAGS", "-buildvcs=false")
            .env("GOPROXY", "off")
            .env("GOSUMDB", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off");
        command
    }

    /// Lets the module import the one that calls cells of other machines, as the page says.
    pub(crate) fn take_cellquic(&self) {
        let module = "example.com/app/cells/cellquic";
        let replace = format!("-replace={module}=./cells/cellquic");
        self.must("go", &["mod", "edit", &replace]);
        self.must("go", &["get", module]);
    }

    /// Whether it succeeds, and what it says.
    fn run(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        said(&mut self.command(program, arguments))
    }

    pub(crate) fn must(&self, program: &str, arguments: &[&str]) {
        let (success, text) = self.run(program, arguments);
        assert!(success, "{program} {arguments:?}:\n{text}");
    }

    /// What Go's own checks find, and staticcheck, which leaves generated files alone unless they do not say so.
    fn must_be_clean(&self) {
        assert_eq!(self.run("gofmt", &["-l", "."]), (true, String::new()));
        self.must_in_all("go", &["vet", "./..."]);
        self.unmark(self.dir.path());
        self.must_in_all("staticcheck", &["./..."]);
    }

    /// In the module, and in the one inside of it, which Go does not look into.
    fn must_in_all(&self, program: &str, arguments: &[&str]) {
        for folder in ["", "cells/cellquic"] {
            let mut command = self.command(program, arguments);
            let (success, text) = said(command.current_dir(self.path(folder)));
            assert!(success, "{program} in {folder:?}:\n{text}");
        }
    }

    fn unmark(&self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.unmark(&path);
            } else if path.extension().is_some_and(|extension| extension == "go") {
                let text = std::fs::read_to_string(&path).unwrap();
                let unmarked = text.replacen(
                    &format!("// Code {}; DO NOT EDIT.\n", cargo_cell::bind::MARK),
                    "",
                    1,
                );
                std::fs::write(&path, unmarked).unwrap();
            }
        }
    }
}

fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn go() -> &'static dyn Language {
    language("go").unwrap()
}

fn place() -> Place {
    Place {
        name: "cells".to_owned(),
        import_path: Some("example.com/app/cells".to_owned()),
    }
}

fn conformance() -> Snapshot {
    let json = std::fs::read_to_string(Path::new(CONFORMANCE).join("conformance.json")).unwrap();
    Snapshot::from_json(&json).unwrap()
}

#[test]
fn nothing_is_found_in_generated_code() {
    Module::of(&[&conformance(), &matrix::snapshot()]).must_be_clean();
}

#[test]
fn values_are_those_of_rust_and_damaged_ones_are_refused() {
    let module = Module::of(&[&conformance()]);
    module.add("conformance", "cells/conformance");
    for (from, to) in [
        ("values.json", "values.json"),
        ("conformance.json", "snapshot.json"),
    ] {
        let text = std::fs::read_to_string(Path::new(CONFORMANCE).join(from)).unwrap();
        module.write(&format!("cells/conformance/testdata/{to}"), &text);
    }
    module.must("go", &["test", "-count=1", "./cells/conformance"]);
}

/// How many random schemas there are when `CELL_MODELS` does not say.
const MODELS: u64 = 8;
/// How many values of each type in them.
const VALUES: usize = 5;

#[test]
fn random_values_of_random_schemas_are_read_and_written() {
    let models = std::env::var("CELL_MODELS").map_or(MODELS, |count| count.parse().unwrap());
    let mut snapshots = Vec::new();
    let mut tables = Vec::new();
    for seed in 0..models {
        let mut model = Model::random(&format!("random{seed}"), seed);
        let routes = std::mem::take(&mut model.routes);
        let of_route = |route: Route| {
            let args = route.args.into_iter().map(|arg| arg.ty);
            args.chain([route.res]).chain(route.err)
        };
        let types: BTreeSet<Ty> = routes.into_iter().flat_map(of_route).collect();
        // One route for each type, that gives back what it takes.
        model.routes = types.iter().enumerate().map(echo).collect();
        let snapshot = model.snapshot().unwrap();
        let mut rng = Rng::new(seed);
        let mut values = Vec::new();
        for (index, ty) in types.iter().enumerate() {
            for number in 0..VALUES {
                let value = json(&model, ty, &value(&model, ty, 5, &mut rng));
                let bytes = dynamic::encode(&snapshot, ty, &value).unwrap();
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                values.push(serde_json::json!({
                    "route": format!("echo{index}"), "name": number.to_string(), "value": value, "bytes": hex,
                }));
            }
        }
        tables.push(serde_json::json!({ "values": values }).to_string());
        snapshots.push(snapshot);
    }
    let module = Module::of(&snapshots.iter().collect::<Vec<_>>());
    for (snapshot, values) in snapshots.iter().zip(tables) {
        let folder = format!("cells/{}", snapshot.name);
        module.add("conformance", &folder);
        for entry in std::fs::read_dir(Path::new(SOURCES).join("conformance")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("{folder}/{name}");
            let text = std::fs::read_to_string(module.path(&path)).unwrap();
            let package = format!("package {}\n", snapshot.name);
            module.write(&path, &text.replacen("package conformance\n", &package, 1));
        }
        module.write(&format!("{folder}/testdata/values.json"), &values);
        module.write(
            &format!("{folder}/testdata/snapshot.json"),
            &snapshot.to_json(),
        );
    }
    assert_eq!(module.run("gofmt", &["-l", "."]), (true, String::new()));
    module.must("go", &["test", "-count=1", "./cells/..."]);
}

fn echo((index, ty): (usize, &Ty)) -> Route {
    Route {
        name: format!("echo{index}"),
        fingerprint: Fingerprint(0),
        docs: String::new(),
        args: vec![Field {
            name: "value".to_owned(),
            ty: ty.clone(),
            docs: String::new(),
        }],
        req: Ty::Tuple(vec![ty.clone()]),
        res: ty.clone(),
        err: None,
        takes: None,
        yields: None,
    }
}

#[test]
fn the_client_survives_hostile_servers() {
    let module = Module::of(&[]);
    module.add("runtime", "cells/cell");
    let (success, text) = said(
        module
            .command("go", &["test", "-count=1", "-timeout=120s", "./cells/cell"])
            .env(
                "CELL_PROTOCOL",
                Path::new(CONFORMANCE).join("protocol.json"),
            ),
    );
    assert!(success, "{text}");
}

#[test]
fn the_go_client_plays_every_scenario() {
    let module = Module::of(&[&matrix::snapshot()]);
    module.add("matrix", "matrix");
    module.must("go", &["build", "-o", "play", "./matrix"]);
    matrix::play(&matrix::Program {
        language: "go",
        command: vec![module.path("play").into()],
        folder: module.dir.path().to_owned(),
    });
}

#[test]
fn a_changed_schema_breaks_the_build_with_one_error() {
    let snapshot = matrix::snapshot();
    let module = Module::of(&[&snapshot]);
    module.must("go", &["build", "./..."]);
    let now = Fingerprint(0x8a37_0000_0000_0001);
    module.write_all(vec![go().lock("matrix", now)]);
    let (success, text) = module.run("go", &["build", "./..."]);
    assert!(!success);
    let errors: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let [error] = errors.as_slice() else {
        panic!("not one error:\n{text}");
    };
    let code = snapshot.fingerprint.to_string();
    for part in [
        "cells/matrix/matrix.go:",
        &code,
        "0x8a37000000000001",
        "run__cargo_cell_bind",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

/// Each block of the page that is a whole file is compiled beside bindings of the matrix.
#[test]
fn the_pages_code_compiles() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let module = Module::of(&[&matrix::snapshot()]);
    let mut blocks = 0;
    for block in page.split("```go\n").skip(1) {
        let code = block.split("\n```").next().unwrap();
        if code.starts_with("package ") {
            module.write(&format!("example{blocks}/main.go"), &format!("{code}\n"));
            blocks += 1;
        }
    }
    assert!(blocks > 0, "the page has no program");
    module.take_cellquic();
    assert_eq!(module.run("gofmt", &["-l", "."]), (true, String::new()));
    module.must("go", &["vet", "./..."]);
}
