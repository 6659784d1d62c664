//! Two hosts with a bad line between them: it loses packets, is cut and comes back, and the server restarts.
#![expect(
    clippy::disallowed_methods,
    reason = "a test makes network namespaces, and a deadline is a time"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::super::*;
use super::mesh::{ECHO, Mesh};
use crate::client::{CallOptions, Client, Target};
use crate::server::{self, CallContext, CallFuture, Reply, RouteId, ServerOptions, Service};
use crate::{Error, Vesicle};

const DEADLINE: Duration = Duration::from_secs(3);
/// A call that takes this much longer than its deadline hangs.
const HANGS: Duration = Duration::from_secs(20);
const CUT: Duration = Duration::from_secs(5);
const CALLERS: usize = 8;
/// Calls that must succeed between two blows.
const CALLS: usize = 150;

/// Counts how often each call was started, over all generations.
#[derive(Default)]
struct Ledger(Mutex<BTreeMap<Vec<u8>, usize>>);

struct Counting(Arc<Ledger>);

impl Service for Counting {
    fn name(&self) -> &str {
        "echo"
    }

    fn fingerprint(&self) -> u64 {
        7
    }

    fn routes(&self) -> &[RouteId] {
        &[ECHO]
    }

    fn call(&self, _route: RouteId, _context: CallContext, payload: Vesicle) -> CallFuture {
        let mut ledger = self.0.0.lock().unwrap();
        *ledger.entry(payload.as_slice().to_vec()).or_default() += 1;
        CallFuture::new(async move { Ok(Reply::Ok(payload)) })
    }
}

/// Serves until it is told to stop, and says that it does.
async fn serve(at: SocketAddr, keys: Keys, ledger: Arc<Ledger>, stopped: oneshot::Receiver<()>) {
    let (listener, closing) = loop {
        // The address is free once the former server has forgotten those that did not hear its goodbye.
        match QuicListener::bind(at, keys.clone(), RemoteLimits::DEFAULT, |_| ()) {
            Ok(open) => break open,
            Err(error) if error.to_string().contains("in use") => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    let shutdown = async { drop(stopped.await) };
    let options = ServerOptions::default();
    server::run(listener, Arc::new(Counting(ledger)), options, shutdown)
        .await
        .unwrap();
    closing.finish(Duration::from_secs(2)).await;
}

/// What the callers saw.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    failed: AtomicUsize,
    hung: AtomicUsize,
    done: AtomicBool,
}

impl Seen {
    /// Waits until so many more calls were answered, which they are as long as there is any line.
    async fn more(&self, calls: usize) {
        let wanted = self.answered.load(Ordering::SeqCst) + calls;
        let reached = async {
            while self.answered.load(Ordering::SeqCst) < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // Instead of a test that never ends.
        let ends = tokio::time::timeout(Duration::from_secs(120), reached);
        ends.await.expect("calls go on");
    }
}

/// Calls without a pause, each time something else, until `seen` is done.
fn callers(client: &Client, seen: &Arc<Seen>) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS as u64 {
        let (client, seen) = (client.clone(), Arc::clone(seen));
        callers.spawn(async move {
            for number in 0u64.. {
                if seen.done.load(Ordering::SeqCst) {
                    return;
                }
                let payload = [caller.to_le_bytes(), number.to_le_bytes()].concat();
                let options = CallOptions {
                    deadline: Some(Instant::now() + DEADLINE),
                    trace: None,
                };
                let call = client.call(ECHO, Vesicle::wrap(&payload), options);
                let count = match tokio::time::timeout(DEADLINE + HANGS, call).await {
                    Ok(Ok(reply)) => {
                        assert_eq!(reply, Reply::Ok(Vesicle::wrap(&payload)));
                        &seen.answered
                    }
                    Ok(Err(Error::DeadlineExceeded { .. } | Error::Unavailable { .. })) => {
                        &seen.failed
                    }
                    Ok(Err(other)) => panic!("{other}"),
                    Err(_) => &seen.hung,
                };
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    callers
}

/// Strikes while calls go on: the line is cut and comes back, and the server restarts.
async fn strike(
    client: Client,
    ledger: &Ledger,
    mut cut: impl FnMut(bool),
    restart: impl AsyncFnOnce(),
) {
    let seen = Arc::<Seen>::default();
    let callers = callers(&client, &seen);
    seen.more(CALLS).await;
    cut(true);
    tokio::time::sleep(CUT).await;
    cut(false);
    seen.more(CALLS).await;
    restart().await;
    seen.more(CALLS).await;
    seen.done.store(true, Ordering::SeqCst);
    callers.join_all().await;
    let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    let ledger = ledger.0.lock().unwrap();
    println!(
        "{} answered, {} failed, {} hung; {} started, {} twice",
        count(&seen.answered),
        count(&seen.failed),
        count(&seen.hung),
        ledger.len(),
        ledger.values().filter(|times| **times > 1).count()
    );
    assert_eq!(count(&seen.hung), 0);
    assert!(ledger.values().all(|times| *times == 1));
}

/// What a line does to packets.
struct Line {
    cut: AtomicBool,
    delay: Duration,
    /// One packet of so many is lost.
    loss: u64,
}

/// Passes packets on between whoever writes to `door` and `server`, late and not all of them.
async fn forward(door: Arc<UdpSocket>, server: SocketAddr, line: Arc<Line>) {
    let mut behind: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut dice = 1u64;
    let mut lost = {
        let line = Arc::clone(&line);
        move || {
            // The same packets are lost in every run, as far as they come in the same order.
            dice = dice.wrapping_mul(6364136223846793005).wrapping_add(1);
            line.cut.load(Ordering::SeqCst) || (dice >> 33).is_multiple_of(line.loss)
        }
    };
    let late = |socket: Arc<UdpSocket>, bytes: Vec<u8>, to: SocketAddr| {
        let delay = line.delay;
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            // Whom nobody hears any more is one more loss.
            let _ = socket.send_to(&bytes, to).await;
        });
    };
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut buffer = vec![0; 65536];
    loop {
        tokio::select! {
            Ok((len, from)) = door.recv_from(&mut buffer) => {
                let socket = match behind.get(&from) {
                    Some(socket) => Arc::clone(socket),
                    None => {
                        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                        behind.insert(from, Arc::clone(&socket));
                        let (back, tell) = (Arc::clone(&socket), tell.clone());
                        tokio::spawn(async move {
                            let mut buffer = vec![0; 65536];
                            while let Ok((len, _)) = back.recv_from(&mut buffer).await {
                                if tell.send((buffer[..len].to_vec(), from)).is_err() {
                                    return;
                                }
                            }
                        });
                        socket
                    }
                };
                if !lost() {
                    late(socket, buffer[..len].to_vec(), server);
                }
            }
            Some((bytes, to)) = told.recv() => if !lost() {
                late(Arc::clone(&door), bytes, to);
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_line_a_cut_and_a_restart_start_no_call_twice_and_hang_none() {
    let mesh = Mesh::new();
    let keys = mesh.issue("echo", false);
    let ledger = Arc::<Ledger>::default();
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (stop, stopped) = oneshot::channel();
    let first = tokio::spawn(serve(address, keys.clone(), Arc::clone(&ledger), stopped));
    let line = Arc::new(Line {
        cut: AtomicBool::new(false),
        delay: Duration::from_millis(10),
        loss: 50,
    });
    let door = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let target = RemoteAddress::parse(&door.local_addr().unwrap().to_string()).unwrap();
    tokio::spawn(forward(door, address, Arc::clone(&line)));
    let client = Client::new(Target::remote(
        target,
        mesh.issue("caller", false),
        "echo",
        7,
    ));
    let (end, ended) = oneshot::channel();
    let restart = async || {
        stop.send(()).unwrap();
        first.await.unwrap();
        tokio::spawn(serve(address, keys, Arc::clone(&ledger), ended));
    };
    strike(
        client,
        &ledger,
        |cut| line.cut.store(cut, Ordering::SeqCst),
        restart,
    )
    .await;
    drop(end);
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

/// The network namespace that this thread has for itself from now on.
fn own_network() -> Result<String, String> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
        .map_err(|error| format!("no network namespace: {error}"))?;
    run("ip link set lo up")?;
    let thread = nix::unistd::gettid();
    Ok(format!("/proc/{}/task/{thread}/ns/net", std::process::id()))
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// A line from this namespace to the other; delay and loss where the kernel has netem.
fn link(other: &str) -> Result<(), String> {
    run("ip link add c0 type veth peer name s0")?;
    run(&format!("ip link set s0 netns {other}"))?;
    run(&format!("ip addr add {CLIENT}/24 dev c0"))?;
    run("ip link set c0 up")
}

fn runtime() -> tokio::runtime::Runtime {
    // Its threads are in the namespace of the one that makes it.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn between_two_network_namespaces_a_cut_and_a_restart_start_no_call_twice_and_hang_none() {
    let mesh = Mesh::new();
    let keys = mesh.issue("echo", false);
    let caller = mesh.issue("caller", false);
    let ledger = Arc::<Ledger>::default();
    let (tell, told) = mpsc::channel::<Result<String, String>>();
    let (go, start) = mpsc::channel::<()>();
    let (again, restarts) = tokio::sync::mpsc::unbounded_channel::<oneshot::Sender<()>>();
    let counted = Arc::clone(&ledger);
    let server = std::thread::spawn(move || {
        tell.send(own_network()).unwrap();
        if start.recv().is_err() {
            return;
        }
        run(&format!("ip addr add {SERVER}/24 dev s0")).unwrap();
        run("ip link set s0 up").unwrap();
        runtime().block_on(serve_again(keys, counted, restarts));
    });
    // The caller has a namespace of its own, too: this thread is the test's alone.
    let other = told.recv().unwrap();
    let here = other.and_then(|other| own_network().and_then(|_| link(&other)));
    if let Err(why) = here {
        eprintln!("skipped: two network namespaces cannot be had here: {why}");
        drop(go);
        server.join().unwrap();
        return;
    }
    let netem = run("tc qdisc add dev c0 root netem delay 10ms loss 2%");
    if let Err(why) = netem {
        eprintln!("without delay and loss, which the kernel does not offer: {why}");
    }
    go.send(()).unwrap();
    runtime().block_on(async {
        let address = RemoteAddress::parse(&format!("{SERVER}:4433")).unwrap();
        let client = Client::new(Target::remote(address, caller, "echo", 7));
        let cut = |cut| {
            let state = if cut { "down" } else { "up" };
            run(&format!("ip link set c0 {state}")).unwrap();
        };
        let restart = async || {
            let (done, restarted) = oneshot::channel();
            again.send(done).unwrap();
            restarted.await.unwrap();
        };
        strike(client, &ledger, cut, restart).await;
    });
    drop(again);
    server.join().unwrap();
}

/// Serves, and starts anew each time that it is asked to.
async fn serve_again(
    keys: Keys,
    ledger: Arc<Ledger>,
    mut restarts: tokio::sync::mpsc::UnboundedReceiver<oneshot::Sender<()>>,
) {
    let at = (SERVER, 4433).into();
    loop {
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(at, keys.clone(), Arc::clone(&ledger), stopped));
        let asked = restarts.recv().await;
        stop.send(()).unwrap();
        serving.await.unwrap();
        match asked {
            // Whoever asked need not wait for the new one: calls do.
            Some(done) => done.send(()).unwrap(),
            None => return,
        }
    }
}
