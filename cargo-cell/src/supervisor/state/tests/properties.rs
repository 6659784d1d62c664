use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::workspace::restart::Policy;

pub(super) const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Something that the world does; processes are picked among those that run.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Apply {
        members: Vec<(usize, u64)>,
        all_or_none: bool,
    },
    Restart(usize),
    Retire(usize),
    Rest(usize),
    Unavailable(usize),
    Park(usize, u64),
    Caller(usize, bool),
    Spawned(usize),
    Ready(usize),
    Failed(usize),
    Drained(usize),
    Exits(usize, i32),
    Late(u64),
    Later(u64),
    Stop(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let cell = 0..NAMES.len();
    let pick = 0..8_usize;
    let members = prop::collection::vec((cell.clone(), 1..3_u64), 1..4);
    prop_oneof![
        6 => (members, any::<bool>()).prop_map(|(members, all_or_none)| Event::Apply { members, all_or_none }),
        2 => cell.clone().prop_map(Event::Restart),
        1 => cell.clone().prop_map(Event::Retire),
        1 => cell.clone().prop_map(Event::Rest),
        1 => cell.clone().prop_map(Event::Unavailable),
        1 => (cell.clone(), 0..3_u64).prop_map(|(n, fingerprint)| Event::Park(n, fingerprint)),
        2 => (cell, any::<bool>()).prop_map(|(n, built)| Event::Caller(n, built)),
        6 => pick.clone().prop_map(Event::Spawned),
        8 => pick.clone().prop_map(Event::Ready),
        2 => pick.clone().prop_map(Event::Failed),
        4 => pick.clone().prop_map(Event::Drained),
        8 => (pick, 0..2).prop_map(|(pick, code)| Event::Exits(pick, code)),
        1 => (1..9_u64).prop_map(Event::Late),
        6 => (0..7000_u64).prop_map(Event::Later),
        1 => prop_oneof![9 => Just(false), 1 => Just(true)].prop_map(Event::Stop),
    ]
}

/// The world: processes that do what they are told, sooner or later.
pub(super) struct World {
    pub(super) play: Play,
    /// All that happened, so that it can happen again.
    pub(super) history: Vec<(Input, Instant)>,
    /// Who runs, and whether it was killed.
    pub(super) running: BTreeMap<(String, Generation), bool>,
    seen: BTreeSet<Generation>,
    pub(super) asked: BTreeSet<SwapId>,
    /// Cells whose callers wait for somebody to say what they run.
    called: BTreeSet<String>,
    stopping: bool,
    pub(super) stopped: u32,
    stops: u32,
}

impl World {
    fn step(&mut self, input: Input) {
        self.history.push((input.clone(), self.play.now));
        let actions = self.play.state.step(input, self.play.now);
        for action in actions {
            match action {
                Action::Spawn { generation, spec } => {
                    assert!(!self.stopping, "a start after the stop");
                    assert!(
                        self.seen.insert(generation),
                        "generation {generation} twice"
                    );
                    if !spec.overlap {
                        let beside: Vec<_> = self
                            .running
                            .keys()
                            .filter(|(name, _)| *name == spec.name)
                            .collect();
                        assert!(beside.is_empty(), "{} beside {beside:?}", spec.name);
                    }
                    self.running.insert((spec.name.clone(), generation), false);
                }
                Action::Kill { cell, generation } => {
                    if let Some(killed) = self.running.get_mut(&(cell, generation)) {
                        *killed = true;
                    }
                }
                Action::Finished { swap, .. } => {
                    assert!(self.asked.remove(&swap), "set {swap} ended twice")
                }
                Action::AllStopped => {
                    assert!(self.running.is_empty());
                    self.stopped += 1;
                }
                Action::Emit(SupervisorEvent::Called { cell }) => {
                    assert!(!self.stopping, "`{cell}` is called after the stop");
                    self.called.insert(cell);
                }
                Action::Emit(SupervisorEvent::Restarting { cell, .. }) => {
                    assert!(!self.stopping, "`{cell}` is to start after the stop");
                    let cell = &self.play.state.cells[&cell];
                    let restart = &cell.spec.as_ref().expect("it ran").restart;
                    assert_ne!(restart.policy, Policy::Never, "{}", cell.name);
                    assert!(cell.failures < restart.max, "{}", cell.name);
                }
                Action::Drain { .. } | Action::Terminate { .. } | Action::Emit(_) => {}
            }
        }
        self.check();
    }

    /// What holds after every step.
    fn check(&self) {
        for cell in self.play.state.cells.values() {
            let ids: BTreeSet<_> = cell.generations.keys().copied().collect();
            let running: BTreeSet<_> = self
                .running
                .keys()
                .filter(|(name, _)| *name == cell.name)
                .map(|(_, id)| *id)
                .collect();
            assert_eq!(ids, running, "{}", cell.name);
            for id in cell.live.iter().chain(&cell.next) {
                assert!(ids.contains(id));
            }
            assert!(
                cell.rest != cell::Rest::Called || self.called.contains(&cell.name),
                "nobody knows that {} was called",
                cell.name
            );
            let ready = cell
                .generations
                .iter()
                .filter(|(_, p)| matches!(p.phase, cell::Phase::Ready { .. }));
            for (id, _) in ready {
                assert!(
                    cell.live == Some(*id) || cell.next == Some(*id),
                    "{} serves unknown to all",
                    id
                );
            }
        }
        let doors = self.play.state.doors();
        for cell in self.play.state.cells.values() {
            for process in cell.generations.values() {
                if matches!(
                    process.phase,
                    cell::Phase::Starting { .. } | cell::Phase::Ready { .. }
                ) {
                    let key = (cell.name.clone(), process.spec.fingerprint);
                    assert!(doors.doors.contains_key(&key), "no socket for {key:?}");
                }
            }
            // Who has nobody that serves and nobody that starts lets no caller hang, unless a set or a restart is under way.
            if !self.stopping
                && cell.live.is_none()
                && cell.next.is_none()
                && !cell.gone
                && !self.play.state.in_a_set(&cell.name)
                && cell.rest.until().is_none()
                && cell.rest != cell::Rest::Called
                // One that waits for its callers to go serves them.
                && !cell.generations.values().any(|p| p.phase == cell::Phase::Waiting)
            {
                let current = doors.current[&cell.name];
                assert_ne!(
                    doors.doors[&(cell.name.clone(), current)],
                    Door::Held,
                    "callers of {} hang",
                    cell.name
                );
            }
        }
        for (cell, fingerprint) in &doors.current {
            assert!(
                doors.doors.contains_key(&(cell.clone(), *fingerprint)),
                "{cell} leads nowhere"
            );
        }
    }

    fn pick(&self, n: usize) -> Option<(String, Generation)> {
        (!self.running.is_empty()).then(|| {
            self.running
                .keys()
                .nth(n % self.running.len())
                .expect("not empty")
                .clone()
        })
    }

    fn says(&mut self, n: usize, said: Said) {
        if let Some((cell, generation)) = self.pick(n) {
            if matches!(said, Said::Exited(..)) {
                self.running.remove(&(cell.clone(), generation));
            }
            self.step(Input::Process {
                cell,
                generation,
                said,
            });
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        let cell = |n: &usize| NAMES[*n].to_owned();
        let sandbox = || InForce {
            kind: "none".to_owned(),
            weaker: None,
        };
        match event {
            Event::Apply {
                members,
                all_or_none,
            } => {
                let specs: BTreeMap<&str, CellSpec> = members
                    .iter()
                    .map(|(n, fingerprint)| {
                        let (name, next) = (NAMES[*n], NAMES[(n + 1) % NAMES.len()]);
                        // All call the next one, in a circle; `c` may not overlap and `d` serves nothing. `b` is started
                        // whenever it ends, `d` never.
                        let mut spec = spec(name, *fingerprint, &[next]);
                        spec.overlap = name != "c";
                        spec.serves = name != "d";
                        spec.restart.policy = match name {
                            "b" => Policy::Always,
                            "d" => Policy::Never,
                            _ => Policy::OnFailure,
                        };
                        (name, spec)
                    })
                    .collect();
                self.play.swap += 1;
                self.asked.insert(self.play.swap);
                let specs = specs.into_values().map(Arc::new).collect();
                self.step(Input::Apply {
                    swap: self.play.swap,
                    specs,
                    all_or_none: *all_or_none,
                });
            }
            Event::Restart(n) => {
                self.play.swap += 1;
                self.asked.insert(self.play.swap);
                self.step(Input::Restart {
                    swap: self.play.swap,
                    cell: cell(n),
                });
            }
            Event::Retire(n) => self.step(Input::Retire { cell: cell(n) }),
            Event::Rest(n) => self.step(Input::Rest { cell: cell(n) }),
            Event::Unavailable(n) => self.step(Input::Unavailable {
                cell: cell(n),
                reason: "no build".to_owned(),
            }),
            Event::Park(n, fingerprint) => {
                // One of fingerprint 0 has no build.
                let spec = (*fingerprint > 0).then(|| Arc::new(spec(NAMES[*n], *fingerprint, &[])));
                self.step(Input::Park {
                    cell: cell(n),
                    spec,
                    fingerprint: *fingerprint,
                });
            }
            Event::Caller(n, built) => self.step(Input::Caller {
                cell: cell(n),
                built: *built,
            }),
            Event::Spawned(n) => self.says(
                *n,
                Said::Spawned {
                    pid: 1,
                    sandbox: sandbox(),
                },
            ),
            Event::Ready(n) => {
                // What a cell says must not count for more than what its binary holds.
                self.says(*n, Said::Runs);
                self.says(*n, Said::Ready)
            }
            Event::Failed(n) => self.says(*n, Said::Failed("no".to_owned())),
            Event::Drained(n) => self.says(*n, Said::Drained),
            Event::Exits(n, code) => self.says(*n, Said::Exited(Exit::Code(*code), Vec::new())),
            // Words of a process that is long gone.
            Event::Late(generation) => {
                for name in NAMES {
                    if !self.running.contains_key(&(name.to_owned(), *generation)) {
                        self.step(Input::Process {
                            cell: name.to_owned(),
                            generation: *generation,
                            said: Said::Ready,
                        });
                        let exited = Said::Exited(Exit::Lost, Vec::new());
                        self.step(Input::Process {
                            cell: name.to_owned(),
                            generation: *generation,
                            said: exited,
                        });
                    }
                }
            }
            Event::Later(ms) => {
                self.play.now += Duration::from_millis(*ms);
                self.step(Input::Tick);
            }
            Event::Stop(hasty) => {
                self.stopping = true;
                self.stops += 1;
                self.step(Input::Stop { hasty: *hasty });
            }
        }
    }

    /// Time passes, whoever was killed is gone, nobody else does anything: everything must come to rest.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            let killed = self
                .running
                .iter()
                .find(|(_, killed)| **killed)
                .map(|(key, _)| key.clone());
            if let Some((cell, generation)) = killed {
                self.running.remove(&(cell.clone(), generation));
                let said = Said::Exited(Exit::Signal(9), Vec::new());
                self.step(Input::Process {
                    cell,
                    generation,
                    said,
                });
            } else if let Some(due) = self.play.state.due() {
                self.play.now = self.play.now.max(due);
                self.step(Input::Tick);
            } else {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.play.state);
    }
}

pub(super) fn world() -> World {
    World {
        play: Play::new(),
        history: Vec::new(),
        running: BTreeMap::new(),
        seen: BTreeSet::new(),
        asked: BTreeSet::new(),
        called: BTreeSet::new(),
        stopping: false,
        stopped: 0,
        stops: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_keeps_its_promises(events in prop::collection::vec(event(), 0..80)) {
        let mut world = world();
        for event in &events {
            world.happen(event);
        }
        world.settle();
        // Every set has been answered.
        prop_assert!(world.asked.is_empty(), "no answer to {:?}", world.asked);
        world.happen(&Event::Stop(false));
        world.settle();
        prop_assert!(world.running.is_empty());
        prop_assert!(world.stopped >= 1);
        prop_assert!(world.play.state.doors().doors.is_empty());
    }
}
