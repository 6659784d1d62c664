//! How long to wait before a cell that ended is started again.

use std::time::Duration;

use crate::workspace::restart::{Policy, Restart};

/// The wait after this many ends in a row; nothing when it is to stay down.
pub(super) fn delay(ends: u32, restart: &Restart) -> Option<Duration> {
    if restart.policy == Policy::Never || ends >= restart.max {
        return None;
    }
    let doublings = ends.saturating_sub(1).min(20);
    let wait = restart.first.saturating_mul(2_u32.pow(doublings));
    Some(wait.min(restart.longest.max(restart.first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(restart: &Restart, ends: u32) -> Vec<Option<u128>> {
        let wait = |n| delay(n, restart).map(|wait| wait.as_millis());
        (1..=ends).map(wait).collect()
    }

    #[test]
    fn it_doubles_up_to_a_limit_and_ends() {
        let expected = [
            Some(100),
            Some(200),
            Some(400),
            Some(800),
            Some(1600),
            None,
            None,
        ];
        assert_eq!(waits(&Restart::default(), 7), expected);
        let patient = Restart {
            max: u32::MAX,
            longest: Duration::from_millis(300),
            ..Restart::default()
        };
        assert_eq!(
            waits(&patient, 4),
            [Some(100), Some(200), Some(300), Some(300)]
        );
        assert_eq!(delay(u32::MAX - 1, &patient), Some(patient.longest));
        let never = Restart {
            policy: Policy::Never,
            ..Restart::default()
        };
        assert_eq!(waits(&never, 1), [None]);
    }
}
