//! `cargo xtask bench languages`: the generated client of each language against one Rust service, over one Unix socket.
//!
//! Each client is a process that is asked, round by round, for calls one after another and for calls with 64 in flight. Rounds
//! are interleaved, so a change of the machine's mood meets all.
#![expect(clippy::disallowed_methods, reason = "it starts processes")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{self, Scratch};
use crate::tools;

#[derive(clap::Args)]
pub struct Args {
    /// How many rounds
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Calls one after another, in each round
    #[arg(long, default_value_t = 2000)]
    lone: usize,
    /// Calls with 64 in flight, in each round
    #[arg(long, default_value_t = 20_000)]
    crowd: usize,
    /// Only these: rust, go, python, typescript; the first of them is what the others are compared with
    #[arg(long, value_delimiter = ',')]
    languages: Vec<String>,
}

const LANGUAGES: [&str; 4] = ["rust", "go", "python", "typescript"];

const SNAPSHOT: &str = "xtask/bench/schema/echo.json";
const SOURCES: &str = "xtask/bench/languages";

/// What Go's own sockets take without a protocol; shown beside Go.
const GO_PLAIN: &str = "go, plain";

/// Runs the benchmark.
pub fn run(args: &Args) -> Result<()> {
    tools::ensure_languages()?;
    let tool = shell::build_tool()?;
    let programs = super::build()?;
    let scratch = Scratch::new("cell-bench")?;
    let mut clients = LANGUAGES
        .into_iter()
        .filter(|name| {
            args.languages.is_empty() || args.languages.iter().any(|wanted| wanted == name)
        })
        .map(|name| {
            let words = match name {
                "go" => go(&tool, scratch.path())?,
                "python" => python(&tool, scratch.path())?,
                "typescript" => typescript(&tool, scratch.path())?,
                _ => vec![
                    programs.join("bench-call").into_os_string(),
                    "client".into(),
                ],
            };
            Ok((name, words))
        })
        .collect::<Result<Vec<_>>>()?;
    if let Some(at) = clients.iter().position(|(name, _)| *name == "go") {
        let plain = [clients[at].1.clone(), vec!["plain".into()]].concat();
        clients.insert(at + 1, (GO_PLAIN, plain));
    }
    println!(
        "{} rounds, interleaved; each: {} calls one after another, then {} at 64 in flight on one connection; 64-byte messages",
        args.rounds, args.lone, args.crowd
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // A client and the service on a core each, then as the machine likes.
    for (title, pins) in [("a core each", Some((0, cores - 1))), ("unpinned", None)] {
        let folder = scratch.path().join(title.replace(' ', "-"));
        std::fs::create_dir_all(&folder)?;
        let core = pins.map(|(_, core)| core);
        let mut echo = pinned(programs.join("echo"), core);
        let _service = Service::start(echo.env("CELL_RUN", &folder), &folder.join("echo.sock"))?;
        let socket = folder.join("plain.sock");
        let mut plain = pinned(programs.join("bench-call"), core);
        let _plain = Service::start(plain.arg("plain").arg(&socket), &socket)?;
        let mut running = clients
            .iter()
            .map(|(name, words)| Client::start(name, words, &folder, pins.map(|(core, _)| core)))
            .collect::<Result<Vec<_>>>()?;
        for round in 0..=args.rounds {
            for client in &mut running {
                client.round(args, round == 0)?;
            }
        }
        print(title, &running);
    }
    Ok(())
}

fn print(title: &str, clients: &[Client]) {
    println!("\n{title}");
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>8} {:>12} {:>8}",
        "", "p50 us", "p90 us", "p99 us", "x rust", "calls/s", "x rust"
    );
    let reference = clients.first().map(Client::figures);
    for client in clients {
        let figures = client.figures();
        let [p50, p90, p99, rate] = figures;
        let [base, .., base_rate] = reference.unwrap_or(figures);
        // One without a protocol has nothing in flight.
        let (rate, share) = match rate {
            0.0 => ("-".to_owned(), "-".to_owned()),
            rate => (format!("{rate:.0}"), format!("{:.2}", rate / base_rate)),
        };
        println!(
            "{:<12} {:>9.2} {:>9.2} {:>9.2} {:>8.2} {rate:>12} {share:>8}",
            client.name,
            p50 / 1000.0,
            p90 / 1000.0,
            p99 / 1000.0,
            p50 / base,
        );
    }
}

/// A binding of the service in `gen`, and the program beside it.
fn bind(tool: &Path, scratch: &Path, language: &str) -> Result<PathBuf> {
    let folder = scratch.join(language);
    std::fs::create_dir_all(&folder)?;
    if language == "go" {
        shell::write(&folder.join("go.mod"), "module bench\n\ngo 1.21\n")?;
    }
    let mut bind = shell::command(tool);
    bind.args([
        "bind", "--quiet", "--from", SNAPSHOT, "--lang", language, "--out",
    ])
    .arg(folder.join("gen"));
    shell::run(bind.env("CELL_HOME", scratch.join("home")))?;
    for entry in std::fs::read_dir(shell::root().join(SOURCES).join(language))? {
        let path = entry?.path();
        std::fs::copy(
            &path,
            folder.join(path.file_name().context("a file has a name")?),
        )?;
    }
    Ok(folder)
}

fn go(tool: &Path, scratch: &Path) -> Result<Vec<OsString>> {
    let folder = bind(tool, scratch, "go")?;
    shell::run(
        shell::command("go")
            .args(["build", "-o", "bench", "."])
            .current_dir(&folder),
    )?;
    Ok(vec![folder.join("bench").into_os_string()])
}

fn python(tool: &Path, scratch: &Path) -> Result<Vec<OsString>> {
    let folder = bind(tool, scratch, "python")?;
    shell::write(&folder.join("gen/__init__.py"), "")?;
    Ok(vec![
        tools::folder("python").join("bin/python").into_os_string(),
        folder.join("bench.py").into_os_string(),
    ])
}

fn typescript(tool: &Path, scratch: &Path) -> Result<Vec<OsString>> {
    let folder = bind(tool, scratch, "typescript")?;
    let modules = tools::folder("node").join("node_modules");
    shell::write(&folder.join("package.json"), "{ \"type\": \"module\" }")?;
    let mut tsc = shell::command(modules.join(".bin/tsc"));
    tsc.args([
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--types",
        "node",
        "--typeRoots",
    ]);
    tsc.arg(modules.join("@types"))
        .args(["--outDir", "out", "bench.ts"]);
    shell::run(tsc.current_dir(&folder))?;
    Ok(vec![
        "node".into(),
        folder.join("out/bench.js").into_os_string(),
    ])
}

/// The command on a core, where one is said.
fn pinned(program: impl AsRef<std::ffi::OsStr>, core: Option<usize>) -> Command {
    let mut command = shell::command(program);
    if let Some(core) = core {
        // SAFETY: the child only sets its own affinity, to a set on its stack.
        unsafe {
            command.pre_exec(move || {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(core, &mut set);
                match libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
    }
    command
}

/// The service; it ends with this value.
struct Service(Child);

impl Service {
    fn start(program: &mut Command, socket: &Path) -> Result<Service> {
        let child = program
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {program:?}"))?;
        let mut service = Service(child);
        while UnixStream::connect(socket).is_err() {
            if let Some(status) = service.0.try_wait()? {
                bail!("the service did not come up: {status}");
            }
            std::thread::yield_now();
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client's process, and what it measured: percentiles in nanoseconds and calls a second, one entry a round.
struct Client {
    name: &'static str,
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    rounds: Vec<[f64; 4]>,
}

impl Client {
    fn start(
        name: &'static str,
        words: &[OsString],
        folder: &Path,
        core: Option<usize>,
    ) -> Result<Client> {
        let mut child = pinned(&words[0], core)
            .args(&words[1..])
            .env("CELL_RUN", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the client of {name}"))?;
        let asks = child.stdin.take().context("the client has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the client has no output")?);
        Ok(Client {
            name,
            child,
            asks,
            answers,
            rounds: Vec::new(),
        })
    }

    fn round(&mut self, args: &Args, warming: bool) -> Result<()> {
        let lone = self.ask(&format!("lone {}", args.lone))?;
        let crowd = self.ask(&format!("crowd {}", args.crowd))?;
        let (&[p50, p90, p99], &[rate]) = (lone.as_slice(), crowd.as_slice()) else {
            bail!("the client of {} answers {lone:?} and {crowd:?}", self.name);
        };
        if !warming {
            self.rounds.push([p50, p90, p99, rate]);
        }
        Ok(())
    }

    fn ask(&mut self, part: &str) -> Result<Vec<f64>> {
        writeln!(self.asks, "{part}")
            .with_context(|| format!("the client of {} ended", self.name))?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let figures = line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<Vec<f64>, _>>();
        figures
            .with_context(|| format!("the client of {} answers `{}`", self.name, line.trim_end()))
    }

    /// The median of the rounds, figure by figure.
    fn figures(&self) -> [f64; 4] {
        std::array::from_fn(|figure| {
            let mut sorted: Vec<f64> = self.rounds.iter().map(|round| round[figure]).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
