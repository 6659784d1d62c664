//! Clients of other languages and the service on two hosts, which are network namespaces: the line between them is bad, is cut and
//! comes back, and the service restarts meanwhile.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cell_runtime::Vesicle;
use cell_runtime::remote::{Keys, QuicListener, RemoteLimits};
use cell_runtime::schema::route_id;
use cell_runtime::server::{self, CallContext, CallFuture, Reply, RouteId, ServerOptions, Service};

use tokio::net::UdpSocket;

use crate::matrix::{ENV_ADDRESS, snapshot};
use crate::remote::{Door, Mesh};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
const CUT: Duration = Duration::from_secs(5);
/// Calls that must succeed between two blows.
const CALLS: usize = 100;
/// Where a ledger is kept.
const ENV_LEDGER: &str = "CELL_MATRIX_LEDGER";

/// What a line of the ledger was written for: each start of `echo`, over all processes of the service.
struct Ledger {
    file: Mutex<std::fs::File>,
    fingerprint: u64,
    echo: [RouteId; 1],
}

impl Service for Ledger {
    fn name(&self) -> &str {
        "matrix"
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn routes(&self) -> &[RouteId] {
        &self.echo
    }

    fn call(&self, _route: RouteId, _context: CallContext, payload: Vesicle) -> CallFuture {
        let started: String = payload
            .as_slice()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // In one write: another process may keep the same ledger.
        let line = started + "\n";
        self.file
            .lock()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
        CallFuture::new(async move { Ok(Reply::Ok(payload)) })
    }
}

/// What the process is that answers `echo` and writes down that it does, until it is told to end.
pub(crate) async fn ledger() {
    let snapshot = snapshot();
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(std::env::var_os(ENV_LEDGER).unwrap())
        .unwrap();
    let service = Ledger {
        file: Mutex::new(file),
        fingerprint: snapshot.fingerprint.0,
        echo: [route_id(snapshot.route("echo").unwrap())],
    };
    let at: SocketAddr = std::env::var(ENV_ADDRESS).unwrap().parse().unwrap();
    let keys = Keys::from_env("matrix").unwrap();
    let (listener, closing) = QuicListener::bind(at, keys, RemoteLimits::DEFAULT, |_| ()).unwrap();
    eprintln!("`matrix` serves {at}");
    let mut ends =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let options = ServerOptions::default();
    server::run(listener, Arc::new(service), options, async move {
        ends.recv().await;
    })
    .await
    .unwrap();
    closing.finish(Duration::from_secs(2)).await;
}

/// Runs `ip` or `tc` in the network namespace of this thread.
fn run(command: &str) -> Result<(), String> {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .map_err(|error| format!("{command}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command}: {}", said.trim()))
}

/// The network namespace that this thread, and what it starts, has for itself from now on.
fn own_network() -> Result<String, String> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
        .map_err(|error| format!("no network namespace: {error}"))?;
    run("ip link set lo up")?;
    let thread = nix::unistd::gettid();
    Ok(format!("/proc/{}/task/{thread}/ns/net", std::process::id()))
}

/// A line from this namespace to the other.
fn link(other: &str) -> Result<(), String> {
    run("ip link add c0 type veth peer name s0")?;
    run(&format!("ip link set s0 netns {other}"))?;
    run(&format!("ip addr add {CLIENT}/24 dev c0"))?;
    run("ip link set c0 up")
}

/// An address of this host behind which packets to and from `server` are late, and one of fifty is lost.
fn bad_line(server: SocketAddr) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    // Its thread is in the namespace of the one that makes it.
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async move {
            let door = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            tell.send(door.local_addr().unwrap()).unwrap();
            forward(Arc::new(door), server).await;
        });
    });
    told.recv().unwrap()
}

async fn forward(door: Arc<UdpSocket>, server: SocketAddr) {
    let mut behind = BTreeMap::<SocketAddr, Arc<UdpSocket>>::new();
    let mut dice = 1u64;
    let mut late = move |socket: &Arc<UdpSocket>, bytes: Vec<u8>, to: SocketAddr| {
        // The same packets are lost in every run, as far as they come in the same order.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if (dice >> 33).is_multiple_of(50) {
            return;
        }
        let socket = Arc::clone(socket);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            // Whom nobody hears any more is one more loss.
            let _ = socket.send_to(&bytes, to).await;
        });
    };
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut buffer = vec![0; 65536];
    loop {
        tokio::select! {
            Ok((len, from)) = door.recv_from(&mut buffer) => {
                if let Entry::Vacant(entry) = behind.entry(from) {
                    let socket = Arc::new(UdpSocket::bind("0.0.0.0:0").await.unwrap());
                    entry.insert(Arc::clone(&socket));
                    let tell = tell.clone();
                    tokio::spawn(async move {
                        let mut buffer = vec![0; 65536];
                        while let Ok((len, _)) = socket.recv_from(&mut buffer).await {
                            if tell.send((buffer[..len].to_vec(), from)).is_err() {
                                return;
                            }
                        }
                    });
                }
                if let Some(socket) = behind.get(&from) {
                    late(socket, buffer[..len].to_vec(), server);
                }
            }
            Some((bytes, to)) = told.recv() => late(&door, bytes, to),
        }
    }
}

/// The two processes of the other host: one keeps the ledger, one streams.
fn serve(mesh: &Mesh, ledger: &Path, generation: u32) -> [Door; 2] {
    let open = |role, port| {
        let at = SocketAddr::from((SERVER, port));
        Door::open_with(mesh, role, at, generation, |command| {
            command.env(ENV_LEDGER, ledger);
        })
    };
    [open("ledger", 4433), open("matrix", 4434)]
}

/// What a client said of its calls, in lines of a kind and a text: `answered`, `failed` or `hung`, or `wrong`.
struct Seen {
    lines: Box<dyn Iterator<Item = std::io::Result<String>>>,
    calls: BTreeMap<String, Vec<String>>,
}

impl Seen {
    fn next(&mut self) -> bool {
        let Some(Ok(line)) = self.lines.next() else {
            return false;
        };
        let (kind, text) = line.split_once(' ').unwrap_or((&line, ""));
        self.calls
            .entry(kind.to_owned())
            .or_default()
            .push(text.to_owned());
        true
    }

    fn of(&self, kind: &str) -> &[String] {
        self.calls.get(kind).map_or(&[], Vec::as_slice)
    }

    /// Waits until so many more calls and some streams were answered, which they are as long as there is any line.
    fn more(&mut self) {
        let until = [
            ("answered", self.of("answered").len() + CALLS),
            ("streamed", self.of("streamed").len() + 5),
        ];
        while until
            .iter()
            .any(|(kind, count)| self.of(kind).len() < *count)
        {
            assert!(self.next(), "the client has ended: {:?}", self.calls);
        }
    }
}

/// Starts `client` on a host of its own with two addresses behind it, and strikes while it calls: it calls `echo` at the first one, each
/// time with another text, and streams `count` from the second one, until a line comes in. Says why where that cannot be tried here.
pub(crate) fn strike(mesh: &Mesh, client: &mut Command) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let (tell, told) = mpsc::channel::<Result<String, String>>();
    let (go, start) = mpsc::channel::<()>();
    let (again, restarts) = mpsc::channel::<mpsc::Sender<()>>();
    std::thread::scope(|scope| {
        let written = &ledger;
        scope.spawn(move || {
            tell.send(own_network()).unwrap();
            if start.recv().is_err() {
                return;
            }
            run(&format!("ip addr add {SERVER}/24 dev s0")).unwrap();
            run("ip link set s0 up").unwrap();
            let mut doors = serve(mesh, written, 1);
            for (restart, generation) in restarts.iter().zip(2..) {
                doors.into_iter().for_each(Door::drain);
                doors = serve(mesh, written, generation);
                restart.send(()).unwrap();
            }
        });
        // The client has a namespace of its own, too: this thread is the test's alone.
        let other = told.recv().unwrap()?;
        own_network()?;
        link(&other)?;
        let mut places = [4433, 4434].map(|port| SocketAddr::from((SERVER, port)));
        if let Err(why) = run("tc qdisc add dev c0 root netem delay 10ms loss 2%") {
            eprintln!("packets are late and lost in a process, not in the kernel: {why}");
            places = places.map(bad_line);
        }
        go.send(()).unwrap();
        let mut child = client
            .args(places.map(|place| format!("matrix@{place}")))
            .envs(mesh.env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let seen = blows(&mut child, again);
        let status = child.wait().unwrap();
        check(&seen, &ledger);
        assert!(status.success(), "{status}");
        Ok(())
    })
}

fn blows(child: &mut Child, again: mpsc::Sender<mpsc::Sender<()>>) -> Seen {
    let said = BufReader::new(child.stdout.take().unwrap());
    let mut seen = Seen {
        lines: Box::new(said.lines()),
        calls: BTreeMap::new(),
    };
    seen.more();
    run("ip link set c0 down").unwrap();
    std::thread::sleep(CUT);
    run("ip link set c0 up").unwrap();
    seen.more();
    let (restart, restarted) = mpsc::channel();
    again.send(restart).unwrap();
    restarted.recv().unwrap();
    seen.more();
    child.stdin.take().unwrap().write_all(b"stop\n").unwrap();
    while seen.next() {}
    seen
}

/// No call hangs, none was started twice, and what was answered was started.
fn check(seen: &Seen, ledger: &Path) {
    let mut started = BTreeMap::<String, usize>::new();
    for line in std::fs::read_to_string(ledger).unwrap().lines() {
        *started.entry(line.to_owned()).or_default() += 1;
    }
    let count = |kind| seen.of(kind).len();
    println!(
        "{} answered, {} failed, {} streams whole, {} cut short, {} hung; {} started, {} of them twice",
        count("answered"),
        count("failed"),
        count("streamed"),
        count("cut"),
        count("hung"),
        started.len(),
        started.values().filter(|times| **times > 1).count()
    );
    assert_eq!(seen.of("hung"), [""; 0]);
    assert_eq!(seen.of("wrong"), [""; 0]);
    assert!(started.values().all(|times| *times == 1));
    assert!(count("answered") <= started.len());
}
