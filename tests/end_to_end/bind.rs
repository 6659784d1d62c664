//! `cargo cell bind`: folders of bindings are written, checked, remembered, kept in step and forgotten.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Workspace, eventually, outcome, success};

/// Every file below a folder, with its content.
fn tree(dir: &Path) -> Vec<(String, String)> {
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
fn add_a_field(workspace: &Workspace) {
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

fn rust(workspace: &Workspace, out: &Path, cell: &str) -> (Option<i32>, String) {
    let out = out.to_str().unwrap();
    outcome(&workspace.run(["bind", "--lang", "rust", "--out", out, cell]))
}

fn remembered(workspace: &Workspace) -> Value {
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
fn what_cannot_be_bound_is_a_clear_error_and_leaves_nothing_behind() {
    let workspace = Workspace::new("hello");
    let snapshot = workspace.read("schema/button_service.json");
    let file = |name: &str, text: &[u8]| -> PathBuf {
        let path = workspace.marker().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let newer = snapshot.replace("\"format\": 1", "\"format\": 2");
    let edited = snapshot.replace("hover_t", "hover_u");
    let truncated = &snapshot[..snapshot.len() / 2];
    let table: [(PathBuf, i32, &[&str]); 7] = [
        (
            file("newer.json", newer.as_bytes()),
            1,
            &["newer.json", "newer cargo-cell", "update"],
        ),
        (
            file("edited.json", edited.as_bytes()),
            1,
            &["edited.json", "fingerprint"],
        ),
        (
            file("half.json", truncated.as_bytes()),
            1,
            &["half.json", "cannot be read"],
        ),
        (
            file("binary.json", b"\xff\xfe\x00"),
            1,
            &["binary.json", "not text"],
        ),
        (
            file("huge.json", &vec![b' '; 5 << 20]),
            1,
            &["huge.json", "more than"],
        ),
        (
            workspace.marker().join("none.json"),
            3,
            &["none.json", "No such file"],
        ),
        (workspace.marker().to_owned(), 3, &["directory"]),
    ];
    let out = workspace.root().join("clients");
    for (from, expected, parts) in &table {
        let from = from.to_str().unwrap();
        let args = ["bind", "--from", from, "--lang", "rust", "--out", "clients"];
        let (code, text) = outcome(&workspace.run(args));
        assert_eq!(code, Some(*expected), "{from}: {text}");
        for part in *parts {
            assert!(text.contains(part), "{from}: no {part:?} in {text}");
        }
        assert!(!out.exists(), "{from}");
    }

    let copy = file("copy.json", snapshot.as_bytes());
    let mut twice = workspace.command(["bind", "--lang", "rust", "--out", "clients"]);
    twice.args(["--from", "schema/button_service.json", "--from"]);
    let (code, text) = outcome(&twice.arg(copy).output().unwrap());
    assert!(
        code == Some(2) && text.contains("two snapshots of one cell, `button_service`"),
        "{text}"
    );

    // One short name, and the folder that all cells share.
    for (from, to, parts) in [
        (
            "mod panel {",
            "mod button {",
            &["`button` and `button_service`", "would both be `button`"][..],
        ),
        (
            "mod button {",
            "mod cell_service {",
            &["`cell_service`", "share"],
        ),
    ] {
        workspace.edit("panel/src/main.rs", from, to);
        workspace.edit(
            "panel/src/main.rs",
            &format!("{}::handlers", from.split(' ').nth(1).unwrap()),
            &format!("{}::handlers", to.split(' ').nth(1).unwrap()),
        );
        success(workspace.run(["build"]));
        let name = to.split(' ').nth(1).unwrap();
        let args = [
            "bind",
            "--lang",
            "ts",
            "--out",
            "clients",
            "button_service",
            name,
        ];
        let (code, text) = outcome(&workspace.run(args));
        assert_eq!(code, Some(1), "{text}");
        for part in parts {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        assert!(!out.exists());
    }

    // A place that cannot be written to: the environment, and nothing is left of what was written before.
    for bad in [
        "/proc/clients",
        "/sys/clients",
        "schema/button_service.json/x",
    ] {
        let (code, text) = rust(&workspace, Path::new(bad), "button_service");
        assert_ne!(code, Some(0), "{bad}: {text}");
        assert!(
            code == Some(3) || text.contains("below a file"),
            "{bad}: {text}"
        );
        assert!(text.contains(bad), "{bad}: {text}");
    }
    workspace.write("schema/x", "");
    let table: [(&[&str], i32, &[&str]); 8] = [
        (
            &["--lang", "rust", "--out", "clients", "buton_service"],
            1,
            &["did you mean `button_service`"],
        ),
        (
            &["--lang", "cobol", "--out", "clients", "panel"],
            2,
            &["cobol", "rust"],
        ),
        (&["--out", "clients", "panel"], 2, &["--lang", "rust"]),
        (
            &["--lang", "rust", "--out", "clients"],
            2,
            &["button_service", "panel"],
        ),
        (&["--lang", "rust"], 2, &["--out"]),
        (&[], 2, &["nothing is bound", "--lang go --out"]),
        (&["--only"], 2, &["--out"]),
        (
            &["--lang", "rust", "--out", "clients", "../panel"],
            1,
            &["no snapshot"],
        ),
    ];
    for (args, expected, parts) in table {
        let (code, text) = outcome(&workspace.run(["bind"].iter().chain(args)));
        assert_eq!(code, Some(expected), "{args:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{args:?}: no {part:?} in {text}");
        }
        assert!(!out.exists(), "{args:?}");
    }

    // Somebody else's file is in the way of one of two: neither is written.
    std::fs::create_dir(&out).unwrap();
    workspace.write("clients/panel.rs", "// mine\n");
    let args = [
        "bind",
        "--lang",
        "rust",
        "--out",
        "clients",
        "button_service",
        "panel",
    ];
    let (code, text) = outcome(&workspace.run(args));
    assert!(
        code == Some(1) && text.contains("`clients/panel.rs` is not ours"),
        "{text}"
    );
    assert_eq!(
        tree(&out),
        [("panel.rs".to_owned(), "// mine\n".to_owned())]
    );
    assert_eq!(remembered(&workspace), Value::Null);

    workspace.write("schema/bindings.json", "{\"format\": 9}");
    for command in ["build", "bind"] {
        let (code, text) = outcome(&workspace.run([command]));
        assert!(
            code == Some(1) && text.contains("schema/bindings.json") && text.contains("newer"),
            "{text}"
        );
    }
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

#[test]
fn a_change_is_explained_beside_a_folder_and_a_revision() {
    let workspace = Workspace::new("hello");
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command
            .args(["-c", "user.name=a", "-c", "user.email=a@b.c"])
            .args(args);
        success(command.current_dir(workspace.root()).output().unwrap());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let (code, text) = outcome(&workspace.run(["check", "--against", "HEAD", "-q"]));
    assert!(
        code == Some(0) && text.contains("no schema has changed"),
        "{text}"
    );
    add_a_field(&workspace);
    workspace.edit("button/src/main.rs", "pub pressed: bool", "pub down: bool");
    workspace.edit("button/src/main.rs", "pressed:", "down:");
    workspace.edit("panel/src/main.rs", "state.pressed", "state.down");
    success(workspace.run(["build"]));
    let committed = workspace.marker().join("old");
    std::fs::create_dir(&committed).unwrap();
    let show = std::process::Command::new("git")
        .args(["show", "HEAD:schema/button_service.json"])
        .current_dir(workspace.root())
        .output()
        .unwrap();
    std::fs::write(committed.join("button_service.json"), show.stdout).unwrap();
    for against in ["HEAD", committed.to_str().unwrap()] {
        let (code, text) = outcome(&workspace.run(["check", "--against", against]));
        assert_eq!(code, Some(0), "{text}");
        for part in [
            "button_service: breaking on the wire",
            "`ButtonState.pressed` is now named `down` (source only)",
            "`ButtonState.clicks` is new: u64 (breaking on the wire)",
        ] {
            assert!(text.contains(part), "{against}: no {part:?} in {text}");
        }
    }
    let output = success(workspace.run(["check", "--against", "HEAD", "--json"]));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["impact"], "breaking-on-the-wire");
    assert_eq!(said["cells"][0]["cell"], "button_service");
    assert_eq!(
        said["cells"][0]["changes"],
        json!([
            {"place": "ButtonState.pressed", "what": "is now named `down`", "impact": "source-only"},
            {"place": "ButtonState.clicks", "what": "is new: u64", "impact": "breaking-on-the-wire"},
        ])
    );
    for bad in ["no-such-revision", "--all", "HEAD:schema"] {
        let (code, text) =
            outcome(&workspace.run(["check".to_owned(), format!("--against={bad}")]));
        assert!(code == Some(2) && text.contains(bad), "{text}");
    }
}

#[test]
fn a_schema_is_printed_for_people_and_for_scripts() {
    let workspace = Workspace::new("hello");
    let output = success(workspace.run(["schema", "button_service"]));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "service button_service 0x",
        "get_state(id: String) -> ButtonState",
        "    pressed: bool,\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let output = success(workspace.run(["schema", "button_service", "--json"]));
    let json = String::from_utf8(output.stdout).unwrap();
    assert_eq!(json, workspace.read("schema/button_service.json"));
    let (code, text) = outcome(&workspace.run(["schema", "buton"]));
    assert!(code == Some(1) && text.contains("did you mean"), "{text}");
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

/// What `docs/bindings.md` tells to type works, in its order, and what it tells to write is understood.
#[test]
fn the_page_about_bindings_is_true() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bindings.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = |kind: &str| -> Vec<String> {
        let open = format!("```{kind}\n");
        let blocks = page.split(&open).skip(1);
        blocks
            .map(|block| block.split("```").next().unwrap().to_owned())
            .collect()
    };
    let workspace = Workspace::new("hello");
    let mut ran = 0;
    for line in blocks("console").iter().flat_map(|block| block.lines()) {
        let line = line.strip_prefix("$ cargo cell ").unwrap();
        success(workspace.run(line.split(' ')));
        ran += 1;
    }
    assert!(ran >= 6, "the page tells {ran} commands");
    for block in blocks("toml") {
        workspace.write("button/Cell.toml", &block);
        workspace.write("go.mod", "module example.com/app\n");
        success(workspace.run(["build"]));
        for file in ["clients/button/lock.go", "clients/button/lock.ts"] {
            assert!(workspace.root().join(file).exists(), "{file}");
        }
    }
}
