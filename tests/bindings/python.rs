//! The Python binding through Python's own tools: checked, imported, run against values of Rust and against a live service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_cell::bind::{File, Language, MARK, Place, language};
use cell_runtime::schema::{Field, Fingerprint, Route, Snapshot, Ty, dynamic};
use conformance::random::{Model, Rng, json, value};

use crate::{matrix, tools};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bindings/python");
const CONFORMANCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bindings/python.md");

/// How pyright is told to be as strict as it can.
const PYRIGHT: &str = "{ \"typeCheckingMode\": \"strict\", \"pythonVersion\": \"3.10\" }";

/// A program's folder with bindings in its package `cells`.
pub(crate) struct Project {
    pub(crate) dir: tempfile::TempDir,
}

impl Project {
    pub(crate) fn of(snapshots: &[&Snapshot]) -> Project {
        let project = Project {
            dir: tempfile::tempdir().unwrap(),
        };
        project.write("pyrightconfig.json", PYRIGHT);
        project.write("cells/__init__.py", "");
        for snapshot in snapshots {
            project.write_all(python().generate(snapshot, &Place::default()).unwrap());
        }
        project.write_all(python().shared(&Place::default()));
        project
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
            let first = file.text.lines().next().unwrap_or_default();
            let is_empty = cargo_cell::bind::UNMARKED
                .iter()
                .any(|name| file.path.ends_with(name));
            assert!(first.contains(MARK) || is_empty, "{}", file.path);
            self.write(&format!("cells/{}", file.path), &file.text);
        }
    }

    /// Copies a program beside the bindings.
    pub(crate) fn add(&self, name: &str) {
        let text = std::fs::read_to_string(Path::new(SOURCES).join(name)).unwrap();
        self.write(name, &text);
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = tools::python().command(program);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Whether it succeeds, and what it says.
    fn run(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let output = self.command(program, arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.success(), text)
    }

    fn must(&self, program: &str, arguments: &[&str]) -> String {
        let (success, text) = self.run(program, arguments);
        assert!(success, "{program} {arguments:?}:\n{text}");
        text
    }

    /// Formatter, linter and both checkers find nothing.
    fn must_be_clean(&self) {
        self.must(
            "ruff",
            &["format", "--no-cache", "--isolated", "--diff", "."],
        );
        self.must("ruff", &["check", "--no-cache", "--isolated", "."]);
        self.must(
            "mypy",
            &[
                "--strict",
                "--python-version=3.10",
                "--cache-dir=/dev/null",
                ".",
            ],
        );
        self.must("pyright", &["."]);
    }
}

fn python() -> &'static dyn Language {
    language("python").unwrap()
}

fn conformance() -> Snapshot {
    let json = std::fs::read_to_string(Path::new(CONFORMANCE).join("conformance.json")).unwrap();
    Snapshot::from_json(&json).unwrap()
}

#[test]
fn nothing_is_found_in_generated_code() {
    let project = Project::of(&[&conformance(), &matrix::snapshot()]);
    let programs = ["play.py", "remote.py", "network.py"];
    for program in programs
        .into_iter()
        .chain(["conformance.py", "test_core.py"])
    {
        project.add(program);
    }
    project.must_be_clean();
}

#[test]
fn values_are_those_of_rust_and_damaged_ones_are_refused() {
    let project = Project::of(&[&conformance()]);
    project.add("conformance.py");
    let folder = Path::new(CONFORMANCE);
    let snapshot = folder.join("conformance.json").display().to_string();
    let values = folder.join("values.json").display().to_string();
    project.must(
        "python",
        &["conformance.py", "conformance", &snapshot, &values],
    );
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
    let project = Project::of(&snapshots.iter().collect::<Vec<_>>());
    project.add("conformance.py");
    project.must_be_clean();
    for (snapshot, values) in snapshots.iter().zip(tables) {
        project.write("snapshot.json", &snapshot.to_json());
        project.write("values.json", &values);
        let arguments = [
            "conformance.py",
            &snapshot.name,
            "snapshot.json",
            "values.json",
        ];
        project.must("python", &arguments);
    }
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
    let project = Project::of(&[&matrix::snapshot()]);
    project.add("test_core.py");
    let protocol = Path::new(CONFORMANCE).join("protocol.json");
    let mut command = project.command("python", &["-W", "error", "-m", "unittest", "test_core"]);
    let output = command.env("CELL_PROTOCOL", protocol).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn the_python_client_plays_every_scenario() {
    let project = Project::of(&[&matrix::snapshot()]);
    project.add("play.py");
    matrix::play(&matrix::Program {
        language: "python",
        command: vec![
            tools::python().path("python").into(),
            project.path("play.py").into(),
        ],
        folder: project.dir.path().to_owned(),
    });
}

#[test]
fn a_changed_schema_is_one_error_for_each_checker_and_for_the_import() {
    let snapshot = matrix::snapshot();
    let project = Project::of(&[&snapshot]);
    project.write(
        "main.py",
        "from cells import matrix\n\nprint(matrix.CELL)\n",
    );
    project.must("python", &["main.py"]);
    project.write_all(vec![
        python().lock("matrix", Fingerprint(0x8a37_0000_0000_0001)),
    ]);
    let code = snapshot.fingerprint.to_string();
    let mypy = [
        "--strict",
        "--no-pretty",
        "--cache-dir=/dev/null",
        "main.py",
    ];
    for (program, arguments) in [
        ("mypy", &mypy[..]),
        ("pyright", &["."]),
        ("python", &["main.py"]),
    ] {
        let (success, text) = project.run(program, arguments);
        assert!(!success, "{program}");
        let errors: Vec<&str> = text
            .lines()
            .filter(|line| {
                line.contains("error:")
                    || line.contains(" - error")
                    || line.starts_with("ImportError")
            })
            .collect();
        let [error] = errors.as_slice() else {
            panic!("{program} has not one error:\n{text}");
        };
        for part in [code.as_str(), "0x8a37000000000001", "cargo cell bind"] {
            assert!(error.contains(part), "{program}: {part} is not in: {error}");
        }
        assert!(
            text.contains("cells/matrix/_schema.py"),
            "{program}: {text}"
        );
    }
}

/// Each block of the page is checked beside a binding of the matrix.
#[test]
fn the_pages_code_is_checked() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let project = Project::of(&[&matrix::snapshot()]);
    let mut blocks = 0;
    for block in page.split("```python\n").skip(1) {
        let code = block.split("\n```").next().unwrap();
        project.write(&format!("example{blocks}.py"), &format!("{code}\n"));
        blocks += 1;
    }
    assert!(blocks > 0, "the page has no program");
    project.must_be_clean();
}
