//! The owner task: one loop that feeds [`State`] and carries out what it decides.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the I/O edge of the supervisor"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::cgroup;
use super::confinement::Confinement;
use super::fork::{Launch, launch};
use super::handle::Control;
use super::keeper::LIFELINE;
use super::listeners::{Key, Listeners};
use super::logs::Log;
use super::porter::Porter;
use super::running::{Order, Running};
use super::sandbox::{Probe, SandboxMode, probe};
use super::session::{self, Lock};
use super::spare::{SPARES_MAX, Standing};
use super::starting::Surroundings;
use super::state::{Action, Door, Generation, Input, Said, State, SwapId};
use super::types::{Outcome, SupervisorConfig, SupervisorEvent};
use crate::error::{Context, Result};

/// What helper tasks send to the owner.
pub(super) type Inputs = mpsc::UnboundedSender<Input>;

/// Takes the run folder and starts the owner task.
pub(super) fn start(
    config: SupervisorConfig,
    events: mpsc::UnboundedSender<SupervisorEvent>,
    inbox: mpsc::UnboundedReceiver<Control>,
) -> Result<()> {
    let lock = session::lock(&config.run_dir)?;
    session::clear(&config.run_dir);
    let keeper = session::keep_keeper(&config.keeper, &config.run_dir)?;
    let guardian = guard(&config, &keeper, &lock)?;
    let (inputs, received) = mpsc::unbounded_channel();
    let owner = Owner {
        state: State::default(),
        listeners: Listeners::new(config.run_dir.clone()),
        porters: BTreeMap::new(),
        running: BTreeMap::new(),
        logs: BTreeMap::new(),
        replies: BTreeMap::new(),
        stops: Vec::new(),
        rests: Vec::new(),
        spares: BTreeMap::new(),
        dismissed: Vec::new(),
        last_spare: 0,
        last_swap: 0,
        surroundings: Arc::new(Surroundings {
            run_dir: config.run_dir.clone(),
            home: config.home.clone(),
            keeper,
            probes: Default::default(),
            group: cgroup::Session::open(&config.run_dir),
        }),
        config,
        events,
        inputs,
        guardian,
        lock,
    };
    tokio::spawn(owner.run(inbox, received));
    Ok(())
}

/// How long to wait before a guardian that cannot be started is tried again.
const GUARD_AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// Waits until the other end is gone; it never says anything.
async fn end_of(guardian: &Guardian) {
    loop {
        if guardian.readable().await.is_err() {
            return;
        }
        match guardian.try_read(&mut [0]) {
            Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

/// The tool's end of the session guardian's lifeline: its disappearance starts the clearing up.
type Guardian = tokio::net::UnixStream;

/// Starts the session's guardian: before the first socket is bound there must be somebody to unlink it.
fn guard(config: &SupervisorConfig, keeper: &std::path::Path, lock: &Lock) -> Result<Guardian> {
    let trouble = || "cannot start the session's guardian".to_owned();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().environment(trouble)?;
    let null = std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .environment(trouble)?;
    let order = Launch {
        argv: vec![
            keeper.into(),
            "__guardian".into(),
            "--session".into(),
            config.run_dir.clone().into(),
        ],
        env: std::env::vars_os().collect(),
        cwd: Some("/".into()),
        fds: vec![
            (null.try_clone().environment(trouble)?.into(), 1),
            (null.into(), 2),
            (theirs.into(), LIFELINE),
            (lock.share().environment(trouble)?, LIFELINE + 1),
        ],
        dies_with_us: false,
        confinement: Confinement::default(),
    };
    let (reply, answer) = std::sync::mpsc::channel();
    launch(
        order,
        Box::new(move |result| {
            // The receiver waits below.
            let _ = reply.send(result);
        }),
    );
    answer.recv().environment(trouble)?.environment(trouble)?;
    ours.set_nonblocking(true).environment(trouble)?;
    Guardian::from_std(ours).environment(trouble)
}

struct Owner {
    config: SupervisorConfig,
    surroundings: Arc<Surroundings>,
    state: State,
    listeners: Listeners,
    porters: BTreeMap<Key, Porter>,
    running: BTreeMap<(String, Generation), Running>,
    logs: BTreeMap<String, Log>,
    replies: BTreeMap<SwapId, oneshot::Sender<Outcome>>,
    stops: Vec<oneshot::Sender<()>>,
    rests: Vec<(String, oneshot::Sender<()>)>,
    /// Sandboxes that stand ready, by cell.
    spares: BTreeMap<String, Standing>,
    /// Those that nobody wants any more and that may not be gone yet.
    dismissed: Vec<JoinHandle<()>>,
    last_spare: u64,
    last_swap: SwapId,
    events: mpsc::UnboundedSender<SupervisorEvent>,
    inputs: Inputs,
    guardian: Guardian,
    lock: Lock,
}

impl Owner {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Control>,
        mut received: mpsc::UnboundedReceiver<Input>,
    ) {
        let mut abandoned = false;
        loop {
            let due = self.state.due();
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                control = inbox.recv(), if !abandoned => match control {
                    Some(control) => {
                        if matches!(control, Control::StopAll(..)) {
                            self.end_spares().await;
                        }
                        self.control(control);
                    }
                    None => {
                        abandoned = true;
                        self.end_spares().await;
                        self.step(Input::Stop { hasty: false });
                    }
                },
                Some(input) = received.recv() => self.step(input),
                () = timer => self.step(Input::Tick),
                () = end_of(&self.guardian) => self.guard_again().await,
            }
            // Nobody can ask for anything any more, and nothing runs.
            if abandoned && self.running.is_empty() {
                return;
            }
        }
    }

    /// The session's guardian was killed: nobody would clear up after us.
    async fn guard_again(&mut self) {
        match guard(&self.config, &self.surroundings.keeper, &self.lock) {
            Ok(guardian) => self.guardian = guardian,
            Err(error) => {
                let message = format!("{error}; a tool that is killed now leaves its sockets");
                self.emit(SupervisorEvent::Warning { message });
                // Whatever is in its way may pass.
                tokio::time::sleep(GUARD_AGAIN).await;
            }
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Apply(specs, all_or_none, reply) => {
                let specs = specs.into_iter().map(Arc::new).collect();
                let swap = self.expect(reply);
                self.step(Input::Apply {
                    swap,
                    specs,
                    all_or_none,
                });
            }
            Control::Restart(cell, reply) => {
                let swap = self.expect(reply);
                self.step(Input::Restart { swap, cell });
            }
            Control::Park(cell, spec, fingerprint) => self.step(Input::Park {
                cell,
                spec: spec.map(|spec| Arc::new(*spec)),
                fingerprint,
            }),
            Control::Rest(cell, reply) => {
                self.rests.push((cell.clone(), reply));
                self.step(Input::Rest { cell });
            }
            Control::Retire(cell) => self.step(Input::Retire { cell }),
            Control::Prepare(cells) => self.prepare(&cells),
            Control::StopAll(hasty, reply) => {
                self.stops.push(reply);
                self.step(Input::Stop { hasty });
            }
            Control::Status(reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(self.state.status(Instant::now()));
            }
            Control::Measure => self.running.values().for_each(Running::measure),
            Control::Shader(cell, generation, about, line) => {
                if let Some(running) = self.running.get(&(cell, generation)) {
                    running.shader(about, line);
                }
            }
            Control::SetUnavailable(cell, reason) => self.step(Input::Unavailable { cell, reason }),
            Control::Logs(cell, count, reply) => {
                let lines = self
                    .logs
                    .get(&cell)
                    .map_or_else(Vec::new, |log| log.last(None, count));
                let _ = reply.send(lines);
            }
        }
    }

    fn expect(&mut self, reply: oneshot::Sender<Outcome>) -> SwapId {
        self.last_swap += 1;
        self.replies.insert(self.last_swap, reply);
        self.last_swap
    }

    fn step(&mut self, mut input: Input) {
        if let Input::Caller { cell, built } = &mut input {
            *built = self.state.binary(cell).is_some_and(|path| path.exists());
        }
        if let Input::Process {
            cell,
            generation,
            said: Said::Exited(..),
        } = &input
        {
            self.running.remove(&(cell.clone(), *generation));
        }
        let actions = self.state.step(input, Instant::now());
        // Sockets first: whoever is started now may call others at once.
        self.arrange_doors();
        for action in actions {
            self.act(action);
        }
        let (ending, rested) = std::mem::take(&mut self.rests)
            .into_iter()
            .partition::<Vec<_>, _>(|(cell, _)| self.state.is_ending(cell));
        self.rests = ending;
        for (_, reply) in rested {
            // Whoever asked may be gone.
            let _ = reply.send(());
        }
    }

    fn act(&mut self, action: Action) {
        let running = |cell: String, generation| self.running.get(&(cell, generation));
        match action {
            Action::Spawn { generation, spec } => self.spawn(generation, spec),
            Action::Drain {
                cell,
                generation,
                limit,
            } => {
                if let Some(running) = running(cell, generation) {
                    running.drain(limit);
                }
            }
            Action::Terminate { cell, generation } => {
                if let Some(running) = running(cell, generation) {
                    running.terminate();
                }
            }
            Action::Kill { cell, generation } => {
                if let Some(running) = running(cell, generation) {
                    running.kill();
                }
            }
            Action::Emit(event) => self.emit(event),
            Action::Finished { swap, outcome } => {
                if let Some(reply) = self.replies.remove(&swap) {
                    // Whoever asked may be gone.
                    let _ = reply.send(outcome);
                }
            }
            Action::AllStopped => {
                session::clear(&self.config.run_dir);
                for reply in self.stops.drain(..) {
                    let _ = reply.send(());
                }
            }
        }
    }

    fn spawn(&mut self, generation: Generation, spec: Arc<super::CellSpec>) {
        let name = spec.name.clone();
        let log = self
            .logs
            .entry(name.clone())
            .or_insert_with(|| Log::new(&name, &self.config.log_dir, self.events.clone()))
            .clone();
        let spare = self.spares.remove(&name);
        let order = self.order(generation, spec, log, spare);
        let running = Running::start(order, self.surroundings.clone(), self.inputs.clone());
        self.running.insert((name, generation), running);
    }

    fn order(
        &self,
        generation: Generation,
        spec: Arc<super::CellSpec>,
        log: Log,
        spare: Option<Standing>,
    ) -> Order {
        Order {
            generation,
            calls_dir: self.listeners.folder_of(&spec.name),
            listener: self.listeners.share(&(spec.name.clone(), spec.fingerprint)),
            spec,
            log,
            spare,
        }
    }

    /// These cells, and no others, have a sandbox that stands ready.
    fn prepare(&mut self, cells: &[String]) {
        let unwanted = std::mem::take(&mut self.spares).into_iter();
        let (kept, unwanted): (BTreeMap<_, _>, BTreeMap<_, _>) =
            unwanted.partition(|(name, _)| cells.contains(name));
        self.spares = kept;
        self.dismissed.retain(|gone| !gone.is_finished());
        self.dismissed
            .extend(unwanted.into_values().map(Standing::dismiss));
        for name in cells.iter().take(SPARES_MAX) {
            // Only what serves now is known well enough to make the same again.
            let Some(spec) = self.state.serves(name) else {
                continue;
            };
            if let Some(log) = self
                .logs
                .get(name)
                .filter(|_| !self.spares.contains_key(name))
            {
                self.last_spare += 1;
                let order = self.order(0, spec, log.clone(), None);
                let spare = Standing::start(order, self.last_spare, self.surroundings.clone());
                self.spares.insert(name.clone(), spare);
            }
        }
    }

    /// Nothing stands ready any more, and nothing is left of what did.
    async fn end_spares(&mut self) {
        self.prepare(&[]);
        for gone in self.dismissed.drain(..) {
            // One that panicked has dropped what it held.
            let _ = gone.await;
        }
    }

    /// Makes the sockets what the state says they must be.
    fn arrange_doors(&mut self) {
        let wanted = self.state.doors();
        for key in self.listeners.keys() {
            if !wanted.doors.contains_key(&key) {
                self.porters.remove(&key);
                self.listeners.close(&key);
            }
        }
        let mut trouble = Vec::new();
        for (key, door) in &wanted.doors {
            if let Err(cause) = self.listeners.bind(key) {
                trouble.push(format!("cannot bind the socket of `{}`: {cause}", key.0));
                continue;
            }
            let stays = self
                .porters
                .get_mut(key)
                .is_some_and(|porter| porter.turn(door));
            if stays {
                continue;
            }
            self.porters.remove(key);
            if *door == Door::Held {
                continue;
            }
            match self
                .listeners
                .share(key)
                .and_then(|fd| Porter::start(key, fd, door, &self.inputs))
            {
                Ok(porter) => {
                    self.porters.insert(key.clone(), porter);
                }
                Err(cause) => trouble.push(format!("cannot answer for `{}`: {cause}", key.0)),
            }
        }
        if let Err(cause) = self.listeners.link(wanted.current, wanted.visible) {
            trouble.push(format!(
                "cannot link the sockets in the run folder: {cause}"
            ));
        }
        for message in trouble {
            self.emit(SupervisorEvent::Warning { message });
        }
    }

    fn emit(&self, event: SupervisorEvent) {
        // Nobody may be listening any more.
        let _ = self.events.send(event);
    }
}

/// What this machine can do for a mode, found out by the first cell that is started so.
pub(super) async fn probed(around: &Surroundings, mode: SandboxMode) -> Probe {
    let [bwrap, podman] = &around.probes;
    if mode == SandboxMode::Podman {
        let look = || probe::podman(&around.keeper, Some(&around.run_dir));
        return podman.get_or_init(look).await.clone();
    }
    let look = || probe::bwrap(&around.keeper);
    bwrap.get_or_init(look).await.clone()
}
