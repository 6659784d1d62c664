//! Changes and schemas, explained.

use serde_json::{Value, json};

use crate::bind::add_a_field;
use crate::support::{Workspace, outcome, success};

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
    let (code, text) = outcome(&workspace.run(["check", "--against", "HEAD", "--deny", "wire"]));
    assert!(
        code == Some(1) && text.contains("denied: `button_service`: breaking on the wire"),
        "{text}"
    );
    success(workspace.run(["check", "--deny", "source"]));
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
