//! What cannot be bound: clear errors, and nothing half-written.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bind::{remembered, rust, tree};
use crate::support::{Workspace, outcome, success};

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
