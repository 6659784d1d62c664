//! `cargo cell bind`: folders of bindings are written, checked, remembered, kept in step and forgotten.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Workspace, eventually, outcome, success};

/// Every file below a folder, with its content.
pub(crate) fn tree(dir: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// A field more in the button's state, and a value for it.
pub(crate) fn add_a_field(workspace: &Workspace) {
    workspace.edit(
        "button/src/main.rs",
        "pub hover_t: f32,",
        "pub hover_t: f32,\n        pub clicks: u64,",
    );
    workspace.edit(
        "button/src/main.rs",
        "ButtonState { pressed",
        "ButtonState { clicks: 1, pressed",
    );
}

pub(crate) fn rust(workspace: &Workspace, out: &Path, cell: &str) -> (Option<i32>, String) {
    let out = out.to_str().unwrap();
    outcome(&workspace.run(["bind", "--lang", "rust", "--out", out, cell]))
}

pub(crate) fn remembered(workspace: &Workspace) -> Value {
    let text = std::fs::read_to_string(workspace.root().join("schema/bindings.json"));
    text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

#[test]
fn folders_are_remembered_and_their_locks_follow_every_build() {
    let workspace = Workspace::new("hello");
    let outside = workspace.marker().join("app/cells");
    for out in [Path::new("clients/rust"), &outside] {
        let (code, text) = rust(&workspace, out, "button_service");
        assert_eq!(code, Some(0), "{text}");
    }
    // The committed file knows only what lies in the workspace, and no absolute path.
    assert_eq!(
        remembered(&workspace)["bindings"],
        json!([{"lang": "rust", "out": "clients/rust", "cells": ["button_service"]}])
    );
    let old = workspace.read("schema/button_service.lock");
    let code = workspace.read("clients/rust/button_service.rs");
    let locks = [
        workspace.root().join("clients/rust/button_service.lock"),
        outside.join("button_service.lock"),
    ];
    for command in ["build", "lock"] {
        add_a_field(&workspace);
        success(workspace.run([command]));
        let new = workspace.read("schema/button_service.lock");
        assert_ne!(old, new, "{command}");
        for lock in &locks {
            assert_eq!(std::fs::read_to_string(lock).unwrap(), new, "{command}");
        }
        assert_eq!(workspace.read("clients/rust/button_service.rs"), code);
        let (status, text) = outcome(&workspace.run(["check", "--locked"]));
        assert_eq!(status, Some(1), "{text}");
        assert!(
            text.contains("clients/rust/button_service.rs") && text.contains("cargo cell bind"),
            "{text}"
        );
        for (from, to) in [("\n        pub clicks: u64,", ""), ("clicks: 1, ", "")] {
            workspace.edit("button/src/main.rs", from, to);
        }
        success(workspace.run(["build"]));
        success(workspace.run(["check", "--locked"]));
    }

    // Without arguments everything that is remembered follows.
    add_a_field(&workspace);
    success(workspace.run(["build"]));
    success(workspace.run(["bind"]));
    assert!(
        workspace
            .read("clients/rust/button_service.rs")
            .contains("clicks")
    );
    let there = std::fs::read_to_string(outside.join("button_service.rs")).unwrap();
    assert!(there.contains("clicks"));
    success(workspace.run(["check", "--locked"]));

    // What is gone is forgotten with a word, and a build writes nothing there.
    std::fs::remove_dir_all(workspace.root().join("clients")).unwrap();
    let (status, text) = outcome(&workspace.run(["build"]));
    assert!(
        status == Some(0) && text.contains("clients/rust") && text.contains("forgotten"),
        "{text}"
    );
    assert!(!workspace.root().join("clients").exists());
    assert_eq!(remembered(&workspace), Value::Null);
}

#[test]
fn a_rust_consumer_elsewhere_stops_compiling_until_it_is_bound_again() {
    let workspace = Workspace::new("hello");
    let app = workspace.marker().join("app");
    std::fs::create_dir_all(app.join("src")).unwrap();
    let manifest = workspace.read("panel/Cargo.toml");
    let version = manifest
        .lines()
        .find(|line| line.starts_with("version"))
        .unwrap();
    let root = workspace.read("Cargo.toml");
    let dependency = |name: &str| {
        root.lines()
            .find(|line| line.starts_with(&format!("{name} =")))
            .unwrap_or_else(|| panic!("no {name} in {root}"))
            .to_owned()
    };
    let manifest = format!(
        "[package]\nname = \"app\"\n{version}\nedition = \"2024\"\n\n[dependencies]\n{}\n{}\n\n[workspace]\n",
        dependency("cell-sdk"),
        dependency("tokio"),
    );
    std::fs::write(app.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(workspace.root().join("Cargo.lock"), app.join("Cargo.lock")).ok();
    let main = "cell_sdk::cell::client!(\"button_service\");\n\n#[tokio::main]\nasync fn main() {\n    let _ = button_service::get_state(\"ok\".into()).await;\n}\n";
    std::fs::write(app.join("src/main.rs"), main).unwrap();
    let build = || outcome(&workspace.cargo_in(&app, ["build", "--offline"]));

    let (code, text) = rust(&workspace, &app.join("cells"), "button_service");
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = build();
    assert_eq!(code, Some(0), "{text}");
    let old = workspace.read("schema/button_service.lock");
    add_a_field(&workspace);
    success(workspace.run(["build"]));
    let new = workspace.read("schema/button_service.lock");
    let (code, text) = build();
    assert_eq!(code, Some(101), "{text}");
    for part in [
        "cells/button_service.rs:",
        old.trim(),
        new.trim(),
        "cargo cell bind",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    success(workspace.run(["bind"]));
    let (code, text) = build();
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn dev_regenerates_what_is_bound_and_declared() {
    let workspace = Workspace::new("hello");
    let (code, text) = rust(&workspace, Path::new("clients"), "button_service");
    assert_eq!(code, Some(0), "{text}");
    let declaration = "[[bindings]]\nlang = \"rust\"\nout = \"../declared\"\ncells = [\"button_service\", \"panel\"]\n";
    workspace.write("button/Cell.toml", declaration);
    // A folder that is declared is made by the first build; what is declared is not remembered as well.
    success(workspace.run(["build"]));
    assert!(workspace.root().join("declared/panel.rs").exists());
    assert_eq!(
        remembered(&workspace)["bindings"].as_array().unwrap().len(),
        1
    );

    let mut dev = workspace.dev();
    add_a_field(&workspace);
    dev.swapped("button_service");
    for file in ["clients/button_service.rs", "declared/button_service.rs"] {
        assert!(workspace.read(file).contains("clicks"), "{file}");
    }
    drop(dev);
    success(workspace.run(["bind", "--check"]));
    success(workspace.run(["check", "--locked"]));

    for (text, parts) in [
        (
            "[[bindings]]\nlang = \"rsut\"\nout = \"x\"\ncells = \"panel\"",
            &["rsut", "did you mean `rust`"][..],
        ),
        (
            "[[bindings]]\nlang = \"rust\"\nout = \"x\"",
            &["cells", "button/Cell.toml"],
        ),
        (
            "[[bindings]]\nlang = \"rust\"\nout = \"/x\"\ncells = \"panel\"",
            &["out", "relative"],
        ),
        ("[[bindings]]\nlnag = \"rust\"", &["lnag"]),
    ] {
        workspace.write("button/Cell.toml", text);
        let (code, shown) = outcome(&workspace.run(["build"]));
        assert_eq!(code, Some(1), "{text}: {shown}");
        for part in parts {
            assert!(shown.contains(part), "{text}: no {part:?} in {shown}");
        }
    }
}

#[test]
fn a_check_writes_nothing_and_shows_what_is_missing_stale_and_extra() {
    let workspace = Workspace::new("hello");
    let out = workspace.root().join("clients");
    let check = |cells: &[&str]| {
        let args = ["bind", "--check", "--lang", "rust", "--out", "clients"];
        outcome(&workspace.run(args.iter().chain(cells)))
    };
    let (code, text) = check(&["button_service"]);
    assert!(
        code == Some(1) && text.contains("--- /dev/null\n+++ clients/button_service.rs\n"),
        "{text}"
    );
    assert!(!out.exists() && remembered(&workspace) == Value::Null);

    success(workspace.run([
        "bind",
        "--lang",
        "rust",
        "--out",
        "clients",
        "button_service",
        "panel",
    ]));
    let (code, text) = check(&["button_service"]);
    assert!(code == Some(0) && text.is_empty(), "{text}");
    let before = tree(&out);
    let good = workspace.read("clients/panel.rs");
    workspace.write("clients/panel.rs", &good.replace("pub ", "pub(crate) "));
    workspace.write("clients/gone.rs", &good);
    workspace.write("clients/mine.rs", "// mine\n");
    std::fs::remove_file(out.join("button_service.lock")).unwrap();
    let (code, text) = check(&["button_service"]);
    assert_eq!(code, Some(1), "{text}");
    for part in [
        "+++ clients/button_service.lock",
        "--- clients/panel.rs\n+++ clients/panel.rs\n@@ -",
        "--- clients/gone.rs\n+++ /dev/null",
        "3 files are not",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("mine.rs"), "{text}");
    // The diff is one that `patch` takes, which leads to the same as `bind`.
    success(workspace.run(["bind"]));
    let mut expected = before;
    expected.push(("mine.rs".to_owned(), "// mine\n".to_owned()));
    expected.sort();
    assert_eq!(tree(&out), expected);

    // A name more is added; `--only` is how the others go.
    success(workspace.run([
        "bind", "--only", "--lang", "rust", "--out", "clients", "panel",
    ]));
    assert!(!out.join("button_service.rs").exists() && out.join("mine.rs").exists());
    assert_eq!(
        remembered(&workspace)["bindings"][0]["cells"],
        json!(["panel"])
    );
}

#[test]
fn a_snapshot_alone_is_enough() {
    let workspace = Workspace::new("hello");
    let elsewhere = workspace.marker().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let snapshot = elsewhere.join("button.json");
    std::fs::copy(
        workspace.root().join("schema/button_service.json"),
        &snapshot,
    )
    .unwrap();
    let bind = |args: &[&str]| {
        let mut command = workspace.command(["bind", "--lang", "rust", "--out", "c"]);
        command.args(args).current_dir(&elsewhere);
        // Neither a workspace nor a toolchain is there.
        command.env("CARGO", "/nonexistent/cargo");
        outcome(&command.output().unwrap())
    };
    let (code, text) = bind(&["--from", "button.json"]);
    assert_eq!(code, Some(0), "{text}");
    let text = std::fs::read_to_string(elsewhere.join("c/button_service.rs")).unwrap();
    assert!(text.contains("pub hover_t: f32"));
    let (code, text) = bind(&["--from", "button.json", "panel"]);
    assert!(code == Some(2) && text.contains("panel"), "{text}");

    // By name it is found in $CELL_HOME once a build has put it there.
    let (code, text) = bind(&["button_service"]);
    assert!(
        code == Some(1) && text.contains("cargo cell build"),
        "{text}"
    );
    success(workspace.run(["build"]));
    let (code, text) = bind(&["button_service"]);
    assert_eq!(code, Some(0), "{text}");
    add_a_field(&workspace);
    success(workspace.run(["build"]));
    let lock = std::fs::read_to_string(elsewhere.join("c/button_service.lock")).unwrap();
    assert_eq!(lock, workspace.read("schema/button_service.lock"));
    // From inside the folder nothing needs to be named.
    let mut command = workspace.command(["bind"]);
    success(command.current_dir(elsewhere.join("c")).output().unwrap());
    let text = std::fs::read_to_string(elsewhere.join("c/button_service.rs")).unwrap();
    assert!(text.contains("clicks"));
}

#[test]
fn two_workspaces_with_one_cell_are_told_apart() {
    let (one, other) = (Workspace::new("hello"), Workspace::new("hello"));
    success(one.run(["build"]));
    add_a_field(&other);
    let mut build = other.command(["build"]);
    success(build.env("CELL_HOME", one.home()).output().unwrap());
    let mut bind = one.command(["bind", "--lang", "rust", "--out", "c", "button_service"]);
    let (code, text) = outcome(&bind.current_dir(one.marker()).output().unwrap());
    assert_eq!(code, Some(2), "{text}");
    for part in [
        "several workspaces",
        "--from",
        one.read("schema/button_service.lock").trim(),
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!one.marker().join("c").exists());
    let roots = [&one, &other].map(|workspace| workspace.root().display().to_string());
    assert!(roots.iter().all(|root| text.contains(root)), "{text}");
    // Inside one of them it is clear which is meant.
    assert_eq!(rust(&one, Path::new("c"), "button_service").0, Some(0));
    // A workspace that is gone is no choice any more.
    std::fs::remove_dir_all(other.root()).unwrap();
    let (code, text) = outcome(&bind.output().unwrap());
    assert_eq!(code, Some(0), "{text}");
}

/// Two builds at once write the same files: neither fails, and what is left is whole.
#[test]
fn builds_at_once_leave_whole_files() {
    let workspace = Workspace::new("hello");
    success(workspace.run([
        "bind",
        "--lang",
        "rust",
        "--out",
        "clients",
        "button_service",
        "panel",
    ]));
    let whole = tree(&workspace.root().join("clients"));
    let mut running: Vec<_> = (0..4)
        .map(|_| workspace.command(["bind", "-q"]).spawn().unwrap())
        .collect();
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    eventually("the folder to be whole", || {
        (tree(&workspace.root().join("clients")) == whole)
            .then_some(())
            .ok_or_else(|| "it is not".to_owned())
    });
}
