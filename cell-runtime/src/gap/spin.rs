//! When looking at the ring for a while is worth more than a bell.

/// What a look in vain costs, counted in looks that bring something: it lasts several times as long as waking somebody takes.
const MISS_COST: u32 = 6;

/// The most that can be saved up.
const CREDIT_MAX: u32 = 16;

/// Looks that are hardly ever worth while: at most 1,024 waits go by without one.
const RARE_BITS: u32 = 10;

/// How a caller looks in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Again and again: for a cell on another core.
    Spin,
    /// After others have had the core: for a cell on the same one. A switch to it and back costs less than going to sleep and being
    /// woken.
    Yield,
}

/// What a caller has learned.
#[derive(Debug)]
pub(crate) struct CallerLooks {
    spin: Spin,
    yields: Spin,
    /// Calls that begin alone and are to be followed by others, for all that is known.
    crowd: u32,
    calls: u32,
}

/// So many calls in a row begin alone before a caller is believed to be the only one.
const CROWD: u32 = 32;

/// Of so many lone calls one does not yield in place: other callers of this process that wait for the core are seen then.
const PROBE: u32 = 16;

impl CallerLooks {
    pub(crate) fn new() -> CallerLooks {
        CallerLooks {
            spin: Spin::of_caller(),
            yields: Spin::of_yields(),
            crowd: 0,
            calls: 0,
        }
    }

    /// Another call began while some were in flight: who leaves the core to other processes keeps those of this one waiting.
    pub(crate) fn has_company(&mut self) {
        self.crowd = CROWD;
    }

    /// Whether and how to look for the answer of a call that begins, alone or as one of few.
    pub(crate) fn wants(&mut self, is_alone: bool) -> Option<Look> {
        if !is_alone {
            self.has_company();
        }
        if self.spin.wants() {
            return Some(Look::Spin);
        }
        if self.crowd > 0 {
            self.crowd -= u32::from(is_alone);
            return None;
        }
        self.calls = self.calls.wrapping_add(1);
        let yields = !self.calls.is_multiple_of(PROBE) && self.yields.wants();
        yields.then_some(Look::Yield)
    }

    /// What came of a look: whether the answer came, and soon.
    pub(crate) fn learn(&mut self, look: Look, hit: bool) {
        match (look, hit) {
            (Look::Spin, true) => self.spin.hit(),
            // Where yielding serves it, spinning is tried as rarely as yielding would be.
            (Look::Spin, false) if self.yields.credit == CREDIT_MAX => {
                self.spin.miss_of(RARE_BITS);
            }
            (Look::Spin, false) => self.spin.miss(),
            (Look::Yield, true) => self.yields.hit(),
            (Look::Yield, false) => self.yields.miss(),
        }
    }
}

/// Learns from what earlier looks brought. Two processes on one core never meet while one of them looks, and a handler that
/// takes its time is not worth burning a core for: there looking dies out, but for a try now and then.
#[derive(Debug)]
pub(crate) struct Spin {
    credit: u32,
    pause: u32,
    pause_bits: u32,
    pause_bits_max: u32,
}

impl Spin {
    /// For a caller, whose looks are short: at most 16 waits go by without one.
    pub(crate) fn of_caller() -> Spin {
        Spin::new(4)
    }

    /// For a connection's task, whose looks are long: at most 128.
    pub(crate) fn of_task() -> Spin {
        Spin::new(7)
    }

    /// For a task that leaves its core to others between two looks. Where somebody else wants the core too that takes as long as his
    /// turn: at most 1,024.
    pub(crate) fn of_yields() -> Spin {
        Spin::new(RARE_BITS)
    }

    fn new(pause_bits_max: u32) -> Spin {
        Spin {
            credit: CREDIT_MAX,
            pause: 0,
            pause_bits: 0,
            pause_bits_max,
        }
    }

    /// Whether to look before this wait.
    pub(crate) fn wants(&mut self) -> bool {
        let wants = self.is_wanted();
        self.pause = self.pause.saturating_sub(1);
        wants
    }

    /// Whether the next wait is looked before.
    pub(crate) fn is_wanted(&self) -> bool {
        self.pause == 0
    }

    /// The bytes came while looking.
    pub(crate) fn hit(&mut self) {
        self.credit = (self.credit + 1).min(CREDIT_MAX);
        if self.credit == CREDIT_MAX {
            self.pause_bits = 0;
        }
    }

    /// They did not.
    pub(crate) fn miss(&mut self) {
        self.miss_of(self.pause_bits_max);
    }

    fn miss_of(&mut self, pause_bits_max: u32) {
        match self.credit.checked_sub(MISS_COST) {
            Some(rest) => self.credit = rest,
            None => {
                self.credit = 0;
                self.pause = 1 << self.pause_bits;
                self.pause_bits = (self.pause_bits + 1).min(pause_bits_max);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many waits look, where `hits` says which looks bring something.
    fn looks(spin: &mut Spin, waits: usize, mut hits: impl FnMut(usize) -> bool) -> usize {
        let mut looks = 0;
        for _ in 0..waits {
            if spin.wants() {
                if hits(looks) {
                    spin.hit()
                } else {
                    spin.miss()
                }
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn looking_dies_out_where_it_brings_too_little_and_comes_back() {
        for (mut spin, wasted_max, found_min) in [
            (Spin::of_yields(), 30, 7_000),
            (Spin::of_task(), 100, 9_800),
            (Spin::of_caller(), 700, 9_900),
        ] {
            assert_eq!(looks(&mut spin, 1000, |_| true), 1000);
            let wasted = looks(&mut spin, 10_000, |_| false);
            assert!(wasted < wasted_max, "{wasted} of 10,000");
            // A peer that is fast again is found again soon.
            let found = looks(&mut spin, 10_000, |_| true);
            assert!(found > found_min, "{found} of 10,000");
            // Every other time is too rare.
            let wasted = looks(&mut spin, 10_000, |look| look % 2 == 0);
            assert!(wasted < 2 * wasted_max, "{wasted} of 10,000");
        }
    }

    #[test]
    fn a_miss_now_and_then_changes_nothing() {
        let mut spin = Spin::of_task();
        assert_eq!(looks(&mut spin, 1000, |look| look % 8 != 0), 1000);
    }

    /// Calls of one caller and its looks, where only yielding serves it.
    fn lone(looks: &mut CallerLooks, calls: usize) -> (usize, usize) {
        let (mut spins, mut yields) = (0, 0);
        for _ in 0..calls {
            let look = looks.wants(true);
            if let Some(look) = look {
                looks.learn(look, look == Look::Yield);
            }
            spins += usize::from(look == Some(Look::Spin));
            yields += usize::from(look == Some(Look::Yield));
        }
        (spins, yields)
    }

    #[test]
    fn a_caller_on_its_cells_core_yields() {
        let mut looks = CallerLooks::new();
        let (spins, yields) = lone(&mut looks, 10_000);
        assert!(spins < 40, "{spins}");
        assert!(yields > 9_000, "{yields}");
    }

    #[test]
    fn many_callers_do_not_yield_one_by_one() {
        let mut looks = CallerLooks::new();
        lone(&mut looks, 1000);
        // Until a call is not looked for in place each of them seems to be alone.
        let before = (0..).take_while(|_| looks.wants(true).is_some()).count();
        assert!(before < 20, "{before}");
        for _ in 0..100 {
            looks.has_company();
            let look = looks.wants(true);
            assert_ne!(look, Some(Look::Yield));
        }
        // The others have ended.
        assert!(lone(&mut looks, 1000).1 > 800);
    }
}
