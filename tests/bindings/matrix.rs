//! The live matrix: one Rust service, and the clients of all languages in every scenario.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use ::matrix::client::matrix as rust_client;
use ::matrix::{Tally, drifted, matrix};
use cargo_cell::bind::Place;
use cell_runtime::control::{self, CONTROL_FD, ENV_FDS, FromCell, LISTENER_FD, ToCell};
use cell_runtime::schema::{Snapshot, own_service};
use cell_runtime::{cell, discovery};

/// What a program is called with, one after the other.
const SCENARIOS: [&str; 9] = [
    "call",
    "typed_error",
    "streams",
    "deadline",
    "cancel",
    "concurrent",
    "overloaded",
    "drift",
    "drain",
];
/// How long a scenario may take before it counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What this test's own process becomes when it is started again.
const ENV_ROLE: &str = "CELL_MATRIX_ROLE";

/// Where it serves the network.
pub(crate) const ENV_ADDRESS: &str = "CELL_MATRIX_ADDRESS";

/// A client in some language: called with a scenario's name and `CELL_RUN`, it prints `ok` as its last line and exits with 0, or says
/// what went wrong and exits with 1. In `drain` it calls `add` until a line comes in, and prints the number of calls before `ok`.
pub(crate) struct Program {
    /// What it is called in messages.
    pub(crate) language: &'static str,
    /// The program and its first arguments.
    pub(crate) command: Vec<OsString>,
    /// Where it runs.
    pub(crate) folder: PathBuf,
}

/// The schema that the programs' bindings are generated from.
pub(crate) fn snapshot() -> std::sync::Arc<Snapshot> {
    own_service("matrix::matrix").expect("the service's own schema is sound")
}

/// What a program calls.
pub(crate) trait Serves: Sized {
    /// Starts what a scenario needs: `matrix`, `busy`: one that takes on three calls at once, or `drifted`: another schema under
    /// the same name.
    fn start(role: &'static str) -> Self;

    /// How a program finds it.
    fn env(&self) -> Vec<(&'static str, OsString)>;

    /// Swaps generations while a program calls, then tells it to stop.
    fn swap(self, stdin: &mut impl Write) -> Result<Self, String>;
}

/// Plays every scenario on this machine; fails with all that went wrong.
pub(crate) fn play(program: &Program) {
    play_with::<Server>(program);
}

/// Plays every scenario; fails with all that went wrong.
pub(crate) fn play_with<S: Serves>(program: &Program) {
    let wrong: Vec<String> = SCENARIOS
        .iter()
        .filter_map(|scenario| {
            let error = scenario_of::<S>(program, scenario).err()?;
            Some(format!("{scenario}: {error}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{}:\n{}",
        program.language,
        wrong.join("\n")
    );
}

fn scenario_of<S: Serves>(program: &Program, scenario: &str) -> Result<(), String> {
    let server = S::start(match scenario {
        "drift" => "drifted",
        "overloaded" => "busy",
        _ => "matrix",
    });
    let mut child = Command::new(&program.command[0])
        .args(&program.command[1..])
        .arg(scenario)
        .current_dir(&program.folder)
        .env_remove("CELL_HOME")
        .envs(server.env())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {:?}: {error}", program.command[0]))?;
    let mut stdin = child.stdin.take().expect("is piped");
    let guard = Watchdog::of(&child);
    let (mut out, mut err) = (
        child.stdout.take().expect("is piped"),
        child.stderr.take().expect("is piped"),
    );
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = err.read_to_string(&mut text);
        text
    });
    let swapped = match scenario {
        "drain" => server.swap(&mut stdin),
        _ => Ok(server),
    };
    drop(stdin);
    let mut said = String::new();
    let _ = out.read_to_string(&mut said);
    let status = child.wait().map_err(|error| error.to_string())?;
    let timely = guard.stop();
    let errors = errors.join().unwrap_or_default();
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let fine = status.success() && lines.last() == Some(&"ok");
    if !fine || !timely {
        let hung = if timely {
            ""
        } else {
            " it hung, and was killed;"
        };
        return Err(format!("{status};{hung} it said:\n{said}{errors}"));
    }
    drop(swapped?);
    if scenario == "drain" {
        let calls: Option<u64> = lines.iter().rev().nth(1).and_then(|line| line.parse().ok());
        return match calls {
            Some(calls) if calls >= SERVED * u64::from(GENERATIONS) => Ok(()),
            other => Err(format!("{other:?} calls; it said:\n{said}{errors}")),
        };
    }
    Ok(())
}

/// Kills a program that hangs.
struct Watchdog {
    done: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watchdog {
    fn of(child: &Child) -> Watchdog {
        let (done, waits) = mpsc::channel();
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        let thread = std::thread::spawn(move || {
            let hung = waits.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            if hung {
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
            !hung
        });
        Watchdog { done, thread }
    }

    /// Whether it was in time.
    fn stop(self) -> bool {
        let _ = self.done.send(());
        self.thread.join().unwrap_or(false)
    }
}

/// How many generations serve one after the other while a client calls.
pub(crate) const GENERATIONS: u32 = 5;
/// How many calls each must have begun with before the next one takes over.
pub(crate) const SERVED: u64 = 50;

/// A running service, as a supervisor runs it: the listener is ours and outlives each generation.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    listener: UnixListener,
    role: &'static str,
    process: Generation,
}

impl Server {
    /// What a client's `CELL_RUN` is.
    pub(crate) fn run(&self) -> &Path {
        self.folder.path()
    }
}

impl Serves for Server {
    fn start(role: &'static str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        // A busy one is the same, but for what it takes on.
        let id = format!("matrix::{}", role.replace("busy", "matrix"));
        let fingerprint = own_service(&id).unwrap().fingerprint.0;
        let socket = discovery::socket_name("matrix", fingerprint);
        let listener = UnixListener::bind(folder.path().join(&socket)).unwrap();
        std::os::unix::fs::symlink(&socket, folder.path().join("matrix.sock")).unwrap();
        let process = Generation::start(&listener, role, 1);
        Server {
            folder,
            listener,
            role,
            process,
        }
    }

    fn env(&self) -> Vec<(&'static str, OsString)> {
        vec![("CELL_RUN", self.run().into())]
    }

    fn swap(mut self, stdin: &mut impl Write) -> Result<Server, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let socket = self.run().join("matrix.sock").display().to_string();
        for number in 1..=GENERATIONS {
            runtime
                .block_on(async {
                    let client = rust_client::connect(&socket).await?.deadline(PATIENCE);
                    let generation = client.generation().await?;
                    assert_eq!(generation, number, "the new generation serves");
                    client.until_served(SERVED).await
                })
                .map_err(|error| format!("generation {number} was not called: {error}"))?;
            if number < GENERATIONS {
                let next = Generation::start(&self.listener, self.role, number + 1);
                std::mem::replace(&mut self.process, next).drain()?;
            }
        }
        stdin
            .write_all(b"stop\n")
            .map_err(|error| format!("the client is gone: {error}"))?;
        Ok(self)
    }
}

/// One process of the service.
struct Generation {
    child: Child,
    control: BufReader<UnixStream>,
}

impl Generation {
    fn start(listener: &UnixListener, role: &str, number: u32) -> Generation {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = again(role);
        command
            .env(ENV_FDS, "1")
            .env("MATRIX_GENERATION", number.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let (listening, controlling) = (listener.as_raw_fd(), theirs.as_raw_fd());
        // SAFETY: between fork and exec only `fcntl` and `dup2` are called, on descriptors that stay open until then.
        unsafe {
            command.pre_exec(move || pass_down(listening, controlling));
        }
        let child = command.spawn().unwrap();
        let mut generation = Generation {
            child,
            control: BufReader::new(ours),
        };
        match generation.says() {
            Some(FromCell::Ready { .. }) => generation,
            other => panic!("the service did not start: {other:?}"),
        }
    }

    fn says(&mut self) -> Option<FromCell> {
        let mut line = String::new();
        self.control.read_line(&mut line).ok()?;
        control::decode(&line).ok()
    }

    /// Tells it to finish, and waits until it has.
    fn drain(mut self) -> Result<(), String> {
        let drain = control::encode(&ToCell::Drain { limit_ms: 10_000 });
        self.control
            .get_mut()
            .write_all(drain.as_bytes())
            .map_err(|error| error.to_string())?;
        match self.says() {
            Some(FromCell::Drained) => Ok(()),
            other => Err(format!("a generation did not drain: {other:?}")),
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The descriptors that a supervised cell has, without close-on-exec; first out of each other's way.
fn pass_down(listener: RawFd, control: RawFd) -> std::io::Result<()> {
    let apart = |fd| match unsafe { nix::libc::fcntl(fd, nix::libc::F_DUPFD_CLOEXEC, 10) } {
        -1 => Err(std::io::Error::last_os_error()),
        fd => Ok(fd),
    };
    let (listener, control) = (apart(listener)?, apart(control)?);
    for (from, to) in [(listener, LISTENER_FD), (control, CONTROL_FD)] {
        if unsafe { nix::libc::dup2(from, to) } == -1 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// This test binary once more, in another role.
pub(crate) fn again(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "matrix::role", "--ignored", "--nocapture"])
        .env(ENV_ROLE, role);
    command
}

/// Not a test: what this binary is when it is started by [`again`].
#[test]
#[ignore = "the service's process, started by the other tests"]
fn role() {
    let role = std::env::var(ENV_ROLE).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let generation = std::env::var("MATRIX_GENERATION")
        .unwrap_or_default()
        .parse()
        .unwrap_or_default();
    let load = |calls_max| cell::LoadLimits {
        calls_max,
        ..cell::LoadLimits::DEFAULT
    };
    // With an address it serves the network.
    let address = std::env::var(ENV_ADDRESS).ok();
    macro_rules! serve {
        ($handlers:expr) => {
            runtime
                .block_on(async {
                    match &address {
                        Some(address) => cell::serve_remote($handlers, address).await,
                        None => cell::serve_local($handlers).await,
                    }
                })
                .unwrap()
        };
    }
    let tally = Tally::of(generation);
    match role.as_str() {
        "matrix" => serve!(matrix::handlers().state(tally)),
        "busy" => serve!(matrix::handlers().state(tally).load(load(3))),
        "drifted" => serve!(drifted::handlers()),
        "ledger" => runtime.block_on(crate::network::ledger()),
        "" => {}
        _ => match runtime.block_on(::matrix::client::play(
            &std::env::args().next_back().unwrap_or_default(),
        )) {
            Ok(calls) => {
                let calls = calls.map(|calls| format!("{calls}\n")).unwrap_or_default();
                println!("\n{calls}ok");
                // Before the test harness adds words of its own.
                std::process::exit(0);
            }
            Err(error) => {
                println!("{error:#}");
                std::process::exit(1);
            }
        },
    }
}

#[test]
fn rust_plays_every_scenario() {
    // What the program gets beyond this is the scenario, which matches no test's name.
    let again = again("client");
    let role = OsString::from(format!("{ENV_ROLE}=client"));
    let program = again.get_program().to_owned();
    let arguments = again.get_args().map(OsString::from);
    play(&Program {
        language: "rust",
        command: ["env".into(), role, program]
            .into_iter()
            .chain(arguments)
            .collect(),
        folder: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
    });
}

#[test]
fn the_rust_clients_binding_is_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/bindings/matrix/cells");
    for file in cargo_cell::bind::language("rust")
        .unwrap()
        .generate(&snapshot(), &Place::default())
        .unwrap()
    {
        let path = folder.join(&file.path);
        if std::env::var_os("CELL_BLESS").is_some() {
            std::fs::write(&path, &file.text).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == file.text,
            "{} is stale: run this test with CELL_BLESS=1",
            path.display()
        );
    }
}
