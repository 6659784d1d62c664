//! TypeScript through the real compilers, linter, formatter and Node.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cargo_cell::bind::{self, Place};
use cell_runtime::schema::{Field, Fingerprint, Records, Route, Snapshot, Ty, dynamic};
use conformance::random::{self, Model, Rng};

use super::matrix::{self, Program};
use super::tools;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bindings/typescript");
const CONFORMANCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance");
const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/bindings/typescript.md"
);

/// How many random schemas are tried.
const MODELS: u64 = 12;
/// How many values of each of their types.
const VALUES: usize = 8;

/// A folder of a user: bindings in `cells`, programs in `programs`, what the compiler writes in `out`.
struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new(snapshots: &[&Snapshot], programs: &[&str]) -> Project {
        let project = Project {
            dir: tempfile::tempdir().unwrap(),
        };
        for file in ["package.json", "tsconfig.json", "eslint.config.js"] {
            project.write(
                file,
                &std::fs::read_to_string(Path::new(HERE).join(file)).unwrap(),
            );
        }
        let modules = tools::node().root().parent().unwrap().to_owned();
        std::os::unix::fs::symlink(modules, project.path("node_modules")).unwrap();
        let language = bind::language("ts").unwrap();
        let place = Place::default();
        let mut files = language.shared(&place);
        for snapshot in snapshots {
            files.extend(language.generate(snapshot, &place).unwrap());
        }
        for file in files {
            assert!(
                file.text
                    .lines()
                    .next()
                    .is_some_and(|line| line.contains(bind::MARK)),
                "{}",
                file.path
            );
            project.write(&format!("cells/{}", file.path), &file.text);
        }
        for program in programs {
            let path = format!("programs/{program}");
            project.write(
                &path,
                &std::fs::read_to_string(Path::new(HERE).join(&path)).unwrap(),
            );
        }
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Compiles with both generations of the compiler, the one written in Go and the one before.
    fn compile(&self) -> [Output; 2] {
        let newest = self.path("node_modules/typescript7/bin/tsc");
        let mut node = tools::node().command("node");
        node.arg(newest).arg("--noEmit");
        [
            self.output(&mut tools::node().command("tsc")),
            self.output(&mut node),
        ]
    }

    fn output(&self, command: &mut Command) -> Output {
        command.current_dir(self.dir.path()).output().unwrap()
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.output(tools::node().command(program).args(args));
        let said = said(&output);
        assert!(output.status.success(), "{program} {args:?}:\n{said}");
        said
    }

    /// Compiles, lints and looks at the format; nothing is found.
    fn judge(&self) {
        for output in self.compile() {
            assert!(output.status.success(), "{}", said(&output));
        }
        self.run("eslint", &["--max-warnings", "0", "cells", "programs"]);
        self.run("prettier", &["--check", "cells", "programs"]);
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn conformance() -> Snapshot {
    let json = std::fs::read_to_string(Path::new(CONFORMANCE).join("conformance.json")).unwrap();
    Snapshot::from_json(&json).unwrap()
}

/// The cell of the front page.
fn button() -> Snapshot {
    let records = [
        r#"{"k":"struct","id":"b::ButtonState","name":"ButtonState","params":0,"shape":"named","docs":"How a button looks.","at":"","fields":[{"n":"pressed","ty":"bool","docs":"Held down."},{"n":"hover_t","ty":"f32","docs":""}]}"#,
        r#"{"k":"enum","id":"b::PressError","name":"PressError","params":0,"docs":"","at":"","variants":[{"n":"NoSuchButton","shape":"named","docs":"","fields":[{"n":"id","ty":"String","docs":""}]},{"n":"Locked","shape":"unit","docs":"","fields":[]}]}"#,
        r#"{"k":"service","id":"b","name":"button_service","docs":"","at":"","routes":[{"n":"get_state","docs":"The state of one button.","args":[{"n":"id","ty":"String"}],"ok":"b::ButtonState","err":null},{"n":"press","docs":"Presses a button and says how often that was done.","args":[{"n":"id","ty":"String"}],"ok":"u64","err":"b::PressError"}]}"#,
    ];
    read(&records.map(str::to_owned))
}

/// Names that mean something to the language, to its libraries, or to the binding itself.
fn names() -> Snapshot {
    const TYPES: [&str; 14] = [
        "Promise",
        "Client",
        "string",
        "AppError",
        "T",
        "Lock",
        "CallOptions",
        "Reader",
        "Array",
        "cell",
        "any",
        "Checked",
        "ReadonlyMap",
        "er",
    ];
    const ROUTES: [&str; 16] = [
        "delete",
        "connect",
        "then",
        "constructor",
        "cell",
        "routes",
        "pooled",
        "close",
        "arguments",
        "__proto__",
        "t",
        "Map",
        "undefined",
        "CELL",
        "options",
        "channel",
    ];
    let mut records: Vec<String> = TYPES
        .iter()
        .map(|name| format!(r#"{{"k":"struct","id":"b::{name}","name":"{name}","params":0,"shape":"named","docs":"","at":"","fields":[{{"n":"__proto__","ty":"String"}},{{"n":"then","ty":"Map<u8,u8>"}}]}}"#))
        .collect();
    let args: Vec<String> = TYPES
        .iter()
        .map(|name| format!(r#"{{"n":"use_{name}","ty":"Vec<b::{name}>"}}"#))
        .chain(
            ["class", "options", "reader", "writer", "value", "at"]
                .map(|name| format!(r#"{{"n":"{name}","ty":"Option<Duration>"}}"#)),
        )
        .collect();
    let args = args.join(",");
    let routes: Vec<String> = ROUTES
        .iter()
        .map(|name| {
            format!(
                r#"{{"n":"{name}","docs":"","args":[{args}],"ok":"b::cell","err":"b::AppError"}}"#
            )
        })
        .collect();
    records.push(format!(
        r#"{{"k":"service","id":"b","name":"names","docs":"","at":"","routes":[{}]}}"#,
        routes.join(",")
    ));
    read(&records)
}

fn read(records: &[String]) -> Snapshot {
    let mut section = Vec::new();
    for record in records {
        section.extend_from_slice(b"CELLREC1");
        section.extend_from_slice(&u32::try_from(record.len()).unwrap().to_le_bytes());
        section.extend_from_slice(record.as_bytes());
    }
    let records = Records::parse(&section).unwrap();
    records.service(None).unwrap()
}

#[test]
fn everything_is_clean_and_reads_and_writes_the_bytes_of_rust() {
    let programs = ["schema.ts", "conformance.ts", "core.test.ts"];
    let project = Project::new(&[&conformance(), &names()], &programs);
    project.judge();
    let said = project.run("node", &["out/programs/conformance.js", CONFORMANCE]);
    assert!(said.ends_with("ok\n"), "{said}");
    project.run("node", &["--test", "out/programs/core.test.js"]);
}

/// A service of random types, whose routes give back what they get, with random values and their archives.
fn random(seed: u64) -> (Snapshot, serde_json::Value) {
    let mut model = Model::random(&format!("random{seed}"), seed);
    let mut tys: Vec<Ty> = Vec::new();
    for route in &model.routes {
        let args = route.args.iter().map(|arg| &arg.ty);
        for ty in args.chain([&route.res]).chain(&route.err) {
            if !tys.contains(ty) {
                tys.push(ty.clone());
            }
        }
    }
    let echo = |(number, ty): (usize, &Ty)| Route {
        name: format!("echo_{number}"),
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
    };
    model.routes = tys.iter().enumerate().map(echo).collect();
    let snapshot = model.snapshot().unwrap();
    let mut rng = Rng::new(seed);
    let mut values = Vec::new();
    for (number, ty) in tys.iter().enumerate() {
        for name in 0..VALUES {
            let value = random::value(&model, ty, 4, &mut rng);
            let json = random::json(&model, ty, &value);
            let bytes = dynamic::encode(&snapshot, ty, &json).unwrap();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            values.push(serde_json::json!({
                "route": format!("echo_{number}"), "name": name.to_string(), "value": json, "bytes": hex,
            }));
        }
    }
    (snapshot, serde_json::json!({ "values": values }))
}

#[test]
fn random_schemas_are_clean_and_their_values_are_read_and_written() {
    let models: Vec<_> = (0..MODELS).map(random).collect();
    let snapshots: Vec<_> = models.iter().map(|(snapshot, _)| snapshot).collect();
    let project = Project::new(&snapshots, &["schema.ts", "conformance.ts"]);
    project.judge();
    for (snapshot, values) in &models {
        let name = &snapshot.name;
        project.write(&format!("{name}/{name}.json"), &snapshot.to_json());
        project.write(&format!("{name}/values.json"), &values.to_string());
        let said = project.run("node", &["out/programs/conformance.js", name, name]);
        assert!(said.ends_with("ok\n"), "{said}");
    }
}

#[test]
fn typescript_plays_every_scenario() {
    let project = Project::new(&[&matrix::snapshot()], &["matrix.ts"]);
    project.judge();
    matrix::play(&Program {
        language: "typescript",
        command: vec![
            tools::node().path("node").into(),
            "out/programs/matrix.js".into(),
        ],
        folder: project.dir.path().to_owned(),
    });
}

#[test]
fn a_lock_of_another_schema_is_one_error_that_says_what_to_do() {
    let button = button();
    let project = Project::new(&[&button], &[]);
    for output in project.compile() {
        assert!(output.status.success(), "{}", said(&output));
    }
    let moved = Fingerprint(0xdead_beef_dead_beef);
    let lock = bind::language("ts").unwrap().lock("button_service", moved);
    project.write(&format!("cells/{}", lock.path), &lock.text);
    let index = std::fs::read_to_string(project.path("cells/button/index.ts")).unwrap();
    let line = index
        .lines()
        .position(|line| line.starts_with("export const FINGERPRINT"))
        .unwrap();
    for output in project.compile() {
        let said = said(&output);
        assert!(!output.status.success(), "{said}");
        assert_eq!(said.matches("error TS").count(), 1, "{said}");
        for part in [
            format!("cells/button/index.ts({},", line + 1),
            format!("has fingerprint {moved}"),
            format!("generated from {}", button.fingerprint),
            "run: cargo cell bind".to_owned(),
        ] {
            assert!(said.contains(&part), "{part} is not in\n{said}");
        }
    }
}

#[test]
fn the_code_of_the_page_compiles() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let project = Project::new(&[&button(), &matrix::snapshot()], &[]);
    let mut blocks = Vec::new();
    for part in page.split("```ts\n").skip(1) {
        let (code, _) = part.split_once("```").unwrap();
        let block = format!("page{}.ts", blocks.len());
        project.write(&block, code);
        blocks.push(block);
    }
    assert!(blocks.len() > 3);
    for output in project.compile() {
        assert!(output.status.success(), "{}", said(&output));
    }
    let with = |flags: &[&'static str]| {
        let blocks = blocks.iter().map(String::as_str);
        flags.iter().copied().chain(blocks).collect::<Vec<_>>()
    };
    project.run("eslint", &with(&["--max-warnings", "0"]));
    project.run("prettier", &with(&["--check"]));
}
