//! The whole way of a schema change through a consumer in another language, with that language's own compiler.
//!
//! Build the cell, bind it, use it; add a field in Rust and build: the consumer does not compile, with one error at a line
//! of the generated file that has both fingerprints and says what to run; bind again, and it compiles.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Workspace, outcome, success};
use crate::tools;

/// A consumer outside the workspace.
struct Consumer {
    workspace: Workspace,
    app: PathBuf,
}

impl Consumer {
    /// Binds the button cell into `clients` of a new folder that holds these files.
    fn new(lang: &str, files: &[(&str, &str)]) -> Consumer {
        let workspace = Workspace::new("hello");
        let app = workspace.marker().join("app");
        std::fs::create_dir(&app).unwrap();
        for (name, text) in files {
            std::fs::write(app.join(name), text).unwrap();
        }
        success(workspace.run(["build"]));
        let consumer = Consumer { workspace, app };
        consumer.bind(&["--lang", lang, "--out", "../app/clients", "button_service"]);
        consumer
    }

    fn bind(&self, args: &[&str]) {
        success(self.workspace.run(["bind"].iter().chain(args)));
    }

    fn lock(&self) -> String {
        let lock = self.workspace.read("schema/button_service.lock");
        lock.trim().to_owned()
    }

    /// A command of the language's tools in the consumer's folder: whether it is content, and what it says.
    fn run(&self, mut command: Command) -> (bool, String) {
        let (code, text) = outcome(&command.current_dir(&self.app).output().unwrap());
        (code == Some(0), text)
    }

    /// Goes the whole way. `tools` make the commands; each must find exactly one error, in the file `at`, at the line of it
    /// that `place` takes out of what the tool says.
    fn play(&self, tools: &[&dyn Fn() -> Command], at: &str, place: &dyn Fn(&str) -> Vec<String>) {
        let content = |when: &str| {
            for tool in tools {
                let (good, text) = self.run(tool());
                assert!(good, "{when}: {:?}: {text}", tool());
            }
        };
        content("after the first binding");
        let old = self.lock();
        self.workspace.edit(
            "button/src/main.rs",
            "pub hover_t: f32,",
            "pub hover_t: f32,\n        pub clicks: u64,",
        );
        self.workspace.edit(
            "button/src/main.rs",
            "ButtonState { pressed",
            "ButtonState { clicks: 1, pressed",
        );
        success(self.workspace.run(["build"]));
        let new = self.lock();
        assert_ne!(old, new);
        for tool in tools {
            let (good, text) = self.run(tool());
            assert!(!good, "{:?}: {text}", tool());
            let errors = place(&text);
            assert_eq!(errors.len(), 1, "{:?}: {text}", tool());
            let error = &errors[0];
            for part in [at, old.as_str(), new.as_str(), "cargo", "cell", "bind"] {
                assert!(error.contains(part), "{:?}: no {part:?} in {text}", tool());
            }
        }
        self.bind(&[]);
        content("after it was bound again");
        self.bind(&["--check"]);
    }
}

/// The lines of a compiler's answer that start with a place in a file with this ending.
fn lines_of(ending: &str, text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| {
        let place = line
            .trim_start()
            .split([' ', '('])
            .next()
            .unwrap_or_default();
        place.contains(ending)
    });
    lines.map(str::to_owned).collect()
}

#[test]
fn go_stops_compiling_until_it_is_bound_again() {
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/app/clients/button\"\n)\n\nfunc main() {\n\tstate, err := button.GetState(\"ok\")\n\tfmt.Println(state, err)\n}\n";
    let files = [
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("main.go", main),
    ];
    let consumer = Consumer::new("go", &files);
    let build = || {
        let mut command = tools::go().command("go");
        command.args(["build", "-o", "/dev/null", "./..."]);
        command
    };
    consumer.play(&[&build], "button.go:", &|text| lines_of(".go:", text));
}

#[test]
fn typescript_stops_compiling_until_it_is_bound_again() {
    let main = "import { getState } from \"./clients/button/index.js\";\n\nconst state = await getState(\"ok\");\nconsole.log(state.pressed);\n";
    let config = r#"{"compilerOptions": {"target": "es2022", "lib": ["es2022"], "module": "nodenext", "types": ["node"], "strict": true,
        "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true, "noEmit": true}, "files": ["main.ts"]}"#;
    let files = [
        ("package.json", "{\"type\": \"module\"}\n"),
        ("tsconfig.json", config),
        ("main.ts", main),
    ];
    let consumer = Consumer::new("ts", &files);
    let modules = tools::node().root().parent().unwrap().to_owned();
    std::os::unix::fs::symlink(modules, consumer.app.join("node_modules")).unwrap();
    let build = || {
        let mut command = tools::node().command("tsc");
        command.args(["--pretty", "false"]);
        command
    };
    consumer.play(&[&build], "clients/button/", &|text| lines_of(".ts", text));
}

#[test]
fn python_stops_checking_and_importing_until_it_is_bound_again() {
    let main = "from clients import button\n\n\ndef pressed() -> bool:\n    return button.get_state(\"ok\").pressed\n";
    let consumer = Consumer::new("python", &[("main.py", main)]);
    let python = |program: &str, args: &[&str]| {
        let mut command = tools::python().command(program);
        command.args(args).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let mypy = || python("mypy", &["--strict", "--no-color-output", "main.py"]);
    let pyright = || python("pyright", &["main.py", "clients"]);
    consumer.play(&[&mypy, &pyright], "clients/button/", &|text| {
        let errors = lines_of(".py:", text);
        errors
            .into_iter()
            .filter(|line| line.contains("error"))
            .collect()
    });

    // The import itself says it in a sentence.
    let import = || consumer.run(python("python", &["-c", "import main"]));
    assert!(import().0, "{}", import().1);
    let lock = consumer.app.join("clients/button/_lock.py");
    let text = std::fs::read_to_string(&lock).unwrap();
    std::fs::write(&lock, text.replace(&consumer.lock(), "0x000000000000002a")).unwrap();
    let (good, text) = import();
    assert!(!good, "{text}");
    for part in [
        "ImportError",
        "0x000000000000002a",
        &consumer.lock(),
        "cargo cell bind",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(Path::new(&lock).exists());
}
