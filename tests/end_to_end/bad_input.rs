//! Bad input gets a clear error and loses nothing.

use crate::support::{Workspace, outcome};

#[test]
fn a_broken_setting_is_named_with_its_file() {
    let workspace = Workspace::new("hello");
    for (text, parts) in [
        ("overlap = ", &["button/Cell.toml", "TOML"][..]),
        ("overlop = true", &["overlop", "overlap"]),
        ("drain = 5", &["drain", "5s"]),
        ("sandbox = \"docker\"", &["docker", "bwrap"]),
        ("[env]\nCELL_HOME = \"x\"", &["CELL_HOME"]),
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
fn two_cells_of_one_name_are_an_error_that_names_both() {
    let workspace = Workspace::new("hello");
    workspace.edit("panel/src/main.rs", "mod panel {", "mod button_service_ {");
    let panel = workspace
        .read("panel/src/main.rs")
        .replace("button_service_", "button_service");
    let panel = panel
        .replace("cell::client!(\"button_service\");\n", "")
        .replace("    use crate::button_service;\n", "")
        .replace("panel::handlers", "button_service::handlers");
    let start = panel
        .find("        match button_service::get_state")
        .unwrap();
    let end = panel.find("    }\n}\n\n#[tokio::main]").unwrap();
    let panel = format!("{}        Ok(id)\n{}", &panel[..start], &panel[end..]);
    workspace.write("panel/src/main.rs", &panel);
    let (code, shown) = outcome(&workspace.run(["build"]));
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("`button_service`") && shown.contains("button") && shown.contains("panel"),
        "{shown}"
    );
}

#[test]
fn places_that_cannot_be_used_are_environment_errors() {
    let workspace = Workspace::new("hello");
    let file = workspace.marker().join("file");
    std::fs::write(&file, "").unwrap();
    let (code, shown) = outcome(
        &workspace
            .command(["dev"])
            .env("CELL_HOME", &file)
            .output()
            .unwrap(),
    );
    assert!(
        code == Some(3) && shown.contains("file"),
        "{code:?} {shown}"
    );
    let long = workspace.marker().join("x".repeat(120));
    let (code, shown) = outcome(
        &workspace
            .command(["dev"])
            .env("CELL_HOME", &long)
            .output()
            .unwrap(),
    );
    assert!(
        code == Some(3) && shown.contains("107") && shown.contains("CELL_HOME"),
        "{code:?} {shown}"
    );
    let (code, shown) = outcome(
        &workspace
            .command(["build"])
            .env("CARGO", "/nonexistent/cargo")
            .output()
            .unwrap(),
    );
    assert!(
        code == Some(3) && shown.contains("/nonexistent/cargo"),
        "{code:?} {shown}"
    );
    let (code, shown) = outcome(
        &workspace
            .command(["new", "w"])
            .current_dir(workspace.marker())
            .output()
            .unwrap(),
    );
    assert!(code != Some(0) && shown.contains("w"), "{code:?} {shown}");
    let (code, shown) = outcome(
        &workspace
            .command(["status"])
            .current_dir("/")
            .output()
            .unwrap(),
    );
    assert!(
        code == Some(1) || code == Some(3) || code == Some(2),
        "{code:?} {shown}"
    );
    let (code, _) = outcome(&workspace.run(["no-such-command"]));
    assert_eq!(code, Some(2));
}
