//! A 64-byte call over one Unix socket: Cell beside raw tokio, tarpc and tonic, in one run.
//!
//! Each server is this program started again as a process of its own. Both sides use a current-thread runtime and are
//! pinned: first to one core together, then to two. Rounds are interleaved, so a change of the machine's mood meets all.

mod cell_rpc;
mod client;
mod measure;
mod pin;
mod raw;
mod tarpc_rpc;
mod tonic_rpc;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use measure::{Samples, Settings};

/// The message: 64 bytes.
pub type Payload = [u64; 8];

/// The calls of one library over one connection.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Sends a payload and returns what comes back.
    fn call(&self, payload: Payload) -> impl Future<Output = Result<Payload>> + Send;
}

const KINDS: [&str; 4] = ["raw tokio", "cell", "tarpc 0.38", "tonic 0.14"];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [_, "serve", kind, socket, cpu] => serve(kind, Path::new(socket), cpu.parse()?),
        [_, "client"] => client::run(),
        [_, "plain", socket] => runtime()?.block_on(raw::serve(Path::new(socket))),
        [_, rest @ ..] => compare(&Settings::parse(rest)?),
        [] => bail!("no arguments at all"),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

fn serve(kind: &str, socket: &Path, cpu: usize) -> Result<()> {
    pin::to_core(cpu)?;
    // The parent's end of the pipe is this process's lifeline.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    runtime()?.block_on(async {
        match kind {
            "raw tokio" => raw::serve(socket).await,
            "tarpc 0.38" => tarpc_rpc::serve(socket).await,
            "tonic 0.14" => tonic_rpc::serve(socket).await,
            other => bail!("no server for `{other}`"),
        }
    })
}

/// Says that the socket is bound.
pub fn say_ready() {
    println!("ready");
}

struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    fn start(kind: &str, folder: &Path, cpu: usize) -> Result<Self> {
        let socket = folder.join(format!("{}-{cpu}.sock", kind.replace([' ', '.'], "-")));
        if kind == "cell" {
            let child = cell_rpc::start(folder, cpu)?;
            return Ok(Server { child, socket });
        }
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", kind])
            .arg(&socket)
            .arg(cpu.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        if line.trim() != "ready" {
            bail!("the server of `{kind}` did not come up");
        }
        Ok(Server { child, socket })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn compare(settings: &Settings) -> Result<()> {
    println!("{}", pin::machine());
    println!(
        "{} rounds, interleaved; each: {} lone calls, then {} calls at 64 in flight on one connection; 64-byte messages\n",
        settings.rounds, settings.lone, settings.crowd
    );
    let folder = std::env::temp_dir().join(format!("bench-call-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let cores = pin::cores()?;
    let pairs = [
        ("one core", cores[0], cores[0]),
        ("two cores", cores[0], cores[cores.len() - 1]),
    ];
    for (title, client, server) in pairs {
        if title == "two cores" && client == server {
            println!("two cores: this machine gives one only");
            continue;
        }
        pin::to_core(client)?;
        let samples = rounds(settings, &folder, server)?;
        measure::print(title, &samples);
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn rounds(settings: &Settings, folder: &Path, cpu: usize) -> Result<Vec<(&'static str, Samples)>> {
    let servers: Vec<Server> = KINDS
        .iter()
        .map(|kind| Server::start(kind, folder, cpu))
        .collect::<Result<_>>()?;
    runtime()?.block_on(async {
        let raw = raw::connect(&servers[0].socket).await?;
        let cell = cell_rpc::connect(folder).await?;
        let tarpc = tarpc_rpc::connect(&servers[2].socket).await?;
        let tonic = tonic_rpc::connect(&servers[3].socket).await?;
        let mut samples: Vec<Samples> = KINDS.iter().map(|_| Samples::default()).collect();
        for round in 0..=settings.rounds {
            // The first round warms up and does not count.
            let mut spare: Vec<Samples> = KINDS.iter().map(|_| Samples::default()).collect();
            let into = if round == 0 { &mut spare } else { &mut samples };
            measure::lone(&raw, settings, &mut into[0]).await?;
            measure::both(&cell, settings, &mut into[1]).await?;
            measure::both(&tarpc, settings, &mut into[2]).await?;
            measure::both(&tonic, settings, &mut into[3]).await?;
        }
        Ok(KINDS.into_iter().zip(samples).collect())
    })
}
