//! A saved shader reaches the cells that hold it, and only when it is valid.

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use super::support::{Dev, Workspace, success};

const LOOK: &str = "button/shaders/look.wgsl";
const COLOURS: &str = "button/shaders/colours.wgsl";
const MAIN: &str = r##"use cell_sdk::cell;

#[cell::service]
mod button_service {
    use cell_sdk::cell;

    #[derive(cell::Protein)]
    pub struct Look {
        pub version: u64,
        pub text: String,
    }

    /// What it would draw with.
    #[cell::handler]
    async fn get_state(shader: cell::State<cell::Shader>, id: String) -> Look {
        let now = shader.source();
        if id == "refuse" {
            shader.refuse(&now, "the device has no such thing");
        }
        Look { version: now.version(), text: now.text().to_owned() }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let look = cell::shader!("shaders/look.wgsl", "shaders/colours.wgsl");
    cell::serve_local(button_service::handlers().state(look)).await
}
"##;

fn look(value: &str) -> String {
    format!("#import \"colours.wgsl\"\n\nfn look() -> f32 {{\n    return bright({value});\n}}\n")
}

fn workspace() -> Workspace {
    let workspace = Workspace::new("hello");
    std::fs::create_dir(workspace.root().join("button/shaders")).unwrap();
    workspace.write(LOOK, &look("1.0"));
    workspace.write(COLOURS, "fn bright(x: f32) -> f32 { return x; }\n");
    workspace.write("button/src/main.rs", MAIN);
    // The panel reads a field that is no more.
    std::fs::remove_dir_all(workspace.root().join("panel")).unwrap();
    workspace.edit("Cargo.toml", "\"button\", \"panel\"", "\"button\"");
    workspace
}

fn held(workspace: &Workspace, id: &str) -> Value {
    let id = format!("\"{id}\"");
    workspace
        .call(&["button_service", "get_state", &id])
        .unwrap()
}

/// The cell serves, and it has its shader; in whatever order.
fn started(dev: &mut Dev<'_>) -> Value {
    let (serves, has) = (Cell::new(false), RefCell::new(None));
    dev.wait("the cell to serve with its shader", |event| {
        serves.set(serves.get() || event["reason"] == "timings");
        if event["reason"] == "shader-applied" {
            has.replace(Some(event.clone()));
        }
        serves.get() && has.borrow().is_some()
    });
    has.into_inner().unwrap()
}

fn shader(dev: &mut Dev<'_>, what: &str, at_least: u64) -> Value {
    let reason = format!("shader-{what}");
    dev.wait(&reason, |event| {
        event["reason"] == *reason && event["version"].as_u64().unwrap_or(u64::MAX) >= at_least
    })
}

#[test]
fn a_saved_shader_reaches_its_cell_and_a_bad_one_does_not() {
    let workspace = workspace();
    // A plain build embeds the file, with what it imports.
    let mut dev = workspace.dev_unready(&[]);
    let first = started(&mut dev);
    assert_eq!(
        (&first["path"], &first["cell"]),
        (&json!(LOOK), &json!("button_service"))
    );
    let pids = workspace.pids();
    let text = held(&workspace, "x")["text"].clone();
    assert!(text.as_str().unwrap().starts_with("fn bright"), "{text}");

    // A save is taken by the process that runs.
    workspace.write(LOOK, &look("2.0"));
    let version = shader(&mut dev, "applied", 2)["version"].clone();
    let now = held(&workspace, "x");
    assert_eq!(now["version"], version);
    assert!(
        now["text"].as_str().unwrap().contains("bright(2.0)"),
        "{now}"
    );

    // So is one of what it imports.
    workspace.write(COLOURS, "fn bright(x: f32) -> f32 { return 3.0 * x; }\n");
    let mut version = applied_after(&mut dev, &version);

    // A bad one is shown at its line, also where an import is at fault, and changes nothing.
    let table = [
        (LOOK, look("2.0, 3.0"), "button/shaders/look.wgsl:4:"),
        (
            LOOK,
            look("2.0").replace("colours", "colors"),
            "button/shaders/look.wgsl:1:1",
        ),
        (LOOK, look("2u"), "button/shaders/look.wgsl:4:"),
        (
            COLOURS,
            "// ä\nfn bright(x: f32) -> f32 { retrun x; }\n".to_owned(),
            "button/shaders/colours.wgsl:2:",
        ),
    ];
    for (file, bad, at) in table {
        let good = workspace.read(file);
        workspace.write(file, &bad);
        let rejected = shader(&mut dev, "rejected", 0);
        assert!(
            rejected["at"].to_string()[1..].starts_with(at),
            "{rejected}"
        );
        assert_eq!(rejected["kept"], version, "{rejected}");
        let rendered = rejected["rendered"].as_str().unwrap();
        assert!(
            rendered.contains(file) && rendered.contains('^'),
            "{rendered}"
        );
        assert_eq!(held(&workspace, "x")["version"], version);
        // What was good is good again.
        workspace.write(file, &good);
        version = applied_after(&mut dev, &version);
    }
    assert_eq!(workspace.pids(), pids);

    // A new generation gets the last good text too, whatever its binary embeds.
    workspace.write(LOOK, "fn");
    shader(&mut dev, "rejected", 0);
    success(workspace.run(["restart", "button_service"]));
    dev.wait("the new generation to have it", |event| {
        event["reason"] == "shader-applied" && event["version"] == version
    });
    assert_ne!(workspace.pids(), pids);
    let text = held(&workspace, "x")["text"].clone();
    assert!(text.as_str().unwrap().contains("bright(2.0)"), "{text}");
}

fn applied_after(dev: &mut Dev<'_>, version: &Value) -> Value {
    let next = version.as_u64().unwrap() + 1;
    shader(dev, "applied", next)["version"].clone()
}

#[test]
fn a_device_may_refuse_what_is_valid() {
    let workspace = workspace();
    let mut dev = workspace.dev_unready(&[]);
    started(&mut dev);
    held(&workspace, "refuse");
    let refused = shader(&mut dev, "refused", 1);
    assert_eq!(refused["message"], "the device has no such thing");
}
