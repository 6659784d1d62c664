//! The supervisor's own service, asked by programs in other languages.

use std::path::Path;
use std::process::Command;

use crate::daemon::Down;
use crate::support::{Workspace, outcome, success};
use crate::tools;

const GO: &str = "package main

import (
\t\"fmt\"

\t\"cells/stem\"
)

func main() {
\tstatus, err := stem.CallStatus()
\tif err != nil {
\t\tpanic(err)
\t}
\tfor _, cell := range status.Cells {
\t\tfmt.Println(cell.Name, cell.State)
\t}
}
";

const PYTHON: &str = "from cells import stem

for cell in stem.status().cells:
    print(cell.name, cell.state)
";

const TYPESCRIPT: &str = "import * as stem from \"./stem/index.js\";

for (const cell of (await stem.status()).cells) {
  console.log(cell.name, cell.state);
}
";

fn says(workspace: &Workspace, folder: &Path, mut command: Command) -> String {
    let output = command
        .current_dir(folder)
        .env("CELL_HOME", workspace.home())
        .output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        outcome(&output).1
    );
    text
}

#[test]
fn programs_in_other_languages_ask_the_supervisor() {
    let workspace = Workspace::new("hello");
    let _down = Down(&workspace);
    success(workspace.run(["up"]));
    // `go` is no name that Go takes for a module.
    let folder = |name: &str| workspace.marker().join("asks").join(name);
    let bind = |language: &str, place: &Path| {
        let place = place.to_str().unwrap();
        success(workspace.run([
            "bind",
            "--package",
            "--lang",
            language,
            "--out",
            place,
            "stem",
        ]));
    };
    let all_ready = "button_service ready\npanel ready\n";

    let go = folder("go");
    bind("go", &go);
    std::fs::create_dir(go.join("ask")).unwrap();
    std::fs::write(go.join("ask/main.go"), GO).unwrap();
    let mut command = tools::go().command("go");
    command.args(["run", "./ask"]);
    assert_eq!(says(&workspace, &go, command), all_ready);

    let python = folder("python");
    bind("python", &python.join("cells"));
    std::fs::write(python.join("ask.py"), PYTHON).unwrap();
    let mut command = tools::python().command("python");
    command.arg("ask.py");
    assert_eq!(says(&workspace, &python, command), all_ready);

    let node = folder("ts");
    bind("ts", &node);
    std::fs::write(node.join("ask.ts"), TYPESCRIPT).unwrap();
    let modules = tools::node().root().parent().unwrap().to_owned();
    std::os::unix::fs::symlink(modules, node.join("node_modules")).unwrap();
    says(&workspace, &node, tools::node().command("tsc"));
    let mut command = tools::node().command("node");
    command.arg("out/ask.js");
    assert_eq!(says(&workspace, &node, command), all_ready);
}
