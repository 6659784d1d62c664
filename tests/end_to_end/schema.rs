//! One authority: a consumer that does not follow does not compile.

use crate::support::{Workspace, outcome, success};

#[test]
fn a_new_workspace_passes_a_plain_cargo_build_and_the_locked_check() {
    for template in ["hello", "market"] {
        let workspace = Workspace::new(template);
        success(workspace.cargo(["build", "--offline"]));
        success(workspace.run(["check", "--locked"]));
    }
}

#[test]
fn a_stale_binding_does_not_compile_and_says_what_to_run() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["build"]));
    let old = workspace.read("schema/button_service.lock");
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
    let (code, text) = outcome(&workspace.run(["check", "--locked"]));
    assert!(
        code == Some(1) && text.contains("clicks"),
        "{code:?} {text}"
    );
    success(workspace.run(["lock"]));
    let new = workspace.read("schema/button_service.lock");
    assert_ne!(old, new);
    let (code, text) = outcome(&workspace.cargo(["build"]));
    assert_eq!(code, Some(101), "{text}");
    for part in [
        old.trim(),
        new.trim(),
        "schema drift",
        "cargo cell build",
        "panel/cells/button_service.rs",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    success(workspace.run(["build"]));
    success(workspace.cargo(["build"]));
    success(workspace.run(["check", "--locked"]));
}

#[test]
fn a_missing_binding_is_one_error_and_is_written_by_a_build() {
    let workspace = Workspace::new("hello");
    let binding = workspace.root().join("panel/cells/button_service.rs");
    std::fs::remove_file(&binding).unwrap();
    let (_, text) = outcome(&workspace.cargo(["build"]));
    assert!(
        text.contains("cells/button_service.rs is missing; run `cargo cell build`"),
        "{text}"
    );
    success(workspace.run(["build"]));
    assert!(binding.exists());
    success(workspace.cargo(["build"]));
}

#[test]
fn an_edit_that_breaks_a_consumer_names_it_and_the_old_set_serves() {
    let workspace = Workspace::new("hello");
    let mut dev = workspace.dev();
    let good = workspace.read("button/src/main.rs");
    workspace.write("button/src/main.rs", &good.replace("pressed", "down"));
    let held = dev.wait("the set to be held", |event| event["reason"] == "held");
    assert!(held["blocker"].to_string().contains("panel"), "{held}");
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
    workspace.edit("panel/src/main.rs", "state.pressed", "state.down");
    let event = dev.swapped("button_service");
    assert!(
        event["cells"]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name == "panel"),
        "{event}"
    );
    assert!(workspace.call(&["panel", "describe", "\"ok\""]).is_ok());
}
