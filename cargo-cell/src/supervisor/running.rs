//! One generation as a process: started, heard, drained, ended.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cell_runtime::control::{self, FromCell, ToCell};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::cgroup;
use super::lease::{self, Lease};
use super::logs::Log;
use super::outbox::Outbox;
use super::process::{Keeper, Lifeline, Watch, Word};
use super::procfs;
use super::session::LEASES;
use super::spare::Standing;
use super::starting::{Started, Surroundings, start, vacate};
use super::state::{Generation, Input, Said};
use super::task::{Inputs, probed};
use super::types::{CellSpec, Exit, InForce, ShaderSaid, Stream};

/// Lines of a cell that are shown when it fails.
const LAST_LINES: usize = 20;
/// How long the pipes of a generation that has ended are read when somebody still holds them open.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// What to start.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) generation: Generation,
    pub(super) spec: Arc<CellSpec>,
    pub(super) calls_dir: PathBuf,
    pub(super) listener: io::Result<OwnedFd>,
    pub(super) log: Log,
    /// A sandbox that may stand ready for it.
    pub(super) spare: Option<Standing>,
}

/// What the owner wants of a generation.
#[derive(Debug)]
enum Wish {
    Drain(Duration),
    Terminate,
    Kill,
    Measure,
    Shader(String, Arc<str>),
}

/// A generation that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Running {
    wishes: mpsc::UnboundedSender<Wish>,
}

impl Running {
    pub(super) fn start(order: Order, around: Arc<Surroundings>, inputs: Inputs) -> Running {
        let (wishes, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (cell, generation) = (order.spec.name.clone(), order.generation);
            let tell = move |said| {
                // The owner may be gone.
                let _ = inputs.send(Input::Process {
                    cell: cell.clone(),
                    generation,
                    said,
                });
            };
            if let Err(cause) = live(order, &around, received, &tell).await {
                tell(Said::Failed(cause));
                tell(Said::Exited(Exit::Lost, Vec::new()));
            }
        });
        Running { wishes }
    }

    pub(super) fn drain(&self, limit: Duration) {
        self.wish(Wish::Drain(limit));
    }

    pub(super) fn terminate(&self) {
        self.wish(Wish::Terminate);
    }

    pub(super) fn kill(&self) {
        self.wish(Wish::Kill);
    }

    pub(super) fn measure(&self) {
        self.wish(Wish::Measure);
    }

    pub(super) fn shader(&self, about: String, line: Arc<str>) {
        self.wish(Wish::Shader(about, line));
    }

    fn wish(&self, wish: Wish) {
        // A process that has ended has no wishes to fulfil.
        let _ = self.wishes.send(wish);
    }
}

/// The whole life of one process; an error is the reason why there was none.
async fn live(
    mut order: Order,
    around: &Surroundings,
    mut wishes: mpsc::UnboundedReceiver<Wish>,
    tell: &impl Fn(Said),
) -> Result<(), String> {
    let (spec, generation, log) = (order.spec.clone(), order.generation, order.log.clone());
    let probe = probed(around, spec.sandbox).await;
    let name = format!("{}.{generation}", spec.name);
    let spare = order.spare.take();
    let (standing, unfit) = match spare {
        Some(spare) => spare.occupy(&order, around).await,
        None => (None, None),
    };
    let started = match standing {
        Some(started) => started,
        None => start(order, around, &probe, None).await?,
    };
    let Started {
        keeper,
        control,
        in_force,
        group,
        place,
        stage,
        lease: old_lease,
        ..
    } = started;
    let Keeper {
        stdout,
        stderr,
        pid,
        mut watch,
        lifeline,
    } = keeper;
    let what = format!("{} (generation {generation})", spec.name);
    let lease = Lease::of(pid, &what)
        .and_then(|lease| lease::write(&around.run_dir.join(LEASES), &name, &lease).ok());
    if let Some(old) = old_lease {
        lease::remove(&old);
    }
    let readers = [(stdout, Stream::Stdout), (stderr, Stream::Stderr)]
        .into_iter()
        .filter_map(|(pipe, stream)| {
            Some(tokio::spawn(log.clone().drain(generation, stream, pipe?)))
        })
        .collect::<Vec<_>>();
    let (from_cell, to_cell) = control.into_split();
    let mut outbox = Outbox::default();
    let mut ear = Ear {
        from: BufReader::new(from_cell),
        line: Vec::new(),
        closed: false,
    };
    let mut words_left = true;
    let mut spawned = false;
    let mut early_ready = Vec::new();
    let mut owned = true;
    let exit = loop {
        tokio::select! {
            biased;
            news = news(&mut watch, words_left) => match news {
                News::Word(Some(Word::Spawned(inner))) => {
                    spawned = true;
                    let sandbox = in_force.clone();
                    tell(Said::Spawned { pid: host_pid(pid, inner, &in_force), sandbox });
                    early_ready.drain(..).for_each(tell);
                }
                News::Word(Some(Word::Failed(why))) => {
                    tell(Said::Failed(format!("cannot be started: {why}")));
                }
                News::Word(None) => words_left = false,
                News::Ended(exit) => break exit,
            },
            said = hear(&mut ear), if !ear.closed => match said {
                // Its pid is told first.
                Some(said) if spawned => tell(said),
                Some(said) => early_ready.push(said),
                None => ear.closed = true,
            },
            wish = wishes.recv(), if owned => match wish {
                Some(wish) => fulfil(wish, &lifeline, &mut outbox),
                None => {
                    owned = false;
                    lifeline.kill();
                }
            },
            sent = send(&to_cell, outbox.front()), if !outbox.is_empty() => match sent {
                Ok(bytes) => outbox.sent(bytes),
                // A cell that does not listen is ended when its time is up.
                Err(_) => outbox.clear(),
            },
        }
    };
    // First, because whoever is left in it also holds the pipes: to wait for their end would be to wait for ever.
    if let Some(group) = group {
        // Usually the guardian has done that; one that was killed has not.
        let _ = tokio::task::spawn_blocking(move || cgroup::end(&group)).await;
    }
    // What they wrote last is still in the pipes. Without groups somebody whose guardian was killed may hold them open.
    let limit = tokio::time::Instant::now() + LAST_WORDS_MAX;
    for mut reader in readers {
        // A reader that panicked has nothing more to read.
        if tokio::time::timeout_at(limit, &mut reader).await.is_err() {
            reader.abort();
        }
    }
    vacate(place.as_ref(), stage.as_deref());
    // One that stood ready and did not fit goes by itself; who waits for our end waits for its end too.
    if let Some(unfit) = unfit {
        let _ = unfit.await;
    }
    if let Some(lease) = lease {
        lease::remove(&lease);
    }
    let lines = log.last(Some(generation), LAST_LINES);
    tell(Said::Exited(
        exit,
        lines.into_iter().map(|(_, line)| line).collect(),
    ));
    Ok(())
}

/// Sends what fits: waiting for more room must not keep anybody from anything else.
async fn send(to_cell: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
    loop {
        to_cell.writable().await?;
        match to_cell.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

fn fulfil(wish: Wish, lifeline: &Lifeline, outbox: &mut Outbox) {
    match wish {
        Wish::Drain(limit) => {
            let limit_ms = limit.as_millis() as u64;
            outbox.push(control::encode(&ToCell::Drain { limit_ms }));
        }
        Wish::Measure => outbox.push(control::encode(&ToCell::Measure)),
        Wish::Shader(about, line) => outbox.replace(about, line),
        Wish::Terminate => lifeline.terminate(),
        Wish::Kill => lifeline.kill(),
    }
}

enum News {
    Word(Option<Word>),
    Ended(Exit),
}

/// What the keeper says, and once it has no more to say, how it ended.
async fn news(watch: &mut Watch, words_left: bool) -> News {
    match words_left {
        true => News::Word(watch.word().await),
        false => News::Ended(watch.ended().await),
    }
}

/// Listens to a cell. What has been read of a line stays here when the waiting is interrupted.
struct Ear {
    from: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
    closed: bool,
}

/// The next thing that the cell says and that matters; nothing at its end.
async fn hear(ear: &mut Ear) -> Option<Said> {
    loop {
        let room = control::LINE_BYTES_MAX.saturating_sub(ear.line.len());
        let mut from = (&mut ear.from).take(room as u64);
        from.read_until(b'\n', &mut ear.line).await.ok()?;
        let line = std::mem::take(&mut ear.line);
        if line.last() != Some(&b'\n') {
            return None;
        }
        match control::decode::<FromCell>(&String::from_utf8_lossy(&line)) {
            Ok(FromCell::Ready { .. }) => return Some(Said::Ready),
            Ok(FromCell::Running { .. }) => return Some(Said::Runs),
            Ok(FromCell::Drained) => return Some(Said::Drained),
            Ok(FromCell::Failed { message }) => return Some(Said::Failed(message)),
            Ok(FromCell::Measured { calls, p99_us }) => {
                return Some(Said::Measured { calls, p99_us });
            }
            Ok(FromCell::ShaderHeld { package, path }) => {
                return Some(Said::Shader(package, path, ShaderSaid::Held));
            }
            Ok(FromCell::ShaderApplied {
                package,
                path,
                version,
            }) => return Some(Said::Shader(package, path, ShaderSaid::Applied(version))),
            Ok(FromCell::ShaderRefused {
                package,
                path,
                version,
                why,
            }) => {
                return Some(Said::Shader(
                    package,
                    path,
                    ShaderSaid::Refused(version, why),
                ));
            }
            Ok(FromCell::Unknown) => {}
            Err(_) => return None,
        }
    }
}

/// The cell's own pid outside. A shim knows only the one inside.
fn host_pid(outer: i32, inner: i32, in_force: &InForce) -> u32 {
    let found = match in_force.kind.as_str() {
        "none" => inner,
        _ => procfs::inside(outer, inner).unwrap_or(outer),
    };
    u32::try_from(found).unwrap_or(0)
}
