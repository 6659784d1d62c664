//! A million steps of random histories, the same in every run; each history happens twice and must end alike.

use super::properties::{Event, NAMES, World, world};
use super::*;

/// How many steps the test takes; `CELL_STATE_STEPS` asks for more.
const STEPS: u64 = 1_000_000;
/// Events of a history.
const EVENTS_MAX: u64 = 120;

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn cell(&mut self) -> usize {
        self.below(NAMES.len() as u64) as usize
    }

    fn event(&mut self) -> Event {
        let pick = self.below(8) as usize;
        match self.below(56) {
            0..6 => Event::Apply {
                members: (0..=self.below(3))
                    .map(|_| (self.cell(), 1 + self.below(2)))
                    .collect(),
                all_or_none: self.below(2) == 0,
            },
            6..8 => Event::Restart(self.cell()),
            8 => Event::Retire(self.cell()),
            9 => Event::Unavailable(self.cell()),
            10..12 => Event::Caller(self.cell(), self.below(4) > 0),
            53 => Event::Rest(self.cell()),
            54..56 => Event::Park(self.cell(), self.below(3)),
            12..18 => Event::Spawned(pick),
            18..26 => Event::Ready(pick),
            26..28 => Event::Failed(pick),
            28..32 => Event::Drained(pick),
            32..40 => Event::Exits(pick, self.below(2) as i32),
            40 => Event::Late(1 + self.below(8)),
            // Rarely, or most of a history would come after the stop.
            41 if self.below(8) == 0 => Event::Stop(self.below(10) == 0),
            _ => Event::Later(self.below(7000)),
        }
    }
}

fn history(dice: &mut Dice) -> World {
    let mut world = world();
    for _ in 0..dice.below(EVENTS_MAX) {
        let event = dice.event();
        world.happen(&event);
    }
    world.settle();
    assert!(world.asked.is_empty(), "no answer to {:?}", world.asked);
    world.happen(&Event::Stop(false));
    world.settle();
    assert!(world.running.is_empty());
    assert!(world.stopped >= 1);
    assert!(world.play.state.doors().doors.is_empty());
    world
}

#[test]
fn a_million_random_steps_keep_every_promise_and_replay_to_the_same_state() {
    let steps =
        std::env::var("CELL_STATE_STEPS").map_or(STEPS, |text| text.parse().expect("a number"));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut taken = 0;
    while taken < steps {
        let world = history(&mut dice);
        taken += world.history.len() as u64;
        let mut again = State::default();
        for (input, now) in world.history {
            // What it does is compared by where it ends.
            let _ = again.step(input, now);
        }
        assert_eq!(again, world.play.state);
    }
}
