//! A connection under load that stays on its socket asks it a few times more before its task sleeps.

use std::future::Future;
use std::pin::pin;
use std::task::Context;

use super::spin::Spin;

/// So often the runtime looks at its sockets before the task sleeps: together about what a peer on another core takes to wake it, so
/// that looking in vain costs no more than twice what sleeping at once would have.
const TURNS: u32 = 100;

/// A task whose peer works for it on another core: to be woken takes longer than what it waits for. Where the peer has the same core, or
/// takes its time, looking is in vain and dies out.
pub(crate) struct Patience {
    spin: Spin,
    /// Turns that are left of a look.
    left: u32,
    /// It has looked since something came last.
    spent: bool,
}

impl Patience {
    pub(crate) fn new() -> Patience {
        Patience {
            spin: Spin::of_yields(),
            left: 0,
            spent: false,
        }
    }

    /// Something came.
    pub(crate) fn came(&mut self) {
        self.spent = false;
        if std::mem::take(&mut self.left) > 0 {
            self.spin.hit();
        }
    }

    /// Nothing has come. Where it is worth while to look again the task is woken after the others that are ready, and the sockets.
    pub(crate) fn wait(&mut self, cx: &mut Context<'_>) {
        if self.is_over() {
            return;
        }
        let _ = pin!(tokio::task::yield_now()).poll(cx);
    }

    /// Whether to sleep now.
    fn is_over(&mut self) -> bool {
        if self.spent {
            return true;
        }
        if self.left == 0 {
            self.spent = !self.spin.wants();
            self.left = if self.spent { 0 } else { TURNS };
            return self.spent;
        }
        self.left -= 1;
        if self.left == 0 {
            self.spin.miss();
            self.spent = true;
        }
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns until it sleeps, or until something comes after so many.
    fn turns(patience: &mut Patience, comes_after: u32) -> u32 {
        let turns = (0..comes_after).take_while(|_| !patience.is_over()).count();
        patience.came();
        turns as u32
    }

    #[test]
    fn it_looks_as_long_as_that_brings_something() {
        let mut patience = Patience::new();
        for _ in 0..1000 {
            assert_eq!(turns(&mut patience, 20), 20);
        }
        let vain: u32 = (0..10_000).map(|_| turns(&mut patience, u32::MAX)).sum();
        assert!(vain < 100 * TURNS, "{vain}");
        // It is found again when the peer is fast again.
        let found: u32 = (0..10_000).map(|_| turns(&mut patience, 20)).sum();
        assert!(found > 150_000, "{found}");
    }

    #[test]
    fn a_look_ends_and_none_follows_before_something_came() {
        let mut patience = Patience::new();
        assert_eq!(turns(&mut patience, 10 * TURNS), TURNS);
        assert!((0..TURNS).all(|_| !patience.is_over()));
        assert!((0..1000).all(|_| patience.is_over()));
    }
}
