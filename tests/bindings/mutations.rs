//! Mutations of schemas: every edit that the wire or a name shows breaks the consumer's build, in every language; an edit that neither
//! shows breaks none.
//!
//! Edits come in the kinds of [`Edit`] and [`Style`] one after the other, each of another random schema, and all are compiled as real
//! Rust services, whose records say the fingerprints. `CELL_MUTATIONS` says how many there are of each; all cells of a language are
//! compiled at once, so that a hundred take little longer than a few.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_cell::bind::{File, LANGUAGES, Language, Place};
use cell_runtime::schema::{Fingerprint, Snapshot};
use conformance::random::{Edit, Model, Rng, Style, edit, source};

use crate::sources::Crate;
use crate::tools;

/// How many edits of both sorts there are when nobody says: one of each kind.
const EDITS: usize = Edit::ALL.len();

/// A cell before and after an edit.
struct Case {
    base: Snapshot,
    /// What an edit that shows makes of its fingerprint.
    edited: Fingerprint,
    /// What an edit that does not show makes of it, as the compiler and the linker left it.
    styled: Fingerprint,
    what: String,
}

impl Case {
    fn name(&self) -> &str {
        &self.base.name
    }
}

#[test]
fn every_edit_that_shows_breaks_every_build_and_no_other_does() {
    let count = match std::env::var("CELL_MUTATIONS") {
        Ok(count) => count.parse().expect("CELL_MUTATIONS is a number"),
        Err(_) => EDITS,
    };
    let cases = cases(count);
    let mut wrong = String::new();
    for language in LANGUAGES {
        for (broken, said) in both(*language, &cases) {
            for case in &cases {
                let errors = said.get(case.name()).map(Vec::as_slice).unwrap_or_default();
                let good = match broken {
                    true => says_it(language.name(), case, errors),
                    false => errors.is_empty(),
                };
                if !good {
                    let edit = if broken {
                        case.what.as_str()
                    } else {
                        "an edit that does not show"
                    };
                    let _ = writeln!(
                        wrong,
                        "{} `{}` after {edit}: {errors:#?}",
                        language.name(),
                        case.name()
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What a language's compilers say of all cells, first with the locks of edits that show, then of the others.
fn both(language: &dyn Language, cases: &[Case]) -> [(bool, BTreeMap<String, Vec<String>>); 2] {
    [true, false].map(|broken| (broken, compile(language, cases, broken)))
}

/// Each checker reports one error, with both fingerprints and what to run. Python has three: mypy, pyright and the import.
fn says_it(language: &str, case: &Case, errors: &[String]) -> bool {
    let checkers = if language == "python" { 3 } else { 1 };
    errors.len() == checkers
        && errors.iter().all(|error| {
            let has = |fingerprint: Fingerprint| error.contains(&fingerprint.to_string());
            let helps = error.contains("cargo cell b") || error.contains("cargo_cell_b");
            has(case.base.fingerprint)
                && has(case.edited)
                && helps
                && !error.starts_with(char::is_numeric)
        })
}

fn cases(count: usize) -> Vec<Case> {
    let mut modules = String::from("#![allow(warnings)]\nuse cell_sdk::cell;\n");
    let mut main = String::from("fn main() {\n");
    let mut cases = Vec::new();
    for index in 0..count {
        let name = format!("m{index:03}");
        let kind = Edit::ALL[index % Edit::ALL.len()];
        let style = Style::EDITS[index % Style::EDITS.len()];
        let (base, edited, what) = (0..)
            .find_map(|round| {
                let seed = (index * 1000 + round) as u64;
                let base = Model::random(&name, seed);
                let (edited, what) = edit(&base, kind, &mut Rng::new(seed))?;
                Some((base, edited, what))
            })
            .expect("some schema has a place for every edit");
        for (prefix, text) in [
            (
                "e",
                source(&edited, &format!("e{index:03}"), Style::Plain, 0),
            ),
            (
                "s",
                source(&base, &format!("s{index:03}"), style, index as u64),
            ),
        ] {
            modules.push_str(&text);
            let _ = writeln!(
                main,
                "let _ = {prefix}{index:03}::handlers();\nfingerprint(\"{prefix}{index:03}\");"
            );
        }
        let edited = edited.snapshot().unwrap().fingerprint;
        let base = base.snapshot().unwrap();
        cases.push(Case {
            styled: base.fingerprint,
            base,
            edited,
            what: format!("{what}, and {style:?}"),
        });
    }
    main.push_str(
        r#"}
fn fingerprint(module: &str) {
    println!("{module} {}", cell_sdk::schema::own_service(&format!("made::{module}")).unwrap().fingerprint);
}
"#,
    );
    let text = Crate::new(&[("src/main.rs".to_owned(), modules + &main)]).run();
    let mut seen = 0;
    for line in text.lines() {
        let (module, fingerprint) = line.split_once(' ').expect("a module and its fingerprint");
        let case = &mut cases[module[1..].parse::<usize>().expect("a number")];
        let fingerprint: Fingerprint = fingerprint.parse().expect("a fingerprint");
        match &module[..1] {
            "e" => assert_eq!(fingerprint, case.edited, "{}: {}", case.name(), case.what),
            _ => {
                assert_eq!(
                    fingerprint,
                    case.base.fingerprint,
                    "{}: {}",
                    case.name(),
                    case.what
                );
                case.styled = fingerprint;
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 2 * count);
    cases
}

/// The bindings of all cells, generated from what they were, beside the locks of what they are.
fn files(language: &dyn Language, cases: &[Case], broken: bool) -> Vec<File> {
    let place = Place {
        name: "gen".to_owned(),
        import_path: Some("mutations/gen".to_owned()),
    };
    let mut files = language.shared(&place);
    for case in cases {
        let lock = language.lock(case.name(), if broken { case.edited } else { case.styled });
        let binding = language
            .generate(&case.base, &place)
            .unwrap_or_else(|error| panic!("{} {}: {error}", language.name(), case.name()));
        files.extend(binding.into_iter().filter(|file| file.path != lock.path));
        files.push(lock);
    }
    files
}

/// The errors of each cell.
fn compile(language: &dyn Language, cases: &[Case], broken: bool) -> BTreeMap<String, Vec<String>> {
    let files = files(language, cases, broken);
    if language.name() == "rust" {
        return rust(&files, cases);
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for file in &files {
        write(&format!("gen/{}", file.path), &file.text);
    }
    match language.name() {
        "go" => {
            write("go.mod", "module mutations\n\ngo 1.24\n");
            sorted(&[said(
                tools::go().command("go").args(["build", "./..."]),
                folder.path(),
            )])
        }
        "python" => {
            write("gen/__init__.py", "");
            write("all.py", IMPORT_ALL);
            let python = tools::python();
            sorted(&[
                said(
                    python
                        .command("mypy")
                        .args(["--strict", "--no-color-output", "gen"]),
                    folder.path(),
                ),
                said(python.command("pyright").arg("gen"), folder.path()),
                said(python.command("python").arg("all.py"), folder.path()),
            ])
        }
        "typescript" => {
            write("package.json", "{ \"type\": \"module\" }");
            let types = tools::node()
                .root()
                .parent()
                .map(|modules| modules.join("@types"))
                .unwrap_or_default();
            write(
                "tsconfig.json",
                &TSCONFIG.replace("TYPES", &types.display().to_string()),
            );
            sorted(&[said(
                tools::node()
                    .command("tsc")
                    .args(["--pretty", "false", "-p", "tsconfig.json"]),
                folder.path(),
            )])
        }
        other => panic!("nobody knows how to compile {other}: say it here"),
    }
}

const IMPORT_ALL: &str = r#"import importlib, pathlib
for folder in sorted(pathlib.Path("gen").iterdir()):
    if folder.name.startswith("m"):
        try:
            importlib.import_module(f"gen.{folder.name}")
        except ImportError as error:
            print(f"gen/{folder.name}/__init__.py: error: {error}".replace("\n", " "))
"#;

const TSCONFIG: &str = r#"{ "compilerOptions": {
    "target": "es2022", "module": "nodenext", "strict": true, "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true,
    "noEmit": true, "erasableSyntaxOnly": true, "verbatimModuleSyntax": true, "types": ["node"], "typeRoots": ["TYPES"]
}, "include": ["gen"] }
"#;

/// What a compiler says, one line each.
fn said(command: &mut Command, folder: &Path) -> Vec<String> {
    let output = command.current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let errors = lines.iter().any(|line| of_cell(line).is_some());
    // What fails for another reason than a cell must not pass for a build that is broken, or that is not.
    assert!(output.status.success() || errors, "{command:?}: {text}");
    lines
}

/// The errors of each cell. Each checker is to say one: a second one of the same checker makes a pair that nobody expects.
fn sorted(checkers: &[Vec<String>]) -> BTreeMap<String, Vec<String>> {
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for lines in checkers {
        let mut own: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut last: Option<String> = None;
        for line in lines {
            // Indented lines go on with what the line before says.
            let goes_on = line.starts_with("    ") && of_cell(line).is_none();
            if let (true, Some(cell)) = (goes_on, &last) {
                if let Some(text) = own.get_mut(cell).and_then(|texts| texts.last_mut()) {
                    text.push_str(line);
                }
                continue;
            }
            last = of_cell(line);
            if let Some(cell) = &last {
                own.entry(cell.clone()).or_default().push(line.clone());
            }
        }
        for (cell, texts) in own {
            let text = if texts.len() == 1 {
                texts[0].clone()
            } else {
                format!("{} errors: {texts:?}", texts.len())
            };
            errors.entry(cell).or_default().push(text);
        }
    }
    errors
}

/// The cell that a line of a compiler names by its file.
fn of_cell(line: &str) -> Option<String> {
    let at = line.find("gen/m")? + 4;
    let name: String = line[at..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric())
        .collect();
    let is_error = !line.starts_with('#')
        && !line.contains(": note:")
        && line[at..].contains(':')
        && name.len() == 4;
    // pyright names a file on a line of its own, without an error.
    (is_error && line[at..].contains([' ', '('])).then_some(name)
}

/// The errors of a crate that calls all cells.
fn rust(files: &[File], cases: &[Case]) -> BTreeMap<String, Vec<String>> {
    let mut texts: Vec<(String, String)> = files
        .iter()
        .map(|file| (format!("cells/{}", file.path), file.text.clone()))
        .collect();
    let clients: String = cases
        .iter()
        .map(|case| format!("cell_sdk::cell::client!(\"{}\");\n", case.name()))
        .collect();
    texts.push(("src/lib.rs".to_owned(), clients));
    let made = Crate::new(&texts);
    let output = made.cargo(&["check", "--message-format", "short"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains(": error")) {
        let name = PathBuf::from(line.split(':').next().unwrap_or_default());
        let name = name
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        errors.entry(name).or_default().push(line.to_owned());
    }
    assert!(output.status.success() || !errors.is_empty(), "{text}");
    errors
}
