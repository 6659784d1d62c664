//! `cargo xtask demo`: from a bare clone to a live edit, every promise checked.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::session::Session;
use crate::shell::{self, Scratch};
use crate::tools;

#[derive(clap::Args)]
pub struct Args {
    /// Keep the cells running until Ctrl-C
    #[arg(long)]
    stay: bool,
}

const CELLS: usize = 4;
const BEFORE: &str = "\"market: {trades} trades";
const AFTER: &str = "\"the market has seen {trades} trades";

/// Runs the demo.
pub fn run(args: &Args) -> Result<()> {
    tools::ensure_bwrap();
    let tool = shell::build_tool()?;
    let mut scratch = Scratch::new("cell-demo")?;
    let workspace = scratch.path().join("market");
    let home = scratch.path().join("home");

    step("a workspace of four cells: `cargo cell new market --template market`");
    shell::run(
        shell::command(&tool)
            .args(["new", "--template", "market"])
            .arg(&workspace)
            .env("CELL_HOME", &home),
    )?;

    step("`cargo cell dev`: build them, start them in the order of their calls, and watch");
    let mut session = Session::start(&tool, &workspace, &home, &shell::target_dir().join("demo"))?;
    let before = session.until_serving(CELLS, show)?;
    for cell in &before {
        println!("    {:<10} ready, pid {}", cell.name, cell.pid);
    }

    step("`cargo cell call stats headline`");
    let first = session.call("stats", "headline", &[])?;
    println!("    {first}");
    ensure!(
        first.contains("market:"),
        "the answer is not the template's: {first}"
    );

    step("edit the body of the handler `stats::headline`");
    let source = workspace.join("stats/src/main.rs");
    let text = shell::read(&source)?;
    ensure!(
        text.contains(BEFORE),
        "the template has changed: `{BEFORE}` is not in it"
    );
    let edit = || shell::write(&source, &text.replace(BEFORE, AFTER));
    session.edit("stats", edit, show)?;

    step("`cargo cell call stats headline` again");
    let second = session.call("stats", "headline", &[])?;
    println!("    {second}");
    ensure!(
        second.contains("the market has seen"),
        "the new code does not answer: {second}"
    );
    let after = session.serving()?;
    for (old, new) in before.iter().zip(&after) {
        let same = old.pid == new.pid;
        println!(
            "    {:<10} pid {} {}",
            new.name,
            new.pid,
            if same { "as before" } else { "new" }
        );
        ensure!(old.name == new.name, "the cells are not the same");
        ensure!(
            same == (new.name != "stats"),
            "`{}` must keep its process exactly when its code did not change",
            new.name
        );
    }

    if args.stay {
        println!("\nThe cells run until Ctrl-C. In a second terminal:");
        println!(
            "    cd {} && export CELL_HOME={}",
            workspace.display(),
            home.display()
        );
        println!("    {} call exchange book 5", tool.display());
        println!("    {} status", tool.display());
        scratch.keep();
        return session.wait();
    }
    step("`cargo cell down`: nothing stays behind");
    session.down()?;
    for cell in &after {
        ensure!(
            !shell::alive(cell.pid),
            "process {} of `{}` is still there",
            cell.pid,
            cell.name
        );
    }
    println!("\nAll as promised. `cargo xtask demo --stay` keeps the cells running for you.");
    Ok(())
}

fn step(text: &str) {
    println!("\n==> {text}");
}

fn show(event: &Value) {
    let text = match event["reason"].as_str() {
        Some("cargo-status") => event["line"].as_str(),
        Some("diagnostic") if event["level"] == "error" => event["rendered"].as_str(),
        Some("failure" | "warning" | "note" | "swap-failed") => event["message"].as_str(),
        Some("cell") if event["what"] == "start-failed" || event["what"] == "unavailable" => {
            event["why"].as_str()
        }
        _ => None,
    };
    if let Some(text) = text {
        eprintln!("    {text}");
    }
}
