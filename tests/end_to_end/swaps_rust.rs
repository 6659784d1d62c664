//! The Rust clients of the swaps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cell_runtime::Vesicle;
use cell_runtime::client::{CallOptions, Client, Target};
use cell_runtime::schema::{Route, Snapshot, dynamic};
use cell_runtime::wire::Reply;
use serde_json::json;

use crate::support::Workspace;
use crate::swaps::{Caller, Report};

/// A connection of its own to the cell.
struct Connection {
    snapshot: Snapshot,
    route: Route,
    client: Client,
}

impl Connection {
    fn new(workspace: &Workspace) -> Self {
        let snapshot = Snapshot::from_json(&workspace.read("schema/button_service.json")).unwrap();
        let work = snapshot.routes.iter().find(|route| route.name == "work");
        let route = work.unwrap().clone();
        let socket = workspace.run_dir().join("button_service.sock");
        let target = Target::at(
            socket.to_str().unwrap(),
            "button_service",
            snapshot.fingerprint.0,
        );
        Connection {
            client: Client::new(target.unwrap()),
            snapshot,
            route,
        }
    }

    async fn work(&self, caller: u32, number: u64, ms: u32) -> Result<(), String> {
        let request = json!([caller, number, ms]);
        let payload = dynamic::encode(&self.snapshot, &self.route.req, &request).unwrap();
        let (route, payload) = (self.route.fingerprint.0, Vesicle::wrap(payload));
        match self
            .client
            .call(route, payload, CallOptions::default())
            .await
        {
            Ok(Reply::Ok(answer)) => {
                let answer = dynamic::decode(&self.snapshot, &self.route.res, &answer).unwrap();
                match answer == json!(number) {
                    true => Ok(()),
                    false => Err(format!("{number}: {answer}")),
                }
            }
            other => Err(format!("{number}: {other:?}")),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Calls 250 times a second on a thread of its own.
pub(crate) struct Rust {
    told: Sender<String>,
    thread: JoinHandle<Report>,
}

impl Rust {
    pub(crate) fn start(workspace: &Workspace, caller: u32) -> Self {
        let connection = Connection::new(workspace);
        let (told, tells) = channel();
        let thread =
            std::thread::spawn(move || runtime().block_on(calls(connection, caller, tells)));
        Rust { told, thread }
    }
}

impl Caller for Rust {
    fn tell(&mut self, what: &str) {
        self.told.send(what.to_owned()).unwrap();
    }

    fn report(self: Box<Self>) -> Report {
        self.thread.join().unwrap()
    }
}

async fn calls(connection: Connection, caller: u32, tells: Receiver<String>) -> Report {
    let connection = std::sync::Arc::new(connection);
    let mut running = tokio::task::JoinSet::new();
    let mut marks = Vec::new();
    let mut begun = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(4));
    loop {
        if let Ok(what) = tells.try_recv() {
            marks.push(begun);
            if what == "stop" {
                break;
            }
        }
        tick.tick().await;
        let (connection, number) = (connection.clone(), begun);
        running.spawn(async move {
            let start = Instant::now();
            let went = connection.work(caller, number as u64, 0).await;
            (number, went.map(|()| start.elapsed().as_micros() as i64))
        });
        begun += 1;
    }
    let (mut latencies_us, mut wrong) = (vec![-1; begun], Vec::new());
    for (number, went) in running.join_all().await {
        match went {
            Ok(took) => latencies_us[number] = took,
            Err(why) => wrong.push(why),
        }
    }
    Report {
        marks,
        latencies_us,
        wrong,
    }
}

/// How calls went that take longer than an old generation may.
pub(crate) struct Long {
    pub(crate) ended: usize,
    pub(crate) cut: usize,
}

/// Three calls at a time, each so long, until told to stop. What the drain limit cuts ends as draining, and as nothing else.
pub(crate) fn long_calls(workspace: &Workspace, caller: u32, ms: u32, stop: &AtomicBool) -> Long {
    let connection = Connection::new(workspace);
    let mut long = Long { ended: 0, cut: 0 };
    runtime().block_on(async {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let went = tokio::join!(
                connection.work(caller, number, ms),
                connection.work(caller, number + 1, ms),
                connection.work(caller, number + 2, ms),
            );
            number += 3;
            for went in [went.0, went.1, went.2] {
                match went {
                    Ok(()) => long.ended += 1,
                    Err(why) if why.contains("code: Draining") => long.cut += 1,
                    Err(why) => panic!("a long call: {why}"),
                }
            }
        }
    });
    long
}
