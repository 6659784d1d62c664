use super::*;
use crate::supervisor::types::{CellPhase, Health};
use crate::workspace::restart::{Policy, Restart};

#[test]
fn the_old_one_serves_until_the_new_one_does() {
    let mut play = Play::new();
    assert_eq!(play.apply(&[spec("a", 1, &[])], false), ["spawn a.1"]);
    assert_eq!(play.door("a", 1), Some(Door::Held));
    assert_eq!(play.ready("a", 1), ["done 1 [a]"]);
    assert_eq!(play.apply(&[spec("a", 1, &[])], false), ["spawn a.2"]);
    assert_eq!(
        play.ready("a", 2),
        ["drain a.1", "done 2 [a]"]
            .map(str::to_owned)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert!(play.said("a", 1, Said::Drained).is_empty());
    assert!(play.exits("a", 1, 0).is_empty());
    assert_eq!(play.state.status(play.now)[0].generation, Some(2));
}

#[test]
fn a_failed_start_leaves_the_old_one() {
    let mut play = Play::new();
    play.apply(&[spec("a", 1, &[])], false);
    play.ready("a", 1);
    play.apply(&[spec("a", 1, &[])], false);
    assert_eq!(play.exits("a", 2, 3), ["done 2 [] by a"]);
    assert_eq!(play.door("a", 1), Some(Door::Held));
    assert_eq!(play.state.due(), None);
}

#[test]
fn one_that_hangs_before_it_serves_is_killed_and_callers_are_told() {
    let mut play = Play::new();
    play.apply(&[spec("a", 1, &[])], false);
    assert_eq!(play.later(Duration::from_secs(10)), ["kill a.1"]);
    assert_eq!(play.exits("a", 1, 137), ["done 1 [] by a"]);
    let Some(Door::Refused(why)) = play.door("a", 1) else {
        panic!("{:?}", play.door("a", 1));
    };
    assert_eq!(why, "it did not say within 10s that it is ready");
    assert_eq!(play.apply(&[spec("a", 1, &[])], false), ["spawn a.2"]);
    assert_eq!(play.door("a", 1), Some(Door::Held));
}

#[test]
fn a_set_starts_callees_first_and_drains_callers_first() {
    let mut play = Play::new();
    let set = |n| [spec("b", n, &["a"]), spec("a", n, &[])];
    assert_eq!(play.apply(&set(1), false), ["spawn a.1"]);
    assert_eq!(play.ready("a", 1), ["spawn b.2"]);
    play.ready("b", 2);
    assert_eq!(play.apply(&set(2), true), ["spawn a.3"]);
    assert_eq!(play.ready("a", 3), ["spawn b.4"]);
    // Both old ones serve until all are ready; then the caller goes before the one that it calls.
    assert_eq!(
        play.state.doors().current,
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)])
    );
    assert_eq!(play.ready("b", 4), ["done 2 [a,b]", "drain b.2"]);
    assert_eq!(
        (play.door("a", 1), play.door("a", 2)),
        (Some(Door::Held), Some(Door::Held))
    );
    assert_eq!(play.exits("b", 2, 0), ["drain a.1"]);
    // Whoever still comes with the old schema is sent to the new socket, which says why it refuses.
    assert_eq!(play.door("a", 1), None);
}

#[test]
fn one_that_fails_holds_its_whole_set() {
    let mut play = Play::new();
    let set = |n| [spec("a", n, &[]), spec("b", n, &["a"])];
    play.apply(&set(1), false);
    play.ready("a", 1);
    play.ready("b", 2);
    play.apply(&set(2), true);
    play.ready("a", 3);
    assert_eq!(play.exits("b", 4, 1), ["kill a.3", "done 2 [] by b"]);
    assert!(play.exits("a", 3, 0).is_empty());
    assert_eq!(
        play.state.doors().current,
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)])
    );
}

#[test]
fn a_circle_is_started_anyway() {
    let mut play = Play::new();
    let words = play.apply(&[spec("a", 1, &["b"]), spec("b", 1, &["a"])], false);
    assert_eq!(words, ["spawn a.1"]);
    assert_eq!(play.ready("a", 1), ["spawn b.2"]);
    assert_eq!(play.ready("b", 2), ["done 1 [a,b]"]);
    assert_eq!(
        play.step(Input::Stop { hasty: false }),
        ["drain a.1", "drain b.2"]
    );
}

#[test]
fn without_overlap_the_old_one_stops_first_and_its_build_comes_back() {
    let mut play = Play::new();
    play.apply(&[exclusive("a", 1, &[])], false);
    play.ready("a", 1);
    assert_eq!(play.apply(&[exclusive("a", 1, &[])], false), ["drain a.1"]);
    assert_eq!(play.door("a", 1), Some(Door::Held));
    assert!(play.said("a", 1, Said::Drained).is_empty());
    assert_eq!(play.exits("a", 1, 0), ["spawn a.2"]);
    assert_eq!(play.exits("a", 2, 1), ["spawn a.3", "done 2 [] by a"]);
    assert_eq!(play.door("a", 1), Some(Door::Held));
    assert!(play.ready("a", 3).is_empty());
    assert_eq!(play.state.status(play.now)[0].generation, Some(3));
}

#[test]
fn in_a_set_one_without_overlap_comes_last_and_its_failure_brings_all_back() {
    let mut play = Play::new();
    let set = |n| [exclusive("ledger", n, &[]), spec("stats", n, &["ledger"])];
    play.apply(&set(1), false);
    play.ready("ledger", 1);
    play.ready("stats", 2);
    assert_eq!(play.apply(&set(2), true), ["spawn stats.3"]);
    assert_eq!(play.ready("stats", 3), ["drain stats.2"]);
    assert_eq!(play.exits("stats", 2, 0), ["drain ledger.1"]);
    assert_eq!(play.exits("ledger", 1, 0), ["spawn ledger.4"]);
    let words = play.exits("ledger", 4, 1);
    assert_eq!(
        words,
        ["spawn ledger.5", "spawn stats.6", "done 2 [] by ledger"]
    );
    play.ready("ledger", 5);
    assert_eq!(play.ready("stats", 6), ["drain stats.3"]);
    assert_eq!(
        play.state.doors().current,
        BTreeMap::from([("ledger".to_owned(), 1), ("stats".to_owned(), 1)])
    );
}

#[test]
fn a_crash_is_followed_by_starts_that_slow_down_and_end() {
    let mut play = Play::new();
    play.apply(&[spec("a", 1, &[])], false);
    play.ready("a", 1);
    let mut generation = 1;
    let mut waits = Vec::new();
    loop {
        assert!(play.exits("a", generation, 1).is_empty());
        assert!(matches!(play.door("a", 1), Some(Door::Refused(_))));
        let Some(due) = play.state.due() else {
            break;
        };
        waits.push(due.duration_since(play.now).as_millis());
        generation += 1;
        let words = play.later(due.duration_since(play.now));
        assert_eq!(words, [format!("spawn a.{generation}")]);
        // Whoever keeps falling over lets nobody wait.
        assert!(matches!(play.door("a", 1), Some(Door::Refused(_))));
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600]);
    assert_eq!(
        play.apply(&[spec("a", 1, &[])], false),
        [format!("spawn a.{}", generation + 1)]
    );
}

#[test]
fn one_that_finished_is_started_by_its_next_caller() {
    let mut play = Play::new();
    play.apply(&[spec("a", 1, &[])], false);
    play.ready("a", 1);
    assert!(play.exits("a", 1, 0).is_empty());
    assert_eq!(play.door("a", 1), Some(Door::Watched));
    let caller = || Input::Caller {
        cell: "a".to_owned(),
        built: true,
    };
    assert_eq!(play.step(caller()), ["spawn a.2"]);
    assert_eq!(play.door("a", 1), Some(Door::Held));
    assert!(play.step(caller()).is_empty());
}

#[test]
fn stopping_is_patient_up_to_a_limit() {
    let mut play = Play::new();
    play.apply(&[spec("a", 1, &[])], false);
    play.ready("a", 1);
    assert_eq!(play.step(Input::Stop { hasty: false }), ["drain a.1"]);
    // At the drain limit the cell itself answers what still runs.
    assert!(play.later(Duration::from_secs(5)).is_empty());
    assert_eq!(play.later(Duration::from_secs(1)), ["term a.1"]);
    assert_eq!(play.later(Duration::from_secs(1)), ["kill a.1"]);
    assert_eq!(play.exits("a", 1, 137), ["all stopped"]);
    assert!(play.state.doors().doors.is_empty());
    assert_eq!(play.apply(&[spec("a", 1, &[])], false), ["done 2 []"]);
}

#[test]
fn haste_kills_at_once_also_the_second_time() {
    for inputs in [vec![true], vec![false, false]] {
        let mut play = Play::new();
        play.apply(&[spec("a", 1, &[])], false);
        play.ready("a", 1);
        let mut words = Vec::new();
        for hasty in inputs {
            words = play.step(Input::Stop { hasty });
        }
        assert_eq!(words, ["kill a.1"]);
    }
}

#[test]
fn a_later_set_takes_over() {
    let mut play = Play::new();
    play.apply(&[spec("a", 1, &[])], false);
    assert_eq!(
        play.apply(&[spec("a", 1, &[])], false),
        ["kill a.1", "spawn a.2", "done 1 []"]
    );
    // The first one's late word is nobody's.
    assert!(play.ready("a", 1).is_empty());
    assert!(play.exits("a", 1, 0).is_empty());
    assert_eq!(play.ready("a", 2), ["done 2 [a]"]);
}

#[test]
fn a_cell_without_a_build_refuses_and_one_that_left_is_forgotten() {
    let mut play = Play::new();
    let reason = "mismatched types".to_owned();
    let cell = || "a".to_owned();
    play.step(Input::Unavailable {
        cell: cell(),
        reason: reason.clone(),
    });
    assert_eq!(play.door("a", 0), Some(Door::Refused(reason)));
    play.apply(&[spec("a", 7, &[])], false);
    assert_eq!(
        (play.door("a", 0), play.door("a", 7)),
        (None, Some(Door::Held))
    );
    play.ready("a", 1);
    assert_eq!(play.step(Input::Retire { cell: cell() }), ["drain a.1"]);
    play.exits("a", 1, 0);
    assert!(play.state.names().is_empty() && play.state.doors().doors.is_empty());
}

#[test]
fn a_cell_at_rest_finishes_and_its_next_caller_starts_it() {
    let mut play = Play::new();
    let rest = || Input::Rest {
        cell: "a".to_owned(),
    };
    assert!(play.step(rest()).is_empty());
    play.apply(&[spec("a", 0, &[]), spec("b", 0, &["a"])], false);
    play.ready("a", 1);
    play.ready("b", 2);
    // Who calls it stays.
    assert_eq!(play.step(rest()), ["drain a.1"]);
    assert!(play.state.is_ending("a") && !play.state.is_ending("b"));
    play.exits("a", 1, 0);
    assert!(!play.state.is_ending("a"));
    assert_eq!(play.door("a", 0), Some(Door::Watched));
    assert_eq!(play.state.status(play.now)[0].phase, CellPhase::Idle);
    assert_eq!(play.state.due(), None);
    let caller = Input::Caller {
        cell: "a".to_owned(),
        built: true,
    };
    assert!(play.step(caller).is_empty());
    assert_eq!(play.door("a", 0), Some(Door::Held));
    assert_eq!(play.apply(&[spec("a", 0, &[])], false), ["spawn a.3"]);
    // One that starts ends at once.
    assert_eq!(play.step(rest()), ["kill a.3", "done 2 []"]);
}

#[test]
fn each_step_of_the_end_has_its_limit() {
    let patient = CellSpec {
        drain: Duration::from_secs(4),
        grace: Duration::from_secs(3),
        ..spec("a", 0, &[])
    };
    let mut play = Play::new();
    play.apply(&[patient], false);
    play.ready("a", 1);
    let rest = Input::Rest {
        cell: "a".to_owned(),
    };
    assert_eq!(play.step(rest), ["drain a.1"]);
    // Its own limit, and a moment to say so.
    assert!(play.later(Duration::from_millis(4_999)).is_empty());
    assert_eq!(play.later(Duration::from_millis(1)), ["term a.1"]);
    assert!(play.later(Duration::from_millis(2_999)).is_empty());
    assert_eq!(play.later(Duration::from_millis(1)), ["kill a.1"]);
}

#[test]
fn a_cell_that_only_calls_takes_over_when_it_says_that_it_runs() {
    let mut play = Play::new();
    play.apply(&[caller("t")], false);
    assert!(play.spawned("t", 1).is_empty());
    assert_eq!(play.said("t", 1, Said::Runs), ["done 1 [t]"]);
    // One that fails before leaves the old one at work.
    play.apply(&[caller("t")], false);
    play.spawned("t", 2);
    assert_eq!(play.exits("t", 2, 1), ["done 2 [] by t"]);
    assert_eq!(play.state.status(play.now)[0].generation, Some(1));
    play.apply(&[caller("t")], false);
    play.spawned("t", 3);
    assert_eq!(play.said("t", 3, Said::Runs), ["done 3 [t]", "drain t.1"]);
}

#[test]
fn one_that_never_says_that_it_runs_is_believed_to_after_a_second() {
    let mut play = Play::new();
    play.apply(&[caller("t")], false);
    play.spawned("t", 1);
    assert!(play.later(Duration::from_millis(999)).is_empty());
    assert_eq!(play.later(Duration::from_millis(1)), ["done 1 [t]"]);
    play.apply(&[caller("t")], false);
    play.spawned("t", 2);
    assert_eq!(play.exits("t", 2, 101), ["done 2 [] by t"]);
    assert_eq!(play.state.status(play.now)[0].generation, Some(1));
    // It would not know what draining is.
    play.apply(&[caller("t")], false);
    play.spawned("t", 3);
    assert_eq!(
        play.later(Duration::from_secs(1)),
        ["done 3 [t]", "term t.1"]
    );
}

#[test]
fn one_whose_predecessor_said_that_it_runs_is_expected_to_as_well() {
    let mut play = Play::new();
    play.apply(&[caller("t")], false);
    play.spawned("t", 1);
    assert_eq!(play.said("t", 1, Said::Runs), ["done 1 [t]"]);
    // Slow to fail: it has as long to start as a cell that serves.
    play.apply(&[caller("t")], false);
    play.spawned("t", 2);
    assert!(play.later(Duration::from_millis(9_999)).is_empty());
    assert_eq!(play.exits("t", 2, 1), ["done 2 [] by t"]);
    // One that no longer says it is believed at last.
    play.apply(&[caller("t")], false);
    play.spawned("t", 3);
    assert_eq!(
        play.later(Duration::from_secs(10)),
        ["done 3 [t]", "drain t.1"]
    );
}

#[test]
fn one_that_only_calls_and_is_done_at_once_has_not_failed() {
    let mut play = Play::new();
    play.apply(&[caller("t")], false);
    play.spawned("t", 1);
    assert_eq!(play.exits("t", 1, 0), ["done 1 [t]"]);
    assert_eq!(play.state.due(), None);
}

fn with_policy(policy: Policy, max: u32) -> CellSpec {
    let restart = Restart {
        policy,
        max,
        ..Restart::default()
    };
    CellSpec {
        restart,
        ..spec("a", 1, &[])
    }
}

#[test]
fn policies_say_what_follows_an_end() {
    let second = Duration::from_secs(1);
    // One that ended as it should.
    for (policy, words) in [
        (Policy::OnFailure, vec![]),
        (Policy::Never, vec![]),
        (Policy::Always, vec!["spawn a.2"]),
    ] {
        let mut play = Play::new();
        play.apply(&[with_policy(policy, 6)], false);
        play.ready("a", 1);
        play.exits("a", 1, 0);
        assert_eq!(play.later(second), words, "{policy:?}");
    }
    // One that failed.
    for (policy, words, health) in [
        (Policy::OnFailure, vec!["spawn a.2"], Health::Failing),
        (Policy::Always, vec!["spawn a.2"], Health::Failing),
        (Policy::Never, vec![], Health::Down),
    ] {
        let mut play = Play::new();
        play.apply(&[with_policy(policy, 6)], false);
        play.ready("a", 1);
        play.exits("a", 1, 1);
        assert_eq!(play.state.status(play.now)[0].health, health, "{policy:?}");
        assert_eq!(play.later(second), words, "{policy:?}");
    }
}

#[test]
fn a_crash_loop_ends_and_keeps_the_last_words() {
    let mut play = Play::new();
    play.apply(&[with_policy(Policy::OnFailure, 3)], false);
    play.ready("a", 1);
    for generation in 1..=3 {
        let words = vec![format!("words of {generation}")];
        play.said("a", generation, Said::Exited(Exit::Code(1), words));
        play.later(Duration::from_secs(10));
    }
    let status = &play.state.status(play.now)[0];
    assert_eq!(status.health, Health::CrashLoop);
    assert_eq!(
        (&status.last_log_lines[..], status.restarts),
        (&["words of 3".to_owned()][..], 2)
    );
    assert!(
        status
            .reason
            .as_ref()
            .is_some_and(|reason| reason.contains("3 times in a row"))
    );
    // Somebody acts: the row begins anew.
    play.apply(&[with_policy(Policy::OnFailure, 3)], false);
    play.ready("a", 4);
    assert_eq!(play.state.status(play.now)[0].health, Health::Good);
}

#[test]
fn the_first_caller_of_a_parked_cell_is_announced_and_waits() {
    let mut play = Play::new();
    let cell = || "a".to_owned();
    let park = Input::Park {
        cell: cell(),
        spec: None,
        fingerprint: 7,
    };
    play.step(park);
    assert_eq!(play.door("a", 7), Some(Door::Watched));
    let actions = play.state.step(
        Input::Caller {
            cell: cell(),
            built: false,
        },
        play.now,
    );
    let called = SupervisorEvent::Called { cell: cell() };
    assert_eq!(actions, [Action::Emit(called)]);
    assert_eq!(play.door("a", 7), Some(Door::Held));
    assert_eq!(play.apply(&[spec("a", 7, &[])], false), ["spawn a.1"]);
    assert_eq!(play.door("a", 7), Some(Door::Held));
}
