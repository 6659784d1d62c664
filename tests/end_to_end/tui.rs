//! The terminal UI on a real terminal, that of tmux: what is on the screen is read back.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::daemon::Down;
use crate::support::{Workspace, eventually, success};

/// A tmux of our own, with nobody's settings.
struct Terminal<'a> {
    workspace: &'a Workspace,
    /// Whether what runs ends with it.
    owns: bool,
    server: String,
}

impl<'a> Terminal<'a> {
    /// Runs `cargo cell` with a command on a terminal of this size; what it returns is printed below.
    fn run_tool(workspace: &'a Workspace, what: &str, width: u16, height: u16) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let server = format!("cell-test-{}-{number}", std::process::id());
        let owns = what == "dev";
        let terminal = Terminal {
            workspace,
            owns,
            server,
        };
        let mut command = terminal.tmux(&["new-session", "-d"]);
        command
            .args(["-x", &width.to_string(), "-y", &height.to_string()])
            .arg(format!(
                "{} {what}; echo returned $?; exec sleep 1000",
                env!("CARGO_BIN_EXE_cargo-cell")
            ))
            .current_dir(workspace.root())
            .env("CELL_HOME", workspace.home());
        workspace.prepare(&mut command);
        success(
            command
                .output()
                .expect("tmux is there: `cargo xtask test` installs it"),
        );
        terminal
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-L", &self.server, "-f", "/dev/null"])
            .args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        success(self.tmux(args).output().unwrap())
    }

    fn press(&self, key: &str) {
        self.run(&["send-keys", key]);
    }

    fn screen(&self) -> String {
        String::from_utf8(self.run(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// Waits until all of these are on the screen.
    fn shows(&self, wanted: &[&str]) -> String {
        eventually(&format!("{wanted:?} on the screen"), || {
            let screen = self.screen();
            match wanted.iter().all(|text| screen.contains(text)) {
                true => Ok(screen),
                false => Err(screen),
            }
        })
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // Closes the terminal, as a person would: the tool stops its cells.
        let _ = self.tmux(&["kill-server"]).output();
        if !self.owns || std::thread::panicking() {
            return;
        }
        eventually("the cells to be gone with the terminal", || {
            let left = self.workspace.processes();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
    }
}

#[test]
fn the_terminal_ui_shows_edits_and_gives_the_terminal_back() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["build"]));
    let good = workspace.read("button/src/main.rs");
    let terminal = Terminal::run_tool(&workspace, "dev", 80, 24);
    let screen = terminal.shows(&["2/2 cells serve", "button_service ready", "panel "]);
    assert!(
        screen.lines().all(|line| line.chars().count() <= 80),
        "{screen}"
    );
    assert!(
        screen.contains("RESTARTS") && screen.contains("q stop"),
        "{screen}"
    );
    workspace.write(
        "button/src/main.rs",
        &good.replace("pressed: true", "pressed: 1"),
    );
    terminal.shows(&["BUILD FAILED: button", "what is wrong", "mismatched types"]);
    workspace.write("button/src/main.rs", &good.replace("0.42", "0.5"));
    let screen = terminal.shows(&["built in", "following"]);
    assert!(!screen.contains("mismatched types"), "{screen}");
    terminal.press("g");
    terminal.shows(&["panel → button_service"]);
    terminal.run(&["resize-window", "-x", "200", "-y", "50"]);
    terminal.press("?");
    let screen = terminal.shows(&["who calls whom", "restart the chosen cell"]);
    assert_eq!(screen.lines().count(), 50, "{screen}");
    terminal.press("q");
    terminal.shows(&["returned 0"]);
    assert_eq!(
        workspace
            .processes()
            .iter()
            .filter(|p| p.contains("button"))
            .count(),
        0
    );
}

#[test]
fn a_closed_terminal_leaves_nothing() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["build"]));
    let terminal = Terminal::run_tool(&workspace, "dev", 100, 30);
    terminal.shows(&["2/2 cells serve"]);
    drop(terminal);
    assert_eq!(workspace.sockets(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn attached_it_shows_what_runs_elsewhere_and_leaves_it_running() {
    let workspace = Workspace::new("hello");
    success(workspace.run(["up"]));
    let _down = Down(&workspace);
    let pids = workspace.pids();
    let terminal = Terminal::run_tool(&workspace, "attach", 80, 24);
    terminal.shows(&["2/2 cells serve", "button_service ready", "q leave"]);
    success(workspace.run(["restart", "panel"]));
    terminal.shows(&["panel          ready       3"]);
    terminal.press("q");
    terminal.shows(&["returned 0"]);
    assert_eq!(workspace.pids()[0], pids[0]);
    // Where what runs ends, the view ends with it and the terminal is given back.
    let again = Terminal::run_tool(&workspace, "attach", 200, 50);
    again.shows(&["2/2 cells serve"]);
    success(workspace.run(["down"]));
    again.shows(&["returned 0"]);
}
