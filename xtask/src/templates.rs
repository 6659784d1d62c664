//! `cargo xtask templates`: what `cargo cell new` writes must build as it is, so its generated files are committed.
#![expect(clippy::disallowed_methods, reason = "tasks touch files")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{self, Scratch};
use crate::tools;

#[derive(clap::Args)]
pub struct Args {
    /// Fail where a committed file is not what a build writes, and run the templates' own tests and lints
    #[arg(long)]
    pub check: bool,
}

const TEMPLATES: [&str; 3] = ["hello", "market", "shader"];

/// Runs the task.
pub fn run(args: &Args) -> Result<()> {
    tools::ensure_vulkan();
    let tool = shell::build_tool()?;
    let scratch = Scratch::new("cell-templates")?;
    for template in TEMPLATES {
        // The folder is named like the template, so that generated files cannot depend on a random name.
        let workspace = scratch.path().join(template);
        let mut create = shell::command(&tool);
        create
            .args(["new", "--template", template])
            .arg(&workspace)
            .env("CELL_HOME", scratch.path().join("home"));
        shell::run(&mut create)?;
        if args.check {
            check(template, &workspace)?;
        }
        let cargo_cell = |words: &[&str]| {
            let mut command = shell::command(&tool);
            command
                .current_dir(&workspace)
                .args(words)
                .env("CELL_HOME", scratch.path().join("home"));
            command.env("CARGO_TARGET_DIR", target());
            shell::run(&mut command)
        };
        cargo_cell(if args.check {
            &["check", "--locked"]
        } else {
            &["build"]
        })?;
        compare(template, &workspace, args.check)?;
    }
    Ok(())
}

fn target() -> PathBuf {
    shell::target_dir().join("end-to-end")
}

/// What a user's own CI would run, before any tool of ours has touched the workspace.
fn check(template: &str, workspace: &Path) -> Result<()> {
    let lines: [&[&str]; 4] = [
        &["build"],
        &["fmt", "--check"],
        &["clippy", "--all-targets", "--", "-D", "warnings"],
        &["test"],
    ];
    for words in lines {
        let mut cargo = shell::cargo();
        cargo
            .current_dir(workspace)
            .args(words)
            // Here a test that finds no device fails; a user's does not.
            .env("HEAT_NEEDS_A_DEVICE", "1")
            .env("CARGO_TARGET_DIR", target());
        shell::run(&mut cargo)
            .with_context(|| format!("the template `{template}` is not clean"))?;
    }
    Ok(())
}

/// Copies the generated files back, or checks that they are the committed ones.
fn compare(template: &str, workspace: &Path, check: bool) -> Result<()> {
    let committed = shell::root().join("templates").join(template);
    let mut generated = Vec::new();
    collect(workspace, workspace, &mut generated)?;
    ensure!(
        !generated.is_empty(),
        "a build of the template `{template}` generates nothing"
    );
    let mut stale = Vec::new();
    for file in generated {
        let new = std::fs::read(workspace.join(&file))?;
        let place = committed.join(&file);
        if std::fs::read(&place).ok().as_ref() == Some(&new) {
            continue;
        }
        if !check {
            std::fs::create_dir_all(place.parent().context("a file lies in a folder")?)?;
            std::fs::write(&place, new)?;
            eprintln!("wrote templates/{template}/{}", file.display());
        }
        stale.push(file.display().to_string());
    }
    if check && !stale.is_empty() {
        bail!(
            "stale in the template `{template}`: {}; run `cargo xtask templates`",
            stale.join(", ")
        );
    }
    Ok(())
}

/// Every file in a `schema` or `cells` folder.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let relative = path.strip_prefix(root)?.to_owned();
        if path.is_dir() {
            if !relative.starts_with("target") {
                collect(root, &path, files)?;
            }
        } else if relative
            .parent()
            .is_some_and(|folder| folder.ends_with("schema") || folder.ends_with("cells"))
        {
            files.push(relative);
        }
    }
    files.sort();
    Ok(())
}
