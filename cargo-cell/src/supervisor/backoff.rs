//! How long to wait before a cell that fell over is started again.

use std::time::Duration;

/// After so many failures in a row it stays down until somebody acts.
pub(super) const FAILURES_MAX: u32 = 6;
/// Whoever served for so long did not fail in a row.
pub(super) const STABLE: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The wait after this many failures in a row; nothing when it is to stay down.
pub(super) fn delay(failures: u32) -> Option<Duration> {
    let doublings = failures.saturating_sub(1).min(16);
    (failures < FAILURES_MAX).then(|| (FIRST * 2_u32.pow(doublings)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_limit_and_ends() {
        let waits: Vec<Option<u128>> = (1..=7)
            .map(|n| delay(n).map(|wait| wait.as_millis()))
            .collect();
        let expected = [
            Some(100),
            Some(200),
            Some(400),
            Some(800),
            Some(1600),
            None,
            None,
        ];
        assert_eq!(waits, expected);
        assert!(delay(0).is_some_and(|wait| wait <= LONGEST));
    }
}
