//! When looking at the ring for a while is worth more than a bell.

/// What a look in vain costs, counted in looks that bring something: it lasts several times as long as waking somebody takes.
const MISS_COST: u32 = 6;

/// The most that can be saved up.
const CREDIT_MAX: u32 = 16;

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
        if self.pause == 0 {
            return true;
        }
        self.pause -= 1;
        false
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
        match self.credit.checked_sub(MISS_COST) {
            Some(rest) => self.credit = rest,
            None => {
                self.credit = 0;
                self.pause = 1 << self.pause_bits;
                self.pause_bits = (self.pause_bits + 1).min(self.pause_bits_max);
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
        for (mut spin, wasted_max) in [(Spin::of_task(), 100), (Spin::of_caller(), 700)] {
            assert_eq!(looks(&mut spin, 1000, |_| true), 1000);
            let wasted = looks(&mut spin, 10_000, |_| false);
            assert!(wasted < wasted_max, "{wasted} of 10,000");
            // A peer that is fast again is found again within a few hundred waits.
            let found = looks(&mut spin, 1000, |_| true);
            assert!(found > 850, "{found} of 1,000");
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
}
