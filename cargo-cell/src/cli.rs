//! The command tree and what every command shares.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Effects, Styles};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::error::{Error, Result};
use crate::reporter::{Reporter, Settings};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightGreen.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::BrightGreen.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::BrightCyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default());

/// Build, run and edit a workspace of cells.
#[derive(Debug, Parser)]
#[command(name = "cargo-cell", bin_name = "cargo cell", version, styles = STYLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where sockets, schemas and logs live [default: ~/.cell]
    #[arg(
        long,
        global = true,
        env = "CELL_HOME",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub home: Option<PathBuf>,
    /// Path to the workspace's Cargo.toml
    #[arg(long, global = true, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Show results and errors only; twice: nothing
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// Show more; twice: cargo's own lines too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// How to show events
    #[arg(long, global = true, value_name = "VIEW", default_value = "auto")]
    pub ui: Ui,
}

/// The views of the event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ui {
    /// What suits: the terminal UI for `dev` on a terminal, else lines for people
    Auto,
    /// The whole terminal: cells, problems, logs
    Tui,
    /// Lines for people
    Plain,
    /// One JSON object a line, on stdout
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(commands::new::Args),
    #[command(visible_alias = "mitosis")]
    Dev(commands::dev::Args),
    Build(commands::build::Args),
    Up(commands::up::Args),
    Attach(commands::attach::Args),
    Status(commands::status::Args),
    Top(commands::top::Args),
    Logs(commands::logs::Args),
    Call(commands::call::Args),
    Restart(commands::restart::Args),
    Down(commands::down::Args),
    Bind(commands::bind::Args),
    Lock(commands::lock::Args),
    Keys(commands::keys::Args),
    Relay(commands::relay::Args),
    Check(commands::check::Args),
    Schema(commands::schema::Args),
    Clean(commands::clean::Args),
    Doctor(commands::doctor::Args),
    Completions(commands::completions::Args),
}

impl Command {
    fn is_about_what_runs(&self) -> bool {
        matches!(
            self,
            Command::Dev(_)
                | Command::Up(_)
                | Command::Attach(_)
                | Command::Top(_)
                | Command::Status(_)
                | Command::Logs(_)
                | Command::Call(_)
                | Command::Restart(_)
                | Command::Down(_)
                | Command::Clean(_)
        )
    }
}

/// What a command works with.
#[derive(Clone)]
pub struct Context {
    /// The global options.
    pub global: Global,
    /// `$CELL_HOME`.
    pub home: PathBuf,
    /// The only one who prints.
    pub reporter: Reporter,
}

/// Parses the arguments and runs the command. Both `cargo cell …` and `cargo-cell …` lead here.
#[must_use]
pub fn run(args: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(without_subcommand_name(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers (0, stdout); everything else is a usage error (2, stderr).
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let settings = Settings {
        json: cli.global.ui == Ui::Json,
        quiet: cli.global.quiet,
        verbose: cli.global.verbose,
        color: cli.global.color,
    };
    let reporter = Reporter::start(settings);
    let outcome =
        context(&cli.global, &reporter).and_then(|context| dispatch(&context, cli.command));
    let code = match outcome {
        Ok(()) => 0,
        Err(error) => {
            let code = error.kind.exit_code();
            reporter.error(&error);
            code
        }
    };
    reporter.finish();
    ExitCode::from(code)
}

/// Cargo passes the subcommand's own name first: `cargo-cell cell dev`.
fn without_subcommand_name(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.get(1).is_some_and(|first| first == "cell") {
        args.remove(1);
    }
    args
}

fn context(global: &Global, reporter: &Reporter) -> Result<Context> {
    let home = match &global.home {
        Some(home) => std::path::absolute(home).map_err(|cause| {
            Error::usage(format!("`{}` is not a usable path", home.display())).because(cause)
        })?,
        None => match std::env::var_os("HOME") {
            Some(home) if !home.is_empty() => PathBuf::from(home).join(".cell"),
            _ => {
                return Err(Error::environment(
                    "no place for sockets and schemas: HOME is not set",
                )
                .hint("give one with `--home DIR` or CELL_HOME"));
            }
        },
    };
    Ok(Context {
        global: global.clone(),
        home,
        reporter: reporter.clone(),
    })
}

/// Refuses to look for what runs in another user's folder: nothing in it can be reached, which would look like nothing.
fn ours(home: &Path) -> Result<()> {
    let run = home.join("run");
    let found = match run.metadata() {
        Err(cause) if cause.kind() == ErrorKind::PermissionDenied => home.metadata(),
        found => found,
    };
    // One that is not there is created.
    let Ok(metadata) = found else {
        return Ok(());
    };
    let (owner, own) = (metadata.uid(), nix::unistd::geteuid().as_raw());
    if owner == own {
        return Ok(());
    }
    let named = |uid| match nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("`{}` (user {uid})", user.name),
        _ => format!("user {uid}"),
    };
    let error = format!(
        "`{}` belongs to {}, and you are {}",
        home.display(),
        named(owner),
        named(own)
    );
    Err(Error::environment(error).hint("give a folder of your own with `--home DIR` or CELL_HOME"))
}

fn dispatch(context: &Context, command: Command) -> Result<()> {
    if command.is_about_what_runs() {
        ours(&context.home)?;
    }
    match command {
        Command::New(args) => commands::new::run(context, &args),
        Command::Dev(args) => commands::dev::run(context, &args),
        Command::Build(args) => commands::build::run(context, &args),
        Command::Up(args) => commands::up::run(context, &args),
        Command::Attach(args) => commands::attach::run(context, &args),
        Command::Top(args) => commands::top::run(context, &args),
        Command::Status(args) => commands::status::run(context, &args),
        Command::Logs(args) => commands::logs::run(context, &args),
        Command::Call(args) => commands::call::run(context, &args),
        Command::Restart(args) => commands::restart::run(context, &args),
        Command::Down(args) => commands::down::run(context, &args),
        Command::Bind(args) => commands::bind::run(context, &args),
        Command::Lock(args) => commands::lock::run(context, &args),
        Command::Keys(args) => commands::keys::run(context, &args),
        Command::Relay(args) => commands::relay::run(context, &args),
        Command::Schema(args) => commands::schema::run(context, &args),
        Command::Check(args) => commands::check::run(context, &args),
        Command::Clean(args) => commands::clean::run(context, &args),
        Command::Doctor(args) => commands::doctor::run(context, &args),
        Command::Completions(args) => commands::completions::run(context, &args),
    }
}

/// The command tree, for completions and references.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn both_invocations_parse_alike() {
        let table: [(&[&str], bool); 6] = [
            (&["cargo-cell", "cell", "dev"], true),
            (&["cargo-cell", "dev"], true),
            (
                &[
                    "cargo-cell",
                    "cell",
                    "mitosis",
                    "--watch",
                    "--sandbox",
                    "none",
                ],
                true,
            ),
            (
                &["cargo-cell", "call", "button_service", "get_state", "\"x\""],
                true,
            ),
            (&["cargo-cell", "cell", "cell"], false),
            (
                &["cargo-cell", "--ui", "json", "build", "--home", "/tmp/x"],
                true,
            ),
        ];
        for (args, good) in table {
            let args = args.iter().map(OsString::from).collect();
            assert_eq!(
                Cli::try_parse_from(without_subcommand_name(args)).is_ok(),
                good
            );
        }
    }
}
