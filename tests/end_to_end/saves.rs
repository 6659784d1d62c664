//! Editors save in many ways: each final state is built once, and what changes nothing restarts nothing.

use std::process::Command;

use crate::support::{Workspace, success};

const BUTTON: &str = "button/src/main.rs";

fn hover(workspace: &Workspace) -> String {
    workspace
        .call(&["button_service", "get_state", "\"ok\""])
        .unwrap()["hover_t"]
        .to_string()
}

#[test]
fn every_way_to_save_is_built_once() {
    let workspace = Workspace::new("hello");
    let mut dev = workspace.dev();
    let good = workspace.read(BUTTON);
    let path = workspace.root().join(BUTTON);
    let text = |value: &str| good.replace("0.42", value);
    type Save<'a> = Box<dyn Fn(&str) + 'a>;
    let in_folder = |name: &str| path.with_file_name(name);
    let saves: Vec<(&str, Save<'_>)> = vec![
        (
            "in place",
            Box::new(|value| std::fs::write(&path, text(value)).unwrap()),
        ),
        (
            "vim: write a new file, rename the old one away",
            Box::new(|value| {
                std::fs::write(in_folder("4913"), "").unwrap();
                std::fs::remove_file(in_folder("4913")).unwrap();
                std::fs::rename(&path, in_folder("main.rs~")).unwrap();
                std::fs::write(&path, text(value)).unwrap();
                std::fs::remove_file(in_folder("main.rs~")).unwrap();
            }),
        ),
        (
            "rename over",
            Box::new(|value| {
                std::fs::write(in_folder(".main.rs.tmp"), text(value)).unwrap();
                std::fs::rename(in_folder(".main.rs.tmp"), &path).unwrap();
            }),
        ),
        (
            "sed -i",
            Box::new(|value| {
                let script = format!("s/hover_t: 0[.][0-9]*/hover_t: {value}/");
                assert!(
                    Command::new("sed")
                        .args(["-i", &script])
                        .arg(&path)
                        .status()
                        .unwrap()
                        .success()
                );
            }),
        ),
        (
            "emptied first",
            Box::new(|value| {
                std::fs::write(&path, "").unwrap();
                std::fs::write(&path, text(value)).unwrap();
            }),
        ),
        (
            "git checkout",
            Box::new(|value| {
                let (root, other) = (workspace.root(), workspace.marker().join("other"));
                let git = |folder: &std::path::Path, args: &[&str]| {
                    let mut git = Command::new("git");
                    git.args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-C"]);
                    assert!(
                        git.arg(folder).args(args).status().unwrap().success(),
                        "{args:?}"
                    );
                };
                git(&root, &["init", "--quiet"]);
                git(&root, &["add", BUTTON]);
                git(&root, &["commit", "--quiet", "-m", "a"]);
                let other_path = other.to_str().unwrap();
                git(&root, &["clone", "--quiet", ".", other_path]);
                std::fs::write(other.join(BUTTON), text(value)).unwrap();
                git(&other, &["commit", "--quiet", "-a", "-m", "b"]);
                git(&root, &["fetch", "--quiet", other_path, "HEAD"]);
                git(&root, &["checkout", "--quiet", "FETCH_HEAD", "--", BUTTON]);
            }),
        ),
        (
            "500 files at once",
            Box::new(|value| {
                for i in 0..500 {
                    std::fs::write(in_folder(&format!("note_{i}.txt")), value).unwrap();
                }
                std::fs::write(&path, text(value)).unwrap();
            }),
        ),
    ];
    for (round, (what, save)) in saves.iter().enumerate() {
        let value = format!("0.{}", round + 2);
        save(&value);
        dev.swapped("button_service");
        assert_eq!(hover(&workspace), value, "{what}");
    }
    // Nothing was built twice: the batches rise by one a save.
    workspace.write(BUTTON, &text("0.9"));
    let last = dev.swapped("button_service");
    assert_eq!(
        last["batch"].as_u64().unwrap() as usize,
        saves.len() + 2,
        "{last}"
    );
}

#[test]
fn a_save_during_a_build_is_built_after_it() {
    let workspace = Workspace::new("hello");
    let mut dev = workspace.dev();
    workspace.edit(BUTTON, "0.42", "0.5");
    dev.wait("the build", |event| event["reason"] == "build-started");
    workspace.edit(BUTTON, "0.5", "0.6");
    while hover(&workspace) != "0.6" {
        dev.swapped("button_service");
    }
}

#[test]
fn touch_comments_and_shaders_restart_nothing() {
    let workspace = Workspace::new("hello");
    let mut dev = workspace.dev();
    let pids = workspace.pids();
    let path = workspace.root().join(BUTTON);
    assert!(Command::new("touch").arg(&path).status().unwrap().success());
    // At the end of a line: a new line would move what follows, and async functions carry their positions.
    workspace.edit(
        BUTTON,
        "pub hover_t: f32,",
        "pub hover_t: f32, // from 0 to 1",
    );
    let end = dev.batch_end();
    assert_eq!(end["reason"], "unchanged", "{end}");
    workspace.write("button/src/x.wgsl", "fn f() {}\n");
    dev.wait("the shader to be seen", |event| {
        event["reason"] == "shader-seen"
    });
    assert_eq!(workspace.pids(), pids);
    success(workspace.run(["status"]));
}
