//! The dev loop: [`decide`] says what to do, [`sets`] says who swaps together, and [`event_loop`] does it.
//!
//! One loop over one closed enum ([`event_loop::Input`]) is the only cause of change.

mod ahead;
mod building;
pub mod control;
pub mod decide;
pub mod detached;
pub mod event_loop;
pub mod fleet;
pub mod hub;
pub mod recent;
pub mod roster;
pub mod sets;
pub mod shaders;
mod shelf;
pub mod sight;
pub mod signals;
mod stem_door;
mod supervised;
mod swapping;
mod timing;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::cli::{Context, Ui};
use crate::error::{Context as _, Error, Result};
use crate::event::{Event, Sink};
use crate::reporter::{Ask, Asker};
use crate::supervisor::Supervisor;
use crate::supervisor::{SupervisorConfig, SupervisorEvent};
use crate::workspace::sandbox::SandboxMode;
use crate::workspace::{Dirs, Workspace};

/// What the loop is to run, and how.
pub struct Options {
    /// The workspace.
    pub workspace: Workspace,
    /// `--manifest-path` or the folder of the workspace.
    pub manifest: PathBuf,
    /// The sandbox, when the command line names one.
    pub sandbox: Option<SandboxMode>,
    /// Only these cells are to run; the others, and all where the list is empty, start when they are called.
    pub only: Option<Vec<String>>,
    /// Told once the loop can be asked: of a loop without a terminal.
    pub detached: Option<Box<dyn FnOnce() + Send>>,
}

/// Runs the loop over a workspace until somebody stops it.
pub fn start(context: &Context, options: Options) -> Result<()> {
    let Options {
        workspace,
        manifest,
        sandbox,
        only,
        detached,
    } = options;
    let dirs = Dirs::new(&context.home, &workspace.root);
    cell_runtime::discovery::check_socket_path(&dirs.run.join(control::NAME)).map_err(|cause| {
        Error::environment(cause.to_string()).hint("give a shorter folder with `--home DIR`")
    })?;
    if detached.is_none() {
        // As if the terminal had said it: the second one hastens.
        let stop =
            || nix::sys::signal::raise(nix::sys::signal::Signal::SIGINT).map_err(|e| e.to_string());
        take_screen(context, &dirs.run, false, stop)?;
    }
    let reporter = context.reporter.clone();
    let hub = Arc::new(hub::Hub::default());
    let (keep, shows_logs) = (hub.clone(), detached.is_none());
    let sink = Sink::new(move |event| {
        keep.recent.event(&event);
        // What cells print has files of its own.
        if shows_logs || !matches!(event, Event::Cell(SupervisorEvent::Log { .. })) {
            reporter.event(&event);
        }
    });
    let config = SupervisorConfig {
        run_dir: dirs.run.clone(),
        home: dirs.home.clone(),
        workspace_root: workspace.root.clone(),
        log_dir: dirs.log.clone(),
        keeper: SupervisorConfig::own_exe(),
    };
    let signals = signals::Signals::begin()?;
    runtime()?.block_on(async {
        let (events, received) = mpsc::unbounded_channel();
        let supervisor = Supervisor::start(config, events)?;
        let fleet: Arc<dyn fleet::Fleet> = Arc::new(supervisor);
        let shaders = shaders::Shaders::start(fleet.clone(), sink.clone());
        let (calls, called) = mpsc::unbounded_channel();
        tokio::spawn(relay(
            received,
            sink.clone(),
            hub.clone(),
            shaders.clone(),
            calls,
        ));
        let setup = event_loop::Setup {
            workspace,
            dirs,
            manifest,
            keeper: SupervisorConfig::own_exe(),
            sandbox,
            fleet,
            sink,
            hub,
            only,
            called,
            bound: detached.unwrap_or_else(|| Box::new(|| ())),
            shaders,
        };
        event_loop::run(setup, signals).await
    })
}

/// Shows events on the whole terminal from now on, where that is wanted; says whether it is. `stop` is what its key to
/// leave does.
pub fn take_screen(
    context: &Context,
    run_dir: &Path,
    leaves: bool,
    stop: impl Fn() -> std::result::Result<(), String> + Send + Sync + 'static,
) -> Result<bool> {
    let wanted = wants_screen(context)?;
    if wanted {
        context
            .reporter
            .take_screen(asker(run_dir.to_owned(), stop), leaves);
    }
    Ok(wanted)
}

/// Whether events are shown on the whole terminal.
fn wants_screen(context: &Context) -> Result<bool> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let global = &context.global;
    match global.ui {
        Ui::Tui if !terminal => Err(Error::usage("`--ui tui` needs a terminal")
            .hint("`--ui plain` and `--ui json` work without one")),
        Ui::Tui => Ok(true),
        // A dumb terminal cannot place text.
        Ui::Auto => Ok(terminal
            && global.quiet == 0
            && global.verbose == 0
            && std::env::var_os("TERM").is_some_and(|term| term != "dumb")),
        Ui::Plain | Ui::Json => Ok(false),
    }
}

/// Answers the terminal UI over the loop's control socket, as every command is.
fn asker(
    run_dir: PathBuf,
    stop: impl Fn() -> std::result::Result<(), String> + Send + Sync + 'static,
) -> Asker {
    Arc::new(move |what| {
        let request = match what {
            Ask::Restart(cells) => control::Request::Restart {
                cells: cells.clone(),
            },
            Ask::Rest(cell) => control::Request::Stop {
                cells: vec![cell.clone()],
            },
            Ask::Rebuild => control::Request::Rebuild,
            Ask::Measure => control::Request::Measure,
            Ask::Calls => control::Request::Status,
            Ask::Stop => return stop().map(|()| Vec::new()),
        };
        let mut wrong = None;
        let mut calls = Vec::new();
        let asked = control::ask(&run_dir, &request, &mut |answer| {
            wrong = answer["error"].as_str().map(str::to_owned);
            for cell in answer["cells"].as_array().into_iter().flatten() {
                let callees = cell["calls"].as_array().into_iter().flatten();
                let callees = callees.filter_map(|name| Some(name.as_str()?.to_owned()));
                if let Some(name) = cell["name"].as_str() {
                    calls.push((name.to_owned(), callees.collect()));
                }
            }
            true
        });
        match (asked, wrong) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), Some(why)) => Err(why),
            (Ok(_), None) => Ok(calls),
        }
    })
}

/// What the supervisor says goes to the reporter, and what cells print also to those who follow it.
async fn relay(
    mut received: mpsc::UnboundedReceiver<SupervisorEvent>,
    sink: Sink,
    hub: Arc<hub::Hub>,
    shaders: shaders::Shaders,
    calls: mpsc::UnboundedSender<String>,
) {
    while let Some(event) = received.recv().await {
        shaders.heard(&event);
        if let SupervisorEvent::Called { cell } = &event {
            // The loop may have left already.
            let _ = calls.send(cell.clone());
        }
        if let SupervisorEvent::Log { cell, stream, line } = &event {
            let stream = match stream {
                crate::supervisor::Stream::Stdout => "stdout",
                crate::supervisor::Stream::Stderr => "stderr",
            };
            hub.line(cell, stream, line);
        }
        sink.send(Event::Cell(event));
    }
}

/// The runtime of a command that waits for processes or sockets.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .environment(|| "cannot start the async runtime".to_owned())
}
