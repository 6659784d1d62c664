//! What a call, a stream and a large message cost: Cell beside the floor under it and beside other libraries, in one run.
//!
//! Each server is a process of its own. Both sides use a current-thread runtime and are pinned: first to one core together,
//! then to two. Rounds are interleaved, so a change of the machine's mood meets all.

mod calls;
mod capnp_rpc;
mod cell_rpc;
mod client;
mod cost;
#[allow(unused_qualifications, clippy::all)]
#[path = "../schema/echo_capnp.rs"]
mod echo_capnp;
mod flow;
mod frames;
mod iceoryx;
mod measure;
mod payload;
mod pin;
mod quic;
mod raw;
mod remoc_rpc;
mod server;
mod spin;
mod tarpc_rpc;
mod tonic_rpc;
mod ttrpc_rpc;

use std::path::Path;

use anyhow::{Result, bail};

use measure::Settings;
pub use payload::Payload;
pub use server::say_ready;

#[global_allocator]
static COUNTING: cost::Counting = cost::Counting;

/// The calls of one library over one connection.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Sends a payload and returns what comes back.
    fn call(&self, payload: Payload) -> impl Future<Output = Result<Payload>> + Send;
}

/// The same for a library whose futures stay on their thread.
pub trait LocalCaller {
    /// Sends a payload and returns what comes back.
    fn call(&self, payload: Payload) -> impl Future<Output = Result<Payload>>;
}

impl<C: Caller> LocalCaller for C {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        Caller::call(self, payload).await
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [_, "serve", kind, place, cpu] => serve(kind, Path::new(place), cpu.parse()?),
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

fn serve(kind: &str, place: &Path, cpu: usize) -> Result<()> {
    server::end_with_parent()?;
    pin::to_core(cpu)?;
    match kind {
        calls::SPIN => return spin::serve(place),
        calls::ICEORYX => return iceoryx::serve(&place.to_string_lossy()),
        _ => {}
    }
    runtime()?.block_on(async {
        match kind.split(' ').next().unwrap_or_default() {
            _ if kind == quic::RAW => quic::serve(place).await,
            _ if kind == flow::SINK => flow::sink(place).await,
            "raw" => raw::serve(place).await,
            "tarpc" => tarpc_rpc::serve(place).await,
            "tonic" => tonic_rpc::serve(place).await,
            "capnp-rpc" => capnp_rpc::serve(place).await,
            "remoc" => remoc_rpc::serve(place).await,
            "ttrpc" => ttrpc_rpc::serve(place).await,
            other => bail!("no server for `{other}`"),
        }
    })
}

fn compare(settings: &Settings) -> Result<()> {
    println!("{}", pin::machine());
    let folder = std::env::temp_dir().join(format!("bench-call-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = parts(settings, &folder);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

/// A measurement.
type Part = fn(&Settings, &Path) -> Result<()>;

const PARTS: [(&str, Part); 7] = [
    ("calls", calls::run),
    ("idle", calls::idle),
    ("cost", cost::run),
    ("quic", quic::run),
    ("streams", flow::streams),
    ("bulk", flow::bulk),
    ("frames", frames::run),
];

fn parts(settings: &Settings, folder: &Path) -> Result<()> {
    for (name, run) in PARTS {
        if settings.measures(name) {
            run(settings, folder)?;
        }
    }
    Ok(())
}
